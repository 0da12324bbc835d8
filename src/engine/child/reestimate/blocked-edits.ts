import type { Node } from '../../../core/onnx/model.js';
import { addToGraph, type Edit, removeMessage, replaceMessage } from '../../../core/onnx/write/edit.js';
import { type NodeChange, rewriteNode } from '../../../core/onnx/write/encode.js';
import type { BlockedGraph, BlockedLayer } from './blocked-graph.js';
import { CovarianceStatistics, covarianceWidth } from './covariance-statistics.js';
import { GraphAdditions } from './graph-additions.js';
import type { GroupedTensor, ImageGroups } from './image-groups.js';
import type { LayerConstants } from './layer-factor.js';
import type { SingleGraph } from './single-graph.js';
import { ValueStatistics } from './value-statistics.js';

/** Shapes of the layers' inputs, by layer index. */
export type LayerShapes = ReadonlyMap<number, readonly number[]>;

/** Names of a layer's results, each of shape (width), float32. */
export const resultNames = (index: number) => ({
	mean: `layer${index}//mean`,
	variance: `layer${index}//variance`,
	/** Result of layers by their values. */
	center: `layer${index}//center`,
	/** Result of layers by covariance. */
	spread: `layer${index}//spread`,
});

/** Makes the edits that let an optimized model normalize with the statistics of its batch, for inputs of one shape. */
export class BlockedEdits {
	readonly #graph: SingleGraph;
	readonly #blocked: BlockedGraph;
	readonly #groups: ImageGroups;
	readonly #shapes: LayerShapes;
	readonly #additions: GraphAdditions;
	readonly #values: ValueStatistics;
	readonly #covariances: CovarianceStatistics;
	/** Indices of the layers whose statistics follow from the covariance of their convolution's input. */
	readonly byCovariance: ReadonlySet<number>;

