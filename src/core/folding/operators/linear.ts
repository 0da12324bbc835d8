import { isConstant } from '../../onnx/graph/constants.js';
import type { Scope } from '../../onnx/graph/scope.js';
import type { Place } from '../../onnx/graph/traverse.js';
import type { Node, TensorRecord } from '../../onnx/model.js';
import { scaledProduct } from './integer-product.js';
import { type PackedWeight, packedWeight } from './packed-weight.js';

export type LinearKind = 'Conv' | 'ConvTranspose' | 'Gemm' | 'MatMul';

/** Positions of a linear operator's constants among the node's inputs. */
interface Slots {
	readonly kind: LinearKind;
	readonly weight: number;
	/** Absent for an operator without a bias. */
	readonly bias?: number;
	/**
	 * Inputs that hold scale and zero point of a quantized weight, and the scale of the operator's input. Without the
	 * weight's scale, nodes behind the operator multiply by it; without that of the input, the bias is in float.
	 */
	readonly quantization?: { readonly scale?: number; readonly zeroPoint: number; readonly inputScale?: number };
	/** True if several weights share a byte. */
	readonly isPacked?: true;
}

const FLOAT = (kind: LinearKind): Slots => ({ kind, weight: 1, bias: 2 });
const INTEGER = (kind: LinearKind): Slots => ({ kind, weight: 1, quantization: { zeroPoint: 3 } });

/** "domain:operator" -> positions of its constants. The runtime's own fused operators only add an activation. */
const OPERATORS: ReadonlyMap<string, Slots> = new Map([
	[':Conv', FLOAT('Conv')],
	[':ConvTranspose', FLOAT('ConvTranspose')],
	[':Gemm', FLOAT('Gemm')],
	[':MatMul', FLOAT('MatMul')],
	['com.microsoft:FusedConv', FLOAT('Conv')],
	['com.microsoft:FusedGemm', FLOAT('Gemm')],
	[':QLinearConv', { kind: 'Conv', weight: 3, bias: 8, quantization: { scale: 4, zeroPoint: 5, inputScale: 1 } }],
	[':QLinearMatMul', { kind: 'MatMul', weight: 3, quantization: { scale: 4, zeroPoint: 5, inputScale: 1 } }],
	[
		'com.microsoft:QGemm',
		{ kind: 'Gemm', weight: 3, bias: 6, quantization: { scale: 4, zeroPoint: 5, inputScale: 1 } },
	],
	['com.microsoft:MatMulNBits', { kind: 'MatMul', weight: 1, bias: 5, isPacked: true }],
	[':ConvInteger', INTEGER('Conv')],
	[':MatMulInteger', INTEGER('MatMul')],
]);

/** Scales and zero point of an operator that takes its weight in integers; '' for a constant that it lacks. */
export interface Quantization {
	readonly scale: string;
	readonly zeroPoint: string;
	/** '': the bias is in float. */
	readonly inputScale: string;
	/** True if the scale multiplies the operator's output by broadcasting. */
	readonly scalesOutput: boolean;
}

/** A node that multiplies its input by a weight, as the graph's structure shows it. No constant is read. */
export interface LinearOperator {
	/** Position among the model's linear operators, in graph order. */
	readonly index: number;
	readonly scope: Scope;
	readonly node: Node;
	readonly kind: LinearKind;
	/** The node's name, else its output's. */
	readonly name: string;
	readonly weight: string;
	/** '' where it has none, or a Gemm multiplies it by 0. */
	readonly bias: string;
	/** Position of the bias among the node's inputs; absent without a bias input. */
	readonly biasInput?: number;
	readonly quantization?: Quantization;
	/** Set for a weight with several values in a byte. */
	readonly packed?: PackedWeight;
	/** Number of groups of Conv and ConvTranspose; 1 otherwise. */
	readonly group: number;
	/** True if the weight's rows are the output channels. */
	readonly transB: boolean;
	/** Factors of Gemm on the product (alpha) and on the bias (beta). */
	readonly alpha: number;
	readonly beta: number;
	/** Node that writes the output: `node`, or the last of the nodes that scale its integers. */
	readonly last: Node;
	/** Tensor that `last` writes. */
	readonly output: string;
}

export function linearOperator({ scope, node }: Place, index: number): LinearOperator | undefined {
	const slots = OPERATORS.get(`${node.domain}:${node.opType}`);
	const weight = slots && (node.inputs[slots.weight] ?? '');
	if (!slots || !weight || scope.lookup(weight).kind === 'input' || isConstantProduct({ scope, node })) {
		return undefined;
	}
	const form = integerForm(slots, { scope, node });
	if (!form) {
		return undefined;
	}
	const { packed } = form;
	const isGemm = slots.kind === 'Gemm';
	const beta = isGemm ? (scope.attribute(node, 'beta')?.f ?? 1) : 1;
	return {
		index,
		scope,
		node,
		kind: slots.kind,
		name: node.name || node.outputs[0] || `${node.opType}_${node.index}`,
		weight,
		bias: beta === 0 ? '' : inputAt(node, slots.bias),
		...(slots.bias !== undefined && { biasInput: slots.bias }),
		...form,
		group: Math.max(1, scope.attribute(node, 'group')?.i ?? 1),
		transB: packed !== undefined || (isGemm && (scope.attribute(node, 'transB')?.i ?? 0) !== 0),
		alpha: isGemm ? (scope.attribute(node, 'alpha')?.f ?? 1) : 1,
		beta,
		output: form.last.outputs[0] ?? '',
	};
}

