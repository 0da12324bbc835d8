import { product } from '../numbers/arrays.js';
import { formatInteger, formatNumber } from '../text/numbers.js';
import type { LayerReport } from './types.js';

/**
 * Axes that a layer averages over, in words and numbers. A feature map (N, C, spatial…) has three methods: 1 per location,
 * 2 per activation, 3 per channel (arXiv 1502.03167, section 3.2).
 */
export interface AxesExplanation {
	readonly method: 2 | 3;
	/** Axes of the input: "N", "C", "H", "W" …, with their sizes if known. */
	readonly axes: readonly Axis[];
	/** Names of the averaged axes, for example "N, H, W". */
	readonly over: string;
	/** "m' = 1 × 112 × 112 = 12,544", or symbols before the shape is known. */
	readonly count: string;
	/** Answer in a sentence: the axes, m', and the number of parameters. */
	readonly sentence: string;
	/** Remark on the paper or on methods that coincide. */
	readonly remark: string;
	/** Definitions with the sums written out. Subscripts are marked: "x_{n,c,h,w}". */
	readonly formulas: readonly Formula[];
	/** Source of statistics in training and in inference. */
	readonly modes: readonly ModeExplanation[];
	/** Methods 1, 2 and 3, in this order. */
	readonly methods: readonly [MethodSize, MethodSize, MethodSize];
}

/** An axis of a layer's input. */
export interface Axis {
	readonly name: string;
	/** Absent before the shape is known. */
	readonly size?: number;
}

export interface Formula {
	readonly name: string;
	readonly text: string;
}

export interface ModeExplanation {
	readonly mode: LayerReport['mode'];
	/** "Training (algorithm 1)". */
	readonly title: string;
	readonly text: string;
}

/** A method applied to the layer's input: numbers, or symbols before the shape is known. */
export interface MethodSize {
	/** Values that share a mean and a variance, in words: "one channel, all images and positions". */
	readonly shared: string;
	/** Names of the axes that the method averages over. */
	readonly over: readonly string[];
	/** "m' = N × H × W = 1 × 112 × 112 = 12,544": values behind each statistic. */
	readonly count: string;
	/** m' alone: "12,544", or "N × H × W". */
	readonly values: string;
	/** Number of means, equal to the number of variances. */
	readonly statistics: string;
}

/** The paper that defines batch normalization. */
export const PAPER = {
	citation: 'Ioffe and Szegedy, Batch Normalization, arXiv 1502.03167, section 3.2',
	url: 'https://arxiv.org/abs/1502.03167',
} as const;

const SPATIAL: Readonly<Record<number, readonly string[]>> = {
	2: [],
	3: ['L'],
	4: ['H', 'W'],
	5: ['D', 'H', 'W'],
};

export function explainAxes(layer: LayerReport): AxesExplanation {
	const shape = layer.inputShape && channelsFirst(layer.inputShape, layer.channelAxis ?? 1);
	const spatial = shape ? (SPATIAL[shape.length] ?? shape.slice(2).map((_, i) => `D${i + 1}`)) : ['H', 'W'];
	const method = layer.axes === 'activation' ? 2 : 3;
	const names = ['N', 'C', ...spatial];
	const methods = methodSizes(spatial, shape);
	const { over, count } = methods[method === 2 ? 1 : 2];
	return {
		method,
		axes: names.map((name, i) => ({ name, ...(shape?.[i] !== undefined && { size: shape[i] }) })),
		over: over.join(', '),
		count,
		sentence: answer(method, spatial.length > 0, over.join(', '), count),
		remark: remark(method, spatial.length > 0),
		formulas: formulas(method, spatial),
		modes: modes(layer, shape && valuesOf(method, shape)),
		methods,
	};
}

function answer(method: 2 | 3, hasSpace: boolean, over: string, count: string): string {
	const values = /=\s1$/.test(count) ? 'value' : 'values';
	if (method === 2) {
		return `Each activation has statistics of its own: mean and variance are taken over all images, at one position of one channel (${over}), ${count} ${values} each; one gamma and one beta an activation.`;
	}
	return hasSpace
		? `A feature map is a channel: mean and variance are taken over all images and all positions of one channel (${over}), ${count} ${values} each; one gamma and one beta a channel.`
		: `A feature is a channel: mean and variance are taken over all samples of one channel (${over}), ${count} ${values} each; one gamma and one beta a channel.`;
}

function remark(method: 2 | 3, hasSpace: boolean): string {
	if (method === 2) {
		return 'This is method 2 (spatial=0). Convolutional networks use method 3, so that all positions of a channel share one mean.';
	}
	return hasSpace
		? 'This is method 3, the batch normalization of convolutional networks.'
		: 'The input has no positions, so per channel (3) and per activation (2) are the same here.';
}

/** Returns the subscript of an axis: "h" for "H". */
const indexOf = (axis: string): string => axis.toLowerCase();

