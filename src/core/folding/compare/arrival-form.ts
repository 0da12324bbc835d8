import type { BatchNormLayer } from '../../batchnorm/layer.js';
import { isConstant } from '../../onnx/graph/constants.js';
import { Scope } from '../../onnx/graph/scope.js';
import type { Node } from '../../onnx/model.js';
import type { FoldedInto, LayerComparison } from '../../report/comparison/comparison.js';
import { joinWords } from '../../text/sentences.js';
import type { LinearOperator } from '../operators/linear.js';
import type { MatchedNetworks } from '../pairing/partners.js';
import type { ValueComparison } from '../values/value-comparison.js';
import { isNeutral } from './neutral-layer.js';

/** Operators with weights, in any domain. */
const CARRIERS: ReadonlySet<string> = new Set([
	...['Conv', 'ConvTranspose', 'Gemm', 'MatMul', 'Einsum', 'FusedConv', 'FusedGemm', 'FusedMatMul', 'FusedMatMulBias'],
	...['ConvInteger', 'MatMulInteger', 'MatMulIntegerToFloat', 'DynamicQuantizeMatMul', 'MatMulNBits'],
	...['QLinearConv', 'QLinearMatMul', 'QGemm', 'NhwcConv', 'NhwcFusedConv', 'QLinearConvTranspose'],
]);
/** Domain of operators with weights in blocks of the processor's vector width. */
const BLOCKED = 'com.microsoft.nchwc';
/** Maximum number of nodes searched between a tensor and the operators upstream. */
const MAX_SEARCH = 24;

/** Form in which a layer arrived. */
export interface ArrivalForm {
	/** Phrase: "merged with 2 branches into Conv_7". */
	readonly text: string;
	readonly into: FoldedInto | null;
	/** The layer is still a layer. */
	readonly isKept?: boolean;
}

/** Describes the forms in which the layers of a comparison arrived, by the deployed operators in front of their values. */
export class ArrivalForms {
	readonly #models: MatchedNetworks;
	readonly #values: ValueComparison;
	readonly #deployed: Scope;

	constructor(models: MatchedNetworks, values: ValueComparison) {
		this.#models = models;
		this.#values = values;
		this.#deployed = Scope.ofModel(models.deployed.model);
	}