/** True for a product of constants, as of low-rank weights: it makes a weight and reads no data. */
function isConstantProduct({ scope, node }: Place): boolean {
	return node.opType === 'MatMul' && node.domain === '' && isConstant(scope, node.outputs[0] ?? '');
}

const inputAt = (node: Node, position: number | undefined): string =>
	position === undefined ? '' : (node.inputs[position] ?? '');

/** Returns the form in which an operator takes its weight; undefined if that form cannot be read. */
function integerForm(
	slots: Slots,
	{ scope, node }: Place,
): Pick<LinearOperator, 'quantization' | 'packed' | 'last'> | undefined {
	const { quantization: at, isPacked } = slots;
	if (isPacked) {
		const packed = packedWeight(scope, node);
		return packed && { packed, last: node };
	}
	if (!at) {
		return { last: node };
	}
	const scaled = at.scale === undefined ? scaledProduct(scope, node) : undefined;
	if (at.scale === undefined && !scaled) {
		return undefined;
	}
	const quantization = {
		scale: scaled?.scale ?? inputAt(node, at.scale),
		zeroPoint: inputAt(node, at.zeroPoint),
		inputScale: inputAt(node, at.inputScale),
		scalesOutput: scaled !== undefined,
	};
	return { quantization, last: scaled?.last ?? node };
}

/** True if a bias can be an input of the operator. */
export function hasOwnBias({ kind, beta }: LinearOperator): boolean {
	return kind !== 'MatMul' && beta !== 0;
}

/** True if another node also reads the operator's weight, so that a fold has to copy it. */
export function hasSharedWeight({ scope, weight }: LinearOperator): boolean {
	return scope.lookup(weight).kind === 'initializer' && scope.consumers(weight).length > 1;
}

/**
 * Returns a value that two operators of a model have in common only if they read the same weight. Names do not show that,
 * because each call of a function has its own tensor behind a name.
 */
export function weightIdentity({ scope, weight }: LinearOperator): unknown {
	const found = scope.lookup(weight);
	if (found.kind === 'initializer') {
		return found.record;
	}
	return found.kind === 'node' && found.node.opType === 'Constant' ? found.node : `${scope.key}\0${weight}`;
}

/** Quantizing an integer weight again would make another model, not a fold. */
export function isQuantized({ scope, weight, quantization, packed }: LinearOperator): boolean {
	if (packed) {
		return true;
	}
	let at = { scope, name: weight };
	for (let step = 0; step < MAX_IDENTITIES; step++) {
		const definition = at.scope.lookup(at.name);
		if (definition.kind !== 'node' || definition.node.opType === 'DequantizeLinear') {
			return quantization !== undefined || definition.kind === 'node';
		}
		at = { scope: definition.scope, name: definition.node.inputs[0] ?? '' };
	}
	return false;
}

/** Nodes that hand on values, and nodes that may round them once more. */
export const HANDS_ON: ReadonlySet<string> = new Set(['Identity']);
export const HANDS_ON_ROUNDED: ReadonlySet<string> = new Set(['Identity', 'Cast']);

/** Names of a DequantizeLinear's inputs. */
export interface Dequantizer {
	readonly scope: Scope;
	readonly node: Node;
	readonly integers: string;
	readonly scale: string;
}

/**
 * Returns the DequantizeLinear that makes a constant, directly or through nodes that hand it on.
 * @param passing operators that may stand in between
 */
export function dequantizer(scope: Scope, name: string, passing = HANDS_ON): Dequantizer | undefined {
	let at = { scope, name };
	for (let step = 0; step < MAX_IDENTITIES && at.name !== ''; step++) {
		const definition = at.scope.lookup(at.name);
		if (definition.kind !== 'node') {
			return undefined;
		}
		const [input = '', scale = ''] = definition.node.inputs;
		if (definition.node.opType === 'DequantizeLinear') {
			return { scope: definition.scope, node: definition.node, integers: input, scale };
		}
		// Behind a Transpose the scales would lie on another axis.
		if (!passing.has(definition.node.opType)) {
			return undefined;
		}
		at = { scope: definition.scope, name: input };
	}
	return undefined;
}

/** Returns the tensor of the file behind a name, directly or through Identity; undefined for a computed tensor. */
export function recordOf(scope: Scope, name: string): TensorRecord | undefined {
	let at = { scope, name };
	for (let step = 0; step < MAX_IDENTITIES; step++) {
		const definition = at.scope.lookup(at.name);
		if (definition.kind === 'initializer') {
			return definition.record;
		}
		if (definition.kind !== 'node' || definition.node.domain !== '') {
			return undefined;
		}
		if (definition.node.opType === 'Constant') {
			return definition.scope.attribute(definition.node, 'value')?.t;
		}
		if (definition.node.opType !== 'Identity') {
			return undefined;
		}
		at = { scope: definition.scope, name: definition.node.inputs[0] ?? '' };
	}
	return undefined;
}

const MAX_IDENTITIES = 32;
