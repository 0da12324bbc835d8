/**
 * Linear operators written out by their definitions, in float64, for any rank and group: no layout, no shortcut. What a
 * fold is held against is what the folded operator computes, not where its elements lie.
 */

export interface DenseTensor {
	readonly dims: readonly number[];
	readonly data: Float64Array;
}

export interface Convolution {
	readonly group: number;
	readonly pad: number;
	readonly stride: number;
}

const product = (dims: readonly number[]): number => dims.reduce((a, b) => a * b, 1);

/** Calls `visit` with every index of a shape, row-major. */
function forEachIndex(dims: readonly number[], visit: (index: readonly number[], position: number) => void): void {
	const total = product(dims);
	for (let position = 0; position < total; position++) {
		const index: number[] = [];
		for (let axis = dims.length - 1, rest = position; axis >= 0; axis--) {
			index.unshift(rest % dims[axis]);
			rest = Math.floor(rest / dims[axis]);
		}
		visit(index, position);
	}
}

function at({ dims, data }: DenseTensor, index: readonly number[]): number {
	return data[index.reduce((position, value, axis) => position * dims[axis] + value, 0)];
}

/** ONNX Conv: X (N, C, d…), W (M, C/group, k…), B (M). */
export function conv(x: DenseTensor, w: DenseTensor, bias: Float64Array | null, options: Convolution): DenseTensor {
	const { group, pad, stride } = options;
	const [batch, channels, ...spatial] = x.dims;
	const [outputs, perGroup, ...kernel] = w.dims;
	const size = spatial.map((length, axis) => Math.floor((length + 2 * pad - kernel[axis]) / stride) + 1);
	const dims = [batch, outputs, ...size];
	const data = new Float64Array(product(dims));
	forEachIndex(dims, ([n, m, ...place], position) => {
		let sum = bias?.[m] ?? 0;
		const first = Math.floor(m / (outputs / group)) * (channels / group);
		forEachIndex([perGroup, ...kernel], ([c, ...offset]) => {
			const source = place.map((p, axis) => p * stride + offset[axis] - pad);
			if (source.every((p, axis) => p >= 0 && p < spatial[axis])) {
				sum += at(x, [n, first + c, ...source]) * at(w, [m, c, ...offset]);
			}
		});
		data[position] = sum;
	});
	return { dims, data };
}

/** ONNX ConvTranspose: X (N, C, d…), W (C, M/group, k…), B (M): every input spreads over the output. */
export function convTranspose(
	x: DenseTensor,
	w: DenseTensor,
	bias: Float64Array | null,
	options: Convolution,
): DenseTensor {
	const { group, pad, stride } = options;
	const [batch, channels, ...spatial] = x.dims;
	const [, perGroup, ...kernel] = w.dims;
	const size = spatial.map((length, axis) => (length - 1) * stride + kernel[axis] - 2 * pad);
	const dims = [batch, perGroup * group, ...size];
	const data = new Float64Array(product(dims));
	forEachIndex(dims, ([, m], position) => {
		data[position] = bias?.[m] ?? 0;
	});
	forEachIndex(x.dims, ([n, c, ...place], position) => {
		const g = Math.floor(c / (channels / group));
		forEachIndex([perGroup, ...kernel], ([m, ...offset]) => {
			const target = place.map((p, axis) => p * stride + offset[axis] - pad);
			if (target.every((p, axis) => p >= 0 && p < size[axis])) {
				const index = [n, g * perGroup + m, ...target].reduce((sum, value, axis) => sum * dims[axis] + value, 0);
				data[index] += x.data[position] * at(w, [c, m, ...offset]);
			}
		});
	});
	return { dims, data };
}

/** X (…, K) times W (K, N), or its transpose (N, K), plus B (N). */
export function matMul(x: DenseTensor, w: DenseTensor, bias: Float64Array | null, transB = false): DenseTensor {
	const [inner, outputs] = transB ? [w.dims[1], w.dims[0]] : w.dims;
	const dims = [...x.dims.slice(0, -1), outputs];
	const data = new Float64Array(product(dims));
	forEachIndex(dims, (index, position) => {
		const n = index[index.length - 1];
		let sum = bias?.[n] ?? 0;
		for (let k = 0; k < inner; k++) {
			sum += at(x, [...index.slice(0, -1), k]) * at(w, transB ? [n, k] : [k, n]);
		}
		data[position] = sum;
	});
	return { dims, data };
}

export interface NormParameters {
	readonly gamma: Float64Array;
	readonly beta: Float64Array;
	readonly mean: Float64Array;
	readonly variance: Float64Array;
	readonly epsilon: number;
}

/** BatchNormalization over axis 1. */
export function batchNorm({ dims, data }: DenseTensor, parameters: NormParameters): DenseTensor {
	const { gamma, beta, mean, variance, epsilon } = parameters;
	const result = data.slice();
	forEachIndex(dims, ([, c], position) => {
		result[position] = ((data[position] - mean[c]) / Math.sqrt(variance[c] + epsilon)) * gamma[c] + beta[c];
	});
	return { dims, data: result };
}

/** Largest |a - b| relative to the largest magnitude. */
export function relativeDifference(a: DenseTensor, b: DenseTensor): number {
	let difference = 0;
	let size = 0;
	a.data.forEach((value, index) => {
		difference = Math.max(difference, Math.abs(value - b.data[index]));
		size = Math.max(size, Math.abs(value));
	});
	return a.dims.join() === b.dims.join() ? difference / size : Number.POSITIVE_INFINITY;
}