	/** @param index of the layer; it must have a match */
	of(index: number, layer: LayerComparison): ArrivalForm {
		const match = this.#values.layers[index]?.match;
		const carriers = match ? this.#carriers(match.deployed) : [];
		const into = carriers.length > 0 ? intoOf(carriers[0], this.#deployed) : null;
		const names = joinWords(carriers.map((node) => nameOf(node)));
		const keptAs = this.#models.kept.get(this.#models.original.layers[index]);
		if (keptAs && match) {
			return isNeutral(keptAs)
				? { text: `folded into ${names}, and ${keptAs.name} behind it does nothing`, into }
				: { text: `still as ${keptAs.name}, with its parameters written differently`, into, isKept: true };
		}
		const branches = this.#branches(index);
		if (branches > 1) {
			const others = `${branches - 1} ${branches === 2 ? 'branch' : 'branches'}`;
			return { text: carriers.length === 1 ? `merged with ${others} into ${names}` : `merged with ${others}`, into };
		}
		if (carriers.length > 1) {
			return { text: `split over ${names}`, into };
		}
		const [carrier] = carriers;
		return carrier
			? { text: this.#formOf(carrier, index, layer), into }
			: { text: match ? `written as ${this.#writer(match.deployed)}` : 'in another form', into };
	}

	/** Returns a layer's operator and its partner, if they have the same type. */
	operators(index: number): { readonly original: Node; readonly deployed: Node } | undefined {
		const { original, pairing } = this.#models;
		const target = original.targets.get(original.layers[index]);
		const pair = target && pairing.byOriginal.get(target.operator);
		return pair && { original: pair.original.node, deployed: pair.deployed.node };
	}

	#formOf(carrier: Node, index: number, { cause, causes }: LayerComparison): string {
		const { original } = this.#models;
		const operator = original.targets.get(original.layers[index])?.operator;
		const name = nameOf(carrier);
		const order = this.#values.layers[index]?.match?.difference.order;
		if (carrier.domain === BLOCKED) {
			return `in onnxruntime's blocked layout (NCHWc) in ${name}`;
		}
		if (operator && operator.node.opType !== carrier.opType && operator.kind !== carrier.opType) {
			return `written as ${this.#shapeOf(carrier)} in ${name}`;
		}
		if (order === 'sorted') {
			return `with its channels in another order in ${name}`;
		}
		if (order === 'transposed') {
			return `with its channels last in ${name}`;
		}
		if (cause !== null && causes.every((code) => BIAS_CAUSES.has(code))) {
			return `in ${name}, with its bias in the operators around it`;
		}
		if (operator === undefined) {
			return `folded forward into ${name}`;
		}
		return `in another form in ${name}`;
	}

	/** "a 1x1 Conv", "a MatMul". */
	#shapeOf({ opType, inputs }: Node): string {
		const weight = inputs.map((name) => this.#deployed.graph.initializers.get(name)).find((record) => record);
		const kernel = opType.includes('Conv') ? (weight?.dims.slice(2) ?? []) : [];
		return `a ${kernel.length > 0 ? `${kernel.join('x')} ` : ''}${opType}`;
	}

	/**
	 * Number of operators with layers that arrived in the same tensor; a layer without an operator counts as a branch.
	 */
	#branches(index: number): number {
		const { original } = this.#models;
		return new Set(this.#together(index).map((layer) => original.targets.get(layer)?.operator ?? layer)).size;
	}

	/** Returns the layers that arrived in the same tensor. */
	#together(index: number): BatchNormLayer[] {
		const match = this.#values.layers[index]?.match;
		return this.#models.original.layers.filter((_, other) => {
			const found = this.#values.layers[other]?.match;
			return found && found.original === match?.original && found.deployed === match.deployed;
		});
	}

	/** Returns the number of operators in a row between a layer's operator and the tensor that it arrived in. */
	operatorsInRow(index: number): number {
		const { layers, targets, operators, before } = this.#models.original;
		const together = new Set(this.#together(index).map((layer) => targets.get(layer)?.operator));
		const first = targets.get(layers[index])?.operator;
		const depths = new Map<LinearOperator, number>();
		for (const operator of operators.filter((each) => together.has(each))) {
			const inFront = Array.from(before.get(operator) ?? [], (each) => depths.get(each) ?? 0);
			const depth = Math.max(0, ...inFront);
			if (operator === first || depth > 0) {
				depths.set(operator, depth + 1);
			}
		}
		return Math.max(0, ...depths.values());
	}

	/** Returns the nearest operators with weights upstream of a deployed tensor. */
	#carriers(tensor: string): Node[] {
		const found = new Set<Node>();
		const queue = [tensor];
		const seen = new Set(queue);
		for (const name of queue) {
			const node = seen.size <= MAX_SEARCH ? this.#deployed.producer(name) : undefined;
			if (node && CARRIERS.has(node.opType)) {
				found.add(node);
				continue;
			}
			for (const input of node?.inputs ?? []) {
				if (input !== '' && !seen.has(input) && !isConstant(this.#deployed, input)) {
					seen.add(input);
					queue.push(input);
				}
			}
		}
		return [...found].sort((a, b) => a.index - b.index);
	}

	#writer(tensor: string): string {
		const node = this.#deployed.producer(tensor);
		return node ? `${node.opType} ${nameOf(node)}` : tensor;
	}
}

/** Causes of a bias that stands elsewhere. */
const BIAS_CAUSES: ReadonlySet<string> = new Set([
	'beta-dropped',
	'mean-dropped',
	'conv-bias-dropped',
	'bias-not-folded',
	'mean-unscaled',
	'conv-bias-unscaled',
	'mean-sign-flipped',
]);

function nameOf({ name, outputs, opType, index }: Node): string {
	return name || outputs[0] || `${opType}_${index}`;
}

function intoOf(node: Node, scope: Scope): FoldedInto {
	const [weight = '', bias] = node.inputs.slice(1).filter((name) => name !== '' && isConstant(scope, name));
	return { name: nameOf(node), op: node.opType, weight, bias: bias ?? null };
}
