import type { Node } from '../../onnx/model.js';
import { channelCount } from '../operators/layout.js';
import type { LinearOperator } from '../operators/linear.js';
import { inputLayout } from '../targets/forward.js';
import type { Network } from '../targets/network.js';
import { type CheckpointWeights, meanResidual, type PairedWeight } from './read-weights.js';
import { type ChannelOrder, findRowOrder, isIdentity, type RowPair, rowPairOf } from './row-order.js';

/** Channels of a deployed tensor in another order than the checkpoint's. */
export interface MovedOperator {
	/** Order of the operator's rows, and of its input channels; undefined for the checkpoint's order. */
	readonly output: ChannelOrder | undefined;
	readonly input: ChannelOrder | undefined;
}

/** Orders of hidden channels that the operators behind them follow. */
export interface HiddenOrders {
	readonly operators: ReadonlyMap<LinearOperator, MovedOperator>;
	/** Orders of tensors in the main graph by name, for constants with a value per channel. */
	readonly tensors: ReadonlyMap<string, ChannelOrder>;
	/** Operators with rows in another order that an operator behind them does not follow. */
	readonly refuted: ReadonlySet<LinearOperator>;
}

/** Nodes that keep the channels of their first input in place. */
const KEEPING: ReadonlySet<string> = new Set([
	...['Relu', 'Clip', 'LeakyRelu', 'Elu', 'Selu', 'Celu', 'Sigmoid'],
	...['HardSigmoid', 'HardSwish', 'Tanh', 'Softplus', 'Softsign', 'Mish', 'Gelu'],
	...['Erf', 'Exp', 'Log', 'Neg', 'Abs', 'Sqrt', 'Identity'],
	...['Dropout', 'Cast', 'Pad', 'MaxPool', 'AveragePool', 'LpPool', 'GlobalAveragePool'],
	...['GlobalMaxPool', 'ReduceMean', 'ReduceMax', 'Resize', 'PRelu', 'Upsample', 'Flatten'],
	...[
		'Reshape',
		'Squeeze',
		'Unsqueeze',
		'BatchNormalization',
		'InstanceNormalization',
		'QuantizeLinear',
		'DequantizeLinear',
	],
]);
/** Nodes that combine two tensors element by element. */
const COMBINING: ReadonlySet<string> = new Set(['Add', 'Sub', 'Mul', 'Div', 'Max', 'Min']);
/** Maximum passes over the graph; each refuses the orders that an operator does not follow. */
const MAX_PASSES = 8;
/** Maximum number of weights that are tried for an operator. */
const MAX_CANDIDATES = 8;
/** Mean part of a row that is no multiple of the checkpoint's, above which channels may have moved. */
const UNFIT = 0.05;

/** Order of a tensor's channels. */
interface TensorOrder {
	/** Undefined for the checkpoint's order. */
	readonly source: ChannelOrder | undefined;
	/** Number of channels, if it is known. */
	readonly channels: number | undefined;
	/** Operators whose rows gave the order. */
	readonly makers: ReadonlySet<LinearOperator>;
}

/**
 * Finds hidden channels that the deployed model has in another order, such as a pruning tool or a compiler leaves them.
 * The order is harmless if each operator behind has its input channels in the same order.
 * @returns undefined if no such channels are found
 */
export async function findHiddenOrders(
	weights: CheckpointWeights,
	deployed: Network,
): Promise<HiddenOrders | undefined> {
	if (!weights.paired.some((weight) => weight.rowLength > 1 && meanResidual(weight) > UNFIT)) {
		return undefined;
	}
	const refused = new Set<LinearOperator>();
	const refuted = new Set<LinearOperator>();
	for (let pass = 0; pass < MAX_PASSES; pass++) {
		const search = new OrderSearch(weights, deployed, refused);
		await search.run();
		const before = refused.size;
		for (const operator of search.refused()) {
			refused.add(operator);
		}
		for (const operator of search.refuted) {
			refuted.add(operator);
		}
		if (refused.size === before) {
			return search.operators.size + refuted.size > 0
				? { operators: search.operators, tensors: search.tensors(), refuted }
				: undefined;
		}
	}
	return undefined;
}