function formulas(method: 2 | 3, spatial: readonly string[]): Formula[] {
	const value = `x_{${['n', 'c', ...spatial.map(indexOf)].join(',')}}`;
	const own = `_{${(method === 2 ? ['c', ...spatial.map(indexOf)] : ['c']).join(',')}}`;
	const sums = (method === 2 ? ['N'] : ['N', ...spatial]).map((axis) => `Σ_{${indexOf(axis)}=1…${axis}}`).join(' ');
	return [
		{ name: 'mean', text: `μ${own} = 1/m' · ${sums} ${value}` },
		{ name: 'variance', text: `σ²${own} = 1/m' · ${sums} (${value} - μ${own})²` },
		{ name: 'output', text: `y${value.slice(1)} = γ${own} · (${value} - μ${own}) / √(σ²${own} + ε) + β${own}` },
	];
}

/** Returns m', the number of values behind each statistic. @param shape channels in second place */
const valuesOf = (method: 2 | 3, [images = 1, , ...places]: readonly number[]): number =>
	images * (method === 2 ? 1 : product(places));

/** @param values m' on the input of the run, if known */
function modes({ axes, momentum, kind }: LayerReport, values: number | undefined): ModeExplanation[] {
	const ofBatch =
		values === undefined ? '' : `, here of ${formatInteger(values)} ${values === 1 ? 'value' : 'values'} each`;
	const ratio =
		values === undefined || values < 2
			? ''
			: ` (here ${formatInteger(values)} / ${formatInteger(values - 1)} = ${formatNumber(values / (values - 1), 6)})`;
	const weight = momentum > 0 && kind !== 'handbuilt' ? ` (momentum is ${formatNumber(momentum, 6)} here)` : '';
	return [
		{
			mode: 'training',
			title: 'Training (algorithm 1)',
			text: `Mean and variance are those of the batch${ofBatch}; the variance is divided by m'. They also update the running statistics: running = momentum · running + (1 - momentum) · batch${weight}.`,
		},
		{
			mode: 'inference',
			title: 'Inference (algorithm 2)',
			text: `Mean and variance are stored and the same for every input. The paper stores the unbiased variance, m'/(m' - 1)${ratio} times the mean of the batch variances. The layer is then one linear map ${
				axes === 'activation' ? 'an activation' : 'a channel'
			}, y = s · x + t with s = γ / √(σ² + ε) and t = β - μ · s${
				axes === 'activation' ? '; no convolution can absorb it' : ', so it can be folded into a convolution'
			}.`,
		},
	];
}

/** Returns a shape with the size of the channel axis in second place. */
function channelsFirst(shape: readonly number[], channelAxis: number): readonly number[] {
	const at = channelAxis < 0 ? channelAxis + shape.length : channelAxis;
	const rest = shape.filter((_, axis) => axis !== at);
	const channels = shape[at];
	return at === 1 || channels === undefined ? shape : [...rest.slice(0, 1), channels, ...rest.slice(1)];
}

/** Returns "m' = N × H × W = 1 × 112 × 112 = 12,544"; a single factor without a product. */
function countText(names: readonly string[], sizes: readonly number[] | undefined): string {
	const symbols = names.join(' × ');
	if (!sizes) {
		return `m' = ${symbols}`;
	}
	// The no-break space keeps product and sign together.
	const total = `=\u00a0${formatInteger(product(sizes))}`;
	return sizes.length === 1
		? `m' = ${symbols} ${total}`
		: `m' = ${symbols} = ${sizes.map(formatInteger).join(' × ')} ${total}`;
}

function methodSizes(
	spatial: readonly string[],
	shape: readonly number[] | undefined,
): [MethodSize, MethodSize, MethodSize] {
	const [n = 1, c = 1, ...places] = shape ?? [];
	const size = (shared: string, averaged: Axes, kept: Axes): MethodSize => ({
		shared,
		over: averaged.names,
		count: countText(averaged.names, shape && averaged.sizes),
		values: shape ? formatInteger(product(averaged.sizes)) : averaged.names.join(' × '),
		statistics: shape ? formatInteger(product(kept.sizes)) : kept.names.join(' × ') || '1',
	});
	const images = { names: ['N'], sizes: [n] };
	const channels = { names: ['C'], sizes: [c] };
	const space = { names: spatial, sizes: places };
	const hasSpace = spatial.length > 0;
	return [
		size(
			hasSpace ? 'one position, all images and channels' : 'all samples and channels',
			join(images, channels),
			space,
		),
		size(
			hasSpace ? 'one position of one channel, all images' : 'one channel, all samples',
			images,
			join(channels, space),
		),
		size(
			hasSpace ? 'one channel, all images and positions' : 'one channel, all samples',
			join(images, space),
			channels,
		),
	];
}

interface Axes {
	readonly names: readonly string[];
	readonly sizes: readonly number[];
}

function join(a: Axes, b: Axes): Axes {
	return { names: [...a.names, ...b.names], sizes: [...a.sizes, ...b.sizes] };
}
