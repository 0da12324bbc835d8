import type { BatchNormLayer } from '../../batchnorm/layer.js';
import { isConstant } from '../../onnx/graph/constants.js';
import { ShapeInference } from '../../onnx/graph/infer.js';
import { Scope } from '../../onnx/graph/scope.js';
import type { Node } from '../../onnx/model.js';
import { decodeText } from '../../onnx/text.js';
import { type LinearOperator, linearOperator } from '../operators/linear.js';
import type { Network } from '../targets/network.js';
import { isPointwise, type Plan } from './plan.js';

/** Domain of operators with weights in blocks of the processor's vector width. */
export const BLOCKED_DOMAIN = 'com.microsoft.nchwc';
/** Maximum length of a chain of nodes that a plan follows. */
const MAX_DEPTH = 48;
/**
 * Maximum number of parts of a plan. A chain of sums that each read a tensor twice would double it with every node.
 * Regions of DenseNet and Inception have up to 200.
 */
const MAX_PARTS = 1024;

/** Quantizers that clip where the original has an activation: node -> operator of the activation. */
export type QuantizerFunctions = ReadonlyMap<Node, string>;

/** A function that a plan ends at, with the affine parts that it reads. */
export interface FunctionSource {
	readonly name: string;
	readonly inputs: readonly Plan[];
	readonly node: Node;
	/** Names of its constant inputs, without those of a linear operator. */
	readonly constants: readonly string[];
}

/** Plans the affine parts of a model's main graph. Reads no tensor. */
export class Planner {
	readonly scope: Scope;
	readonly #shapes = new ShapeInference();
	readonly #layers: ReadonlyMap<Node, BatchNormLayer>;
	readonly #operators: ReadonlyMap<Node, LinearOperator>;
	readonly #isPaired: (name: string) => boolean;
	readonly #quantizers: QuantizerFunctions;

	/**
	 * @param isPaired true for tensors with a known counterpart, where plans may end
	 * @param quantizers functions that quantizers stand for
	 */
	constructor(
		{ model, layers, operators }: Network,
		isPaired: (name: string) => boolean,
		quantizers: QuantizerFunctions = new Map(),
	) {
		this.scope = Scope.ofModel(model);
		this.#layers = new Map(layers.filter(({ graphPath }) => graphPath === '').map((layer) => [layer.node, layer]));
		this.#operators = new Map(operators.filter(({ scope }) => scope.depth === 0).map((each) => [each.last, each]));
		this.#isPaired = isPaired;
		this.#quantizers = quantizers;
	}

	/** Plans a tensor from the node that computes it on. */
	of(name: string, axis: number): Plan {
		return this.#plan(name, axis, newPlace(false));
	}

	/** Plans a tensor without its linear operator, to show the source of copies. */
	rootOf(name: string, axis: number): Plan {
		return this.#plan(name, axis, newPlace(true));
	}

	/** Returns the function that computes a base, with the axis of its channels; undefined for an input of the model. */
	functionOf(name: string, axis: number): FunctionSource | undefined {
		const node = this.scope.producer(name);
		if (!node) {
			return undefined;
		}
		const activation = this.#activationOf(node);
		if (activation !== undefined) {
			const place = newPlace(false);
			const input = this.#operatorOf(node)
				? this.#linear(node, axis, place)
				: this.#plan(node.inputs[0] ?? '', axis, place);
			return input && { name: activation, inputs: [input], node, constants: [] };
		}
		const names = node.inputs.filter((input) => input !== '');
		const [constants, inputs] = [true, false].map((isWanted) =>
			names.filter((input) => isConstant(this.scope, input) === isWanted),
		);
		return { name: node.opType, inputs: inputs.map((input) => this.of(input, axis)), node, constants };
	}

	/** Returns the axis that the channels of a tensor most probably lie on. */
	axisOf(name: string, depth = 0): number {
		const node = this.scope.producer(name);
		const rank = this.#shapes.of(this.scope, name).shape?.length;
		if (!node || depth > MAX_DEPTH || this.#layers.has(node)) {
			return 1;
		}
		if (node.opType === 'MatMul' || this.#operatorOf(node)?.kind === 'MatMul') {
			return rank === undefined ? -1 : rank - 1;
		}
		if (this.#operators.has(node) || node.opType.includes('Conv')) {
			return 1;
		}
		const input = node.inputs.find((each) => each !== '' && !isConstant(this.scope, each));
		const axis = input === undefined ? 1 : this.axisOf(input, depth + 1);
		const order = node.opType === 'Transpose' ? permutation(node) : undefined;
		return order ? Math.max(order.indexOf(axis < 0 ? order.length + axis : axis), 0) : axis;
	}