/** A pass over the main graph. */
class OrderSearch {
	/** Operators with rows or input channels in another order. */
	readonly operators = new Map<LinearOperator, MovedOperator>();
	/** Operators whose rows are in another order than an operator behind them expects. */
	readonly refuted = new Set<LinearOperator>();
	readonly #unproven = new Set<LinearOperator>();
	readonly #confirmed = new Set<LinearOperator>();
	readonly #orders = new Map<string, TensorOrder>();
	/** Tensors that do not depend on an input. */
	readonly #constants: Set<string>;
	readonly #weights: CheckpointWeights;
	readonly #deployed: Network;
	readonly #fixed: ReadonlySet<LinearOperator>;
	readonly #byNode: ReadonlyMap<Node, LinearOperator>;
	readonly #own: ReadonlyMap<LinearOperator, PairedWeight>;

	/** @param fixed operators whose rows count as unmoved */
	constructor(weights: CheckpointWeights, deployed: Network, fixed: ReadonlySet<LinearOperator>) {
		this.#weights = weights;
		this.#deployed = deployed;
		this.#fixed = fixed;
		this.#constants = new Set(deployed.model.graph.initializers.keys());
		this.#byNode = new Map(deployed.operators.map((operator) => [operator.node, operator]));
		this.#own = new Map(weights.paired.map((weight) => [weight.pair.deployed, weight]));
	}

	async run(): Promise<void> {
		const { graph } = this.#deployed.model;
		for (const { name } of graph.inputs) {
			this.#orders.set(name, { source: undefined, channels: undefined, makers: new Set() });
		}
		for (const node of graph.nodes) {
			const operator = this.#byNode.get(node);
			const order = operator ? await this.#pass(operator) : this.#follow(node);
			if (order) {
				for (const output of node.outputs) {
					this.#orders.set(output, order);
				}
			}
		}
		for (const { name } of graph.outputs) {
			this.#reject(this.#orders.get(name), this.refuted);
		}
	}

	/** Returns operators with moved rows that the operators behind them do not follow, or may not follow. */
	refused(): readonly LinearOperator[] {
		const moved = [...this.operators].flatMap(([operator, { output }]) => (output ? [operator] : []));
		return moved.filter(
			(operator) => this.refuted.has(operator) || this.#unproven.has(operator) || !this.#confirmed.has(operator),
		);
	}

