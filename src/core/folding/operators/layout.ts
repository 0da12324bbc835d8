import { product } from '../../numbers/arrays.js';
/**
 * Division of a weight tensor into a row per output channel. Element
 *
 *     ((g * outer + i) * perGroup + j) * inner + k
 *
 * belongs to channel g * perGroup + j and stands at position i * inner + k of its row. These four numbers describe
 * every linear operator of ONNX, and every axis that a tool may scale along by mistake:
 *
 *     operator          weight                      groups   outer      perGroup    inner
 *     Conv              (C_out, C_in/g, k…)         1        1          C_out       C_in/g * k
 *     ConvTranspose     (C_in, C_out/g, k…)         g        C_in/g     C_out/g     k
 *     Gemm, transB = 1  (N, K)                      1        1          N           K
 *     Gemm, MatMul      (K, N)                      1        K          N           1
 *     any, along axis a                             1        before a   dims[a]     after a
 */
export interface ChannelLayout {
	readonly groups: number;
	readonly outer: number;
	readonly perGroup: number;
	readonly inner: number;
}

/** Number of channels, and so of rows. */
export function channelCount(layout: ChannelLayout): number {
	return layout.groups * layout.perGroup;
}

/** Returns the number of elements in a channel's row. */
export function rowLength(layout: ChannelLayout): number {
	return layout.outer * layout.inner;
}

export function elementCount(layout: ChannelLayout): number {
	return channelCount(layout) * rowLength(layout);
}

/** Returns the layout with a channel per index of `axis`; `dims` is the weight's shape. */
export function alongAxis(dims: readonly number[], axis: number): ChannelLayout {
	return {
		groups: 1,
		outer: product(dims.slice(0, axis)),
		perGroup: dims[axis] ?? 1,
		inner: product(dims.slice(axis + 1)),
	};
}

/**
 * Returns the layout over axis 1 within each group of axis 0: output channels of a ConvTranspose, or input channels of
 * a grouped Conv.
 */
export function alongGroupedAxis(dims: readonly number[], groups: number): ChannelLayout {
	return {
		groups,
		outer: (dims[0] ?? 0) / groups,
		perGroup: dims[1] ?? 1,
		inner: product(dims.slice(2)),
	};
}

export function sameLayout(a: ChannelLayout, b: ChannelLayout): boolean {
	return a.groups === b.groups && a.outer === b.outer && a.perGroup === b.perGroup && a.inner === b.inner;
}

/**
 * Calls `visit` for every run of contiguous elements of a channel, in memory order.
 * @param visit channel, index of the run's first element, position of that element in the channel's row.
 */
export function forEachRun(
	{ groups, outer, perGroup, inner }: ChannelLayout,
	visit: (channel: number, start: number, position: number) => void,
): void {
	let start = 0;
	for (let g = 0; g < groups; g++) {
		for (let i = 0; i < outer; i++) {
			for (let j = 0; j < perGroup; j++) {
				visit(g * perGroup + j, start, i * inner);
				start += inner;
			}
		}
	}
}

/**
 * Copies rows into another layout: element (channel, position) keeps its value. Both layouts have the same channels and
 * row length.
 */
export function relayout(
	data: Float32Array | Float64Array,
	from: ChannelLayout,
	to: ChannelLayout,
): Float32Array | Float64Array {
	const length = rowLength(from);
	const rows = data.slice();
	forEachRun(from, (channel, start, position) => {
		rows.set(data.subarray(start, start + from.inner), channel * length + position);
	});
	const result = data.slice();
	forEachRun(to, (channel, start, position) => {
		const at = channel * length + position;
		result.set(rows.subarray(at, at + to.inner), start);
	});
	return result;
}
