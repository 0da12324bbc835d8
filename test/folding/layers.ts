/**
 * Random linear operators with a BatchNormalization behind them, with weights and statistics like those of trained
 * networks: what the wrongly folded networks are made from. Knows nothing of the code under test.
 */
import type { Random } from '../../src/engine/child/tensors/random.js';

export const OPERATORS = [
	'Conv',
	'Conv1d',
	'DepthwiseConv',
	'GroupedConv',
	'ConvTranspose',
	'GroupedConvTranspose',
	'Gemm',
	'GemmTransposed',
	'MatMul',
] as const;
export type OperatorKind = (typeof OPERATORS)[number];

export interface RandomLayer {
	readonly kind: OperatorKind;
	readonly op: 'Conv' | 'ConvTranspose' | 'Gemm' | 'MatMul';
	/** Shape of the weight. */
	readonly dims: readonly number[];
	readonly group: number;
	readonly transB: boolean;
	readonly channels: number;
	readonly weight: Float32Array;
	readonly bias: Float32Array | null;
	readonly gamma: Float32Array;
	readonly beta: Float32Array;
	readonly mean: Float32Array;
	readonly variance: Float32Array;
	readonly epsilon: number;
}

/** The output channel that element `index` of the weight belongs to, by the operator's own definition. */
export function outputChannel({ op, dims, group, transB }: RandomLayer, index: number): number {
	const inner = dims.slice(2).reduce((a, b) => a * b, 1);
	const second = Math.floor(index / inner) % dims[1];
	const first = Math.floor(index / inner / dims[1]);
	if (op === 'Conv' || (op === 'Gemm' && transB)) {
		return first;
	}
	return op === 'ConvTranspose' ? Math.floor(first / (dims[0] / group)) * dims[1] + second : second;
}

/** What a fault needs to show. */
export interface LayerWishes {
	readonly kind?: OperatorKind;
	readonly bias?: boolean;
	/** As many inputs as outputs. */
	readonly square?: boolean;
	/** Many negative gammas. */
	readonly negativeGammas?: boolean;
	/** Many variances near epsilon and below it. */
	readonly smallVariances?: boolean;
}

export function randomLayer(random: Random, from: number, wishes: LayerWishes = {}): RandomLayer {
	const kind = wishes.kind ?? OPERATORS[Math.floor(random.uniform() * OPERATORS.length)];
	const isSame = kind === 'DepthwiseConv' || wishes.square;
	const to = isSame ? from : 8 * (1 + Math.floor(random.uniform() * 5));
	const shape = shapeOf(kind, from, to);
	const count = shape.dims.reduce((a, b) => a * b, 1);
	const spread = Math.sqrt((2 * to) / count);
	const hasBias = kind !== 'MatMul' && (wishes.bias ?? random.uniform() < 0.5);
	const draw = (length: number, value: () => number) => Float32Array.from({ length }, value);
	const { normal, uniform } = random;
	return {
		kind,
		...shape,
		channels: to,
		weight: draw(count, () => normal() * spread),
		bias: hasBias ? draw(to, () => 0.3 * normal()) : null,
		gamma: draw(to, () => (uniform() < (wishes.negativeGammas ? 0.5 : 0.15) ? -1 : 1) * Math.exp(0.4 * normal())),
		beta: draw(to, () => 0.5 * normal()),
		mean: draw(to, () => 0.5 * normal()),
		// Most channels are near 1, some are nearly constant: where epsilon shows.
		variance: draw(to, () =>
			Math.exp(normal() - (uniform() < 0.3 ? 5 + (wishes.smallVariances ? 8 : 4) * uniform() : 0)),
		),
		epsilon: Math.fround(uniform() < 0.7 ? 1e-5 : 1e-3),
	};
}

function shapeOf(kind: OperatorKind, from: number, to: number): Pick<RandomLayer, 'op' | 'dims' | 'group' | 'transB'> {
	const plain = { group: 1, transB: false };
	switch (kind) {
		case 'Conv':
			return { ...plain, op: 'Conv', dims: [to, from, 3, 3] };
		case 'Conv1d':
			return { ...plain, op: 'Conv', dims: [to, from, 3] };
		case 'DepthwiseConv':
			return { ...plain, op: 'Conv', dims: [to, 1, 3, 3], group: from };
		case 'GroupedConv':
			return { ...plain, op: 'Conv', dims: [to, from / 4, 3, 3], group: 4 };
		case 'ConvTranspose':
			return { ...plain, op: 'ConvTranspose', dims: [from, to, 2, 2] };
		case 'GroupedConvTranspose':
			return { ...plain, op: 'ConvTranspose', dims: [from, to / 4, 2, 2], group: 4 };
		case 'Gemm':
			return { ...plain, op: 'Gemm', dims: [from, to] };
		case 'GemmTransposed':
			return { ...plain, op: 'Gemm', dims: [to, from], transB: true };
		case 'MatMul':
			return { ...plain, op: 'MatMul', dims: [from, to] };
	}
}