	/** True for the result of a linear operator. */
	isOperator(name: string): boolean {
		const node = this.scope.producer(name);
		return node !== undefined && this.#operatorOf(node) !== undefined && this.#activationOf(node) === undefined;
	}

	/** Returns the linear operator that computes a tensor; undefined for another node. */
	operatorOf(name: string): LinearOperator | undefined {
		const node = this.scope.producer(name);
		return node && this.#operatorOf(node);
	}

	rankOf(name: string): number | undefined {
		return this.#shapes.of(this.scope, name).shape?.length;
	}

	#plan(name: string, axis: number, at: Place): Plan {
		const node = this.scope.producer(name);
		at.size.parts += 1;
		const isTooLarge = at.depth > MAX_DEPTH || at.size.parts > MAX_PARTS;
		const isEnd = !node || isTooLarge || (at.depth > 0 && this.#isMeeting(name));
		if (isEnd || (node.outputs[0] !== name && node.opType !== 'Split')) {
			return this.#base(name, axis);
		}
		return this.#step(node, name, axis, { ...at, depth: at.depth + 1 }) ?? this.#base(name, axis);
	}

	/** True for a tensor that several nodes read and that has a known counterpart. */
	#isMeeting(name: string): boolean {
		return this.scope.consumers(name).length > 1 && this.#isPaired(name);
	}

	#base(name: string, axis: number): Plan {
		const { shape } = this.#shapes.of(this.scope, name);
		const size = shape?.[axis < 0 ? shape.length + axis : axis];
		const channels = typeof size === 'number' ? size : undefined;
		const space = shape && (axis < 0 ? -1 - axis : shape.length - 1 - axis);
		return { kind: 'base', name, axis, channels, space };
	}

	/** @returns undefined for a node that is not affine */
	#step(node: Node, name: string, axis: number, at: Place): Plan | undefined {
		const { opType, domain, inputs } = node;
		const [data = ''] = inputs;
		const layer = this.#layers.get(node);
		if (opType === 'BatchNormalization') {
			const isPlain = layer?.mode === 'inference' && layer.axes === 'channel' && axis === 1;
			return isPlain ? { kind: 'layer', node, layer, input: this.#plan(data, axis, at) } : undefined;
		}
		if (domain === BLOCKED_DOMAIN && opType.startsWith('Reorder')) {
			return this.#plan(data, axis, at);
		}
		if (this.#operatorOf(node)) {
			return this.#activationOf(node) === undefined ? this.#linear(node, axis, at) : undefined;
		}
		if (domain !== '') {
			return undefined;
		}
		switch (opType) {
			case 'Identity':
			case 'Dropout':
			case 'Cast':
			case 'DynamicQuantizeLinear':
				return this.#plan(data, axis, at);
			case 'QuantizeLinear':
			case 'DequantizeLinear':
				return this.#quantizers.has(node) || isConstant(this.scope, data) ? undefined : this.#plan(data, axis, at);
			case 'Transpose': {
				const order = permutation(node);
				const from = order?.[axis < 0 ? order.length + axis : axis];
				return from === undefined ? undefined : this.#plan(data, from, at);
			}
			case 'Reshape':
			case 'Flatten':
			case 'Squeeze':
			case 'Unsqueeze':
				return this.#keepsChannels(data, name, axis) ? this.#plan(data, axis, at) : undefined;
			case 'Add':
			case 'Sub':
			case 'Mul':
			case 'Div':
				return this.#arithmetic(node, opType, axis, at);
			case 'Sum':
				return this.#sum(node, axis, at);
			case 'Concat':
			case 'Split':
				return this.#alongChannels(node, name, axis, at);
			default:
				return undefined;
		}
	}

	#operatorOf(node: Node): LinearOperator | undefined {
		const known = this.#operators.get(node);
		if (known || node.domain !== BLOCKED_DOMAIN || node.opType !== 'Conv') {
			return known;
		}
		return linearOperator({ scope: this.scope, node: { ...node, domain: '' } }, 0);
	}

	/** Returns the activation that a fused operator or a quantizer applies; undefined if it applies no activation. */
	#activationOf(node: Node): string | undefined {
		return this.#quantizers.get(node) ?? activationOf(node);
	}

	/** Plans a linear operator without its activation. */
	#linear(node: Node, axis: number, at: Place): Plan | undefined {
		const operator = this.#operatorOf(node);
		if (!operator || at.isInner || operator.kind === 'ConvTranspose') {
			return undefined;
		}
		const output = node.outputs[0] ?? '';
		const rank = this.rankOf(output);
		const isLast = axis === -1 || (rank !== undefined && axis === rank - 1) || (operator.kind === 'Gemm' && axis === 1);
		if (operator.kind === 'Conv' ? axis !== 1 : !isLast) {
			return undefined;
		}
		const input = this.#readBy(operator.node.inputs[0] ?? '', axis, at);
		const plan: Plan = { kind: 'kernel', node: operator.quantization ? operator.node : node, operator, input };
		const added = operator.kind === 'Conv' && node.domain !== '' ? (node.inputs[3] ?? '') : '';
		return added === '' ? plan : { kind: 'sum', node, inputs: [plan, this.#plan(added, axis, at)], signs: [1, 1] };
	}

	/** Plans a linear operator's input up to the operators and functions in front. */
	#readBy(name: string, axis: number, at: Place): Plan {
		const plan = this.#plan(name, axis, { ...at, isInner: true });
		const ends = this.#isPaired(name) && !this.#endsAtFunctions(plan);
		return ends || !isPointwise(plan) ? this.#base(name, axis) : plan;
	}

	/** True if all bases of a plan are results of functions, or tensors with a known counterpart. */
	#endsAtFunctions(plan: Plan): boolean {
		if (plan.kind === 'base') {
			return this.#isPaired(plan.name) || !this.isOperator(plan.name);
		}
		return ('inputs' in plan ? plan.inputs : [plan.input]).every((input) => this.#endsAtFunctions(input));
	}

	#arithmetic(node: Node, operation: 'Add' | 'Sub' | 'Mul' | 'Div', axis: number, at: Place): Plan | undefined {
		const [a = '', b = ''] = node.inputs;
		const [isFirst, isSecond] = [a, b].map((input) => isConstant(this.scope, input));
		if (isFirst || isSecond) {
			const [constant, data] = isFirst ? [a, b] : [b, a];
			if ((isFirst && isSecond) || (isFirst && operation === 'Div')) {
				return undefined;
			}
			const rank = this.rankOf(node.outputs[0] ?? '') ?? this.rankOf(data);
			const behind = axis < 0 ? -1 - axis : rank === undefined ? 'any' : rank - 1 - axis;
			const isReversed = isFirst && operation === 'Sub';
			return { kind: 'constant', node, operation, constant, isReversed, behind, input: this.#plan(data, axis, at) };
		}
		if (operation === 'Mul' || operation === 'Div' || this.rankOf(a) !== this.rankOf(b)) {
			return undefined;
		}
		const inputs = [this.#plan(a, axis, at), this.#plan(b, axis, at)];
		return { kind: 'sum', node, inputs, signs: [1, operation === 'Sub' ? -1 : 1] };
	}

	/** Plans a Sum of tensors of one rank; undefined if one of them is constant. */
	#sum(node: Node, axis: number, at: Place): Plan | undefined {
		if (node.inputs.length > MAX_PARTS) {
			return undefined;
		}
		const ranks = new Set(node.inputs.map((input) => this.rankOf(input)));
		if (ranks.size > 1 || node.inputs.some((input) => isConstant(this.scope, input))) {
			return undefined;
		}
		const inputs = node.inputs.map((input) => this.#plan(input, axis, at));
		return { kind: 'sum', node, inputs, signs: inputs.map(() => 1) };
	}

	#alongChannels(node: Node, name: string, axis: number, at: Place): Plan | undefined {
		const along = this.scope.attribute(node, 'axis')?.i ?? 0;
		const rank = this.rankOf(name);
		const isChannels = along === axis || (rank !== undefined && along + rank === axis);
		if (!isChannels || Math.max(node.inputs.length, node.outputs.length) > MAX_PARTS) {
			return undefined;
		}
		return node.opType === 'Concat'
			? { kind: 'concat', node, inputs: node.inputs.map((input) => this.#plan(input, axis, at)) }
			: { kind: 'split', node, output: node.outputs.indexOf(name), input: this.#plan(node.inputs[0] ?? '', axis, at) };
	}

	/** True if a node changes the dimensions behind the channels alone. */
	#keepsChannels(input: string, output: string, axis: number): boolean {
		const [before, after] = [input, output].map((name) => this.#shapes.of(this.scope, name).shape);
		const [from, to] = [before?.[axis], after?.[axis]];
		return axis === 1 && typeof from === 'number' && from === to;
	}
}

interface Place {
	/** True behind a linear operator, so that the plan ends at the next operator. */
	readonly isInner: boolean;
	readonly depth: number;
	/** Number of parts of the whole plan so far. */
	readonly size: { parts: number };
}

const newPlace = (isInner: boolean): Place => ({ isInner, depth: 0, size: { parts: 0 } });

function permutation(node: Node): readonly number[] | undefined {
	return node.attributes.get('perm')?.ints;
}

/** Returns the activation that a fused operator applies; undefined if it applies no activation. */
function activationOf({ domain, attributes }: Node): string | undefined {
	const name = domain === '' ? undefined : attributes.get('activation')?.s;
	return name && name.length > 0 ? decodeText(name) : undefined;
}