	tensors(): ReadonlyMap<string, ChannelOrder> {
		return new Map([...this.#orders].flatMap(([name, { source }]) => (source ? [[name, source] as const] : [])));
	}

	#reject(order: TensorOrder | undefined, into: Set<LinearOperator>): void {
		for (const maker of order?.source ? order.makers : []) {
			into.add(maker);
		}
	}

	/** Returns the order of an operator's output; undefined if its rows are unknown. */
	async #pass(operator: LinearOperator): Promise<TensorOrder | undefined> {
		const before = this.#orders.get(operator.node.inputs[0] ?? '');
		const dims = await this.#deployed.weights.dims(operator);
		const layout = dims && inputLayout(operator, dims);
		if (!layout) {
			this.#reject(before, this.#unproven);
			return undefined;
		}
		const inputs = channelCount(layout);
		const isDense = operator.kind === 'Gemm' || operator.kind === 'MatMul';
		const input = before?.source && spread(before.source, inputs, isDense);
		const found = before?.source && !input ? undefined : await this.#findRows(operator, layout.perGroup, input);
		if (!found) {
			const isInPlace = input && (await this.#findRows(operator, layout.perGroup, undefined)) !== undefined;
			this.#reject(before, isInPlace ? this.refuted : this.#unproven);
			return undefined;
		}
		for (const maker of before?.makers ?? []) {
			this.#confirmed.add(maker);
		}
		const output = isIdentity(found) || this.#fixed.has(operator) ? undefined : found;
		if (input || output) {
			this.operators.set(operator, { input, output });
		}
		return { source: output, channels: found.length, makers: new Set([operator]) };
	}

	/** Returns the order of a deployed operator's rows among those of a weight of its shape; its own weight comes first. */
	async #findRows(
		operator: LinearOperator,
		columns: number,
		input: ChannelOrder | undefined,
	): Promise<ChannelOrder | undefined> {
		const own = this.#own.get(operator);
		const shape = own && String(own.reading.weight.dims);
		const others = this.#weights.paired.filter(
			(weight) => weight !== own && String(weight.reading.weight.dims) === shape,
		);
		for (const { trial } of own ? [own, ...others].slice(0, MAX_CANDIDATES) : []) {
			const values = await this.#weights.read(trial, operator);
			const group = operator.kind === 'Conv' ? operator.group : 1;
			const pair: RowPair | undefined =
				values && (operator.kind !== 'ConvTranspose' || operator.group === 1)
					? rowPairOf(values, { group, columns })
					: undefined;
			const order = pair && findRowOrder(pair, input);
			if (order) {
				return order;
			}
		}
		return undefined;
	}

	/** Returns the order behind a node that is no linear operator. */
	#follow(node: Node): TensorOrder | undefined {
		const { opType, domain, attributes } = node;
		const names = node.inputs.filter((name) => name !== '' && !this.#constants.has(name));
		if (names.length === 0) {
			for (const output of node.outputs) {
				this.#constants.add(output);
			}
			return undefined;
		}
		const orders = names.map((name) => this.#orders.get(name));
		const isKeeping = domain === '' && (KEEPING.has(opType) || (opType === 'Transpose' && isBetweenLayouts(node)));
		if (isKeeping && names[0] === node.inputs[0]) {
			return orders[0];
		}
		const known = orders.flatMap((order) => order ?? []);
		if (known.length === names.length && domain === '' && COMBINING.has(opType)) {
			return this.#combine(known);
		}
		if (known.length === names.length && domain === '' && opType === 'Concat' && attributes.get('axis')?.i === 1) {
			return concatenate(known);
		}
		if (opType === 'Shape' || (known.length === names.length && known.every(({ source }) => !source))) {
			return { source: undefined, channels: undefined, makers: new Set(known.flatMap(({ makers }) => [...makers])) };
		}
		for (const order of known) {
			this.#reject(order, this.#unproven);
		}
		return undefined;
	}

	/** Returns the order of a sum or product; tensors with a single channel have any order. */
	#combine(orders: readonly TensorOrder[]): TensorOrder | undefined {
		const wide = orders.filter(({ channels }) => channels !== 1);
		const [first] = wide;
		const isSame = wide.every(({ source }) => String(source) === String(first?.source));
		if (!isSame) {
			for (const order of wide) {
				this.#reject(order, this.refuted);
			}
			return undefined;
		}
		return first && { ...first, makers: new Set(wide.flatMap(({ makers }) => [...makers])) };
	}
}

function totalOf(counts: readonly (number | undefined)[]): number | undefined {
	return counts.reduce((sum, count) => (sum === undefined || count === undefined ? undefined : sum + count), 0);
}

function concatenate(orders: readonly TensorOrder[]): TensorOrder | undefined {
	const channels = totalOf(orders.map((order) => order.channels));
	const makers = new Set(orders.flatMap((order) => [...order.makers]));
	if (orders.every(({ source }) => !source)) {
		return { source: undefined, channels, makers };
	}
	if (channels === undefined) {
		return undefined;
	}
	const source = new Int32Array(channels);
	let start = 0;
	for (const order of orders) {
		const count = order.channels ?? 0;
		for (let at = 0; at < count; at++) {
			source[start + at] = start + (order.source?.[at] ?? at);
		}
		start += count;
	}
	return { source, channels, makers };
}

/** True for a Transpose between channels first and channels last. */
function isBetweenLayouts({ attributes }: Node): boolean {
	return ['0,2,3,1', '0,3,1,2', '0,2,1'].includes(String(attributes.get('perm')?.ints));
}

/** Returns the order of an operator's inputs: each channel is several features behind a Flatten. */
function spread(source: ChannelOrder, inputs: number, isDense: boolean): ChannelOrder | undefined {
	const features = inputs / source.length;
	if (features === 1) {
		return source;
	}
	return isDense && Number.isInteger(features)
		? Int32Array.from({ length: inputs }, (_, at) => source[Math.floor(at / features)] * features + (at % features))
		: undefined;
}
