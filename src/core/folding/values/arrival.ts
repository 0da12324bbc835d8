import type { BatchNormLayer } from '../../batchnorm/layer.js';
import type { Node } from '../../onnx/model.js';
import type { ValueDifference } from './difference.js';

/** A deployed tensor with the values of an original tensor. */
export interface ValueMatch {
	/** Name of the original tensor. */
	readonly original: string;
	/** Name of the deployed tensor. */
	readonly deployed: string;
	readonly difference: ValueDifference;
	/** Largest difference that rounding explains. */
	readonly bound: number;
	/** Root mean square of the difference that rounding explains, if the deployed model's constants are quantized. */
	readonly noise?: number;
	/** Root mean square of the original's values. */
	readonly size: number;
	/** Largest magnitude of the original's values. */
	readonly largest: number;
}

/** Main graph of the original, and its tensors with a counterpart. */
export interface ValueGraph {
	/** Nodes in an order in which they can run. */
	readonly order: readonly Node[];
	/** Names that a node reads, names read by its bodies included. */
	readonly reads: (node: Node) => Iterable<string>;
	readonly outputs: ReadonlySet<string>;
	/** Original tensor name -> its counterpart. */
	readonly matches: ReadonlyMap<string, ValueMatch>;
	/** Tensors with compared values. */
	readonly compared: ReadonlySet<string>;
	/** True for tensors whose counterpart, if there is one, differs by noise as large as its values. */
	readonly isBlurred?: (name: string) => boolean;
}

/** `unused`: no output depends on the tensor, or its values show nothing. */
export type Arrival = ValueMatch | 'unused' | 'lost';

/**
 * Finds, for every tensor of the original, the first tensor from it on that the deployed model computes as well. A tensor
 * that the deployed model has fused away has arrived if every use of it has.
 */
export class Arrivals {
	readonly #graph: ValueGraph;
	readonly #arrivals = new Map<string, Arrival>();
	readonly #writers = new Map<string, Node>();
	readonly #readers = new Map<string, Node[]>();
	/** See {@link isMisplaced}. */
	readonly #misplaced = new Map<string, boolean>();

	constructor(graph: ValueGraph) {
		this.#graph = graph;
		for (const node of graph.order) {
			for (const name of new Set(graph.reads(node))) {
				const list = this.#readers.get(name) ?? [];
				list.push(node);
				this.#readers.set(name, list);
			}
			for (const name of node.outputs) {
				this.#writers.set(name, node);
			}
		}
		for (const node of graph.order.toReversed()) {
			for (const name of node.outputs) {
				this.#arrivals.set(name, this.#arrive(name, this.#readers.get(name) ?? []));
			}
		}
	}

	of(name: string): Arrival {
		return this.#graph.matches.get(name) ?? this.#arrivals.get(name) ?? 'unused';
	}

	/** Returns the tensors between a matched tensor and the first difference behind it, in graph order. */
	firstLost(): string | undefined {
		for (const node of this.#graph.order) {
			const lost = node.outputs.find((name) => this.#graph.compared.has(name) && this.of(name) === 'lost');
			if (lost !== undefined) {
				return lost;
			}
		}
		return undefined;
	}

	/** True if the models part in front of a tensor: it was computed, and has no counterpart. */
	isParted(name: string): boolean {
		return this.#writers.has(name) && this.of(name) === 'lost';
	}

	/**
	 * True if a tensor's values have arrived in another order, and every use of them is lost: the order is a fault. An
	 * order that a reader behind expects is none.
	 */
	isMisplaced(name: string): boolean {
		const known = this.#misplaced.get(name);
		if (known !== undefined) {
			return known;
		}
		const arrival = this.of(name);
		const match = typeof arrival === 'string' ? undefined : arrival;
		const isMisplaced =
			match?.difference.order === 'sorted' &&
			(match.original === name ? this.#areUsesMisplaced(name) : this.isMisplaced(match.original));
		this.#misplaced.set(name, isMisplaced);
		return isMisplaced;
	}

	/**
	 * True if a tensor's values have arrived in another order, and all tensors behind have too few elements to show if a
	 * reader expects it.
	 */
	isOrderUnseen(name: string): boolean {
		const arrival = this.of(name);
		if (typeof arrival === 'string' || arrival.difference.order !== 'sorted') {
			return false;
		}
		const readers = this.#readers.get(arrival.original) ?? [];
		const outputs = readers.flatMap((node) => node.outputs).filter((output) => output !== '');
		return (
			outputs.length > 0 &&
			outputs.every(
				(output) => this.isOrderUnseen(output) || (this.of(output) === 'unused' && !this.#graph.compared.has(output)),
			)
		);
	}

	#areUsesMisplaced(name: string): boolean {
		const outputs = (this.#readers.get(name) ?? []).flatMap((node) => node.outputs);
		// Behind a tensor without a counterpart, the outputs of the model may be too small to be compared.
		const isLost = (output: string) =>
			this.of(output) === 'lost' || (this.of(output) === 'unused' && this.#graph.compared.has(output));
		const uses = outputs.filter((output) => output !== '' && (this.of(output) !== 'unused' || isLost(output)));
		const isOutput = this.#graph.outputs.has(name);
		return (isOutput || uses.length > 0) && uses.every((output) => isLost(output) || this.isMisplaced(output));
	}

	#arrive(name: string, readers: readonly Node[]): Arrival {
		const match = this.#graph.matches.get(name);
		if (match) {
			return match;
		}
		if (this.#graph.isBlurred?.(name)) {
			return 'unused';
		}
		if (this.#graph.outputs.has(name)) {
			// Too few elements to identify a tensor. The comparison of outputs judges this output.
			return this.#graph.compared.has(name) ? 'lost' : 'unused';
		}
		const uses = readers.flatMap(({ outputs }) => outputs.map((output) => this.of(output)));
		if (uses.includes('lost')) {
			return 'lost';
		}
		return uses.find((use) => use !== 'unused') ?? 'unused';
	}
}

/** Place of a layer in relation to the first difference. */
export type LayerArrival =
	| {
			readonly status: 'match';
			readonly match: ValueMatch;
			readonly isMisplaced: boolean;
			readonly isOrderUnseen: boolean;
	  }
	/** `behind`: the models part in front of the layer. */
	| { readonly status: 'behind' | 'unused' }
	/** `isInputMisplaced`: the values in front of the layer arrived in an order that it does not expect. */
	| { readonly status: 'mismatch'; readonly isInputMisplaced: boolean };

/**
 * @param input tensor that enters the layer, or the linear operator that it folds into
 */
export function layerArrival(arrivals: Arrivals, layer: BatchNormLayer, input: string): LayerArrival {
	const arrival = arrivals.of(layer.output);
	if (arrival === 'unused') {
		return { status: 'unused' };
	}
	if (arrival !== 'lost') {
		const { output } = layer;
		const isOrderUnseen = arrivals.isOrderUnseen(output);
		return { status: 'match', match: arrival, isMisplaced: arrivals.isMisplaced(output), isOrderUnseen };
	}
	return arrivals.isParted(input)
		? { status: 'behind' }
		: { status: 'mismatch', isInputMisplaced: arrivals.isMisplaced(input) };
}