	/** @param covariances false: each layer's statistics are those of its values */
	constructor(
		graph: SingleGraph,
		blocked: BlockedGraph,
		{
			groups,
			shapes,
			covariances,
		}: { readonly groups: ImageGroups; readonly shapes: LayerShapes; readonly covariances: boolean },
	) {
		this.#graph = graph;
		this.#blocked = blocked;
		this.#groups = groups;
		this.#shapes = shapes;
		this.#additions = new GraphAdditions(blocked.optimized.model.graph);
		this.#values = new ValueStatistics(this.#additions);
		this.#covariances = new CovarianceStatistics(this.#additions);
		const layers = covariances ? blocked.layers : [];
		const chosen = layers.filter((layer) => covarianceWidth(layer, this.#shapeOf(layer)) !== undefined);
		this.byCovariance = new Set(chosen.map(({ index }) => index));
	}

	async all(): Promise<readonly Edit[]> {
		const edits: Edit[] = [];
		const { layers, nodes } = this.#blocked;
		const changes = new Map<Node, NodeChange>();
		const left = new Set<Node>();
		for (const layer of layers) {
			if (this.byCovariance.has(layer.index)) {
				changes.set(layer.marker, this.#foldedChange(layer));
				left.add(layer.source);
			} else {
				const { source, marker } = await this.#valueChanges(layer);
				changes.set(layer.source, source);
				changes.set(layer.marker, marker);
			}
		}
		this.#divideInputs();
		// The last layers' markers are not among the nodes.
		for (const node of nodes) {
			edits.push(...(left.has(node) ? [removeMessage(node)] : await this.#copies(node, changes.get(node) ?? {})));
		}
		return [...edits, ...this.#additions.edits];
	}

	#shapeOf({ index }: BlockedLayer): readonly number[] {
		return this.#shapes.get(index) ?? [];
	}

	/** Adds a layer's statistics. Returns the changes of its marker, which takes the place of its convolution. */
	#foldedChange(layer: BlockedLayer): NodeChange {
		const { source, marker } = layer;
		const [x] = source.inputs;
		const [, , , ...rest] = marker.inputs;
		const folded = this.#covariances.add(layer, this.#grouped(x, this.#shapeOf(layer)), {
			constants: this.#constants(layer),
			results: resultNames(layer.index),
		});
		return { inputs: [x, folded.weight, folded.bias, ...rest], integers: { group: 1 } };
	}

	/** Adds a layer's center and statistics. Returns the changes of its convolution and of its marker. */
	async #valueChanges(layer: BlockedLayer): Promise<{ source: NodeChange; marker: NodeChange }> {
		const { source, marker } = layer;
		const shape = this.#shapeOf(layer);
		const [x, weight] = source.inputs;
		const [last] = this.#groups.namesOf(x).slice(-1);
		const results = resultNames(layer.index);
		const shift = this.#values.addCenter(layer, last, await this.#messageOf(source), results.center);
		const constants = this.#constants(layer);
		const output = this.#grouped(source.outputs[0], shape);
		const { factors, offset } = this.#values.addMoments(layer, output, { constants, results });
		const [values, , , ...rest] = marker.inputs;
		return { source: { inputs: [x, weight, shift] }, marker: { inputs: [values, factors, offset, ...rest] } };
	}

	#grouped(name: string, shape: readonly number[]): GroupedTensor {
		const groups = this.#groups.namesOf(name);
		return { groups, sizes: groups.length > 1 ? this.#groups.sizes : [shape[0] ?? 0], shape };
	}

	#constants({ index, count, width }: BlockedLayer): LayerConstants {
		const { gamma, beta, epsilon } = this.#graph.model.layers[index];
		const inFull = (values: ArrayLike<number> | null) => {
			const full = new Float32Array(width);
			full.set(Array.from(values ?? []).slice(0, count));
			return full;
		};
		return {
			gamma: this.#additions.constant(`layer${index}//gamma`, [width], inFull(gamma.values)),
			beta: this.#additions.constant(`layer${index}//beta`, [width], inFull(beta.values)),
			epsilon: this.#additions.constant(`layer${index}//epsilon`, [], [epsilon]),
		};
	}

	#divideInputs(): void {
		const { sizes } = this.#groups;
		if (sizes.length > 1) {
			for (const name of this.#graph.given.keys()) {
				const sections = this.#additions.integers(...sizes);
				this.#additions.nodes('Split', [name, sections], this.#groups.namesOf(name), { integers: { axis: 0 } });
			}
		}
	}

	async #messageOf({ span }: Node): Promise<Uint8Array> {
		return this.#blocked.optimized.source.read(span?.offset ?? 0, span?.length ?? 0);
	}

	/** Returns the edits that make a copy of a node for each group of images, or change it if it takes all of them. */
	async #copies(node: Node, change: NodeChange): Promise<Edit[]> {
		const message = await this.#messageOf(node);
		const inputs = change.inputs ?? node.inputs;
		if (!this.#groups.isDivided(node.outputs[0])) {
			this.#joinGroups(inputs);
			return [replaceMessage(node, rewriteNode(message, { ...change, inputs, outputs: node.outputs }))];
		}
		return this.#groups.sizes.map((_, group) => {
			const named = (name: string) => this.#groups.nameOf(name, group);
			const own = { inputs: inputs.map(named), outputs: node.outputs.map(named) };
			// Names of nodes are unique.
			const copy = rewriteNode(message, { ...change, name: '', ...own });
			return group === 0 ? replaceMessage(node, copy) : addToGraph(this.#blocked.optimized.model.graph, 'node', copy);
		});
	}

	/** Joins the groups of tensors that a node takes with all images. */
	#joinGroups(names: readonly string[]): void {
		for (const name of names.filter((each) => this.#groups.isDivided(each) && !this.#graph.given.has(each))) {
			this.#additions.node('Concat', this.#groups.namesOf(name), name, { integers: { axis: 0 } });
		}
	}
}
