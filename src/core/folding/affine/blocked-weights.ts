import type { OperatorWeights } from '../operators/weights.js';

/** Channels in a block: the vector widths that onnxruntime uses. The file does not state which. */
export const BLOCK_SIZES = [16, 8] as const;

/**
 * Returns a weight that onnxruntime wrote in blocks, in row-major order. Blocks are of output channels (OIHWBo), or of
 * input and output channels (OIHWBiBo); see MlasReorderFilterOIHWBiBo and MlasReorderFilterOIHWBo in mlas/inc/mlas.h.
 * @param block channels in a block
 * @returns undefined if the block does not fit
 */
export function unblocked(
	{ weight, dims }: Pick<OperatorWeights, 'weight' | 'dims'>,
	{ group, block }: { readonly group: number; readonly block: number },
): Float32Array | Float64Array | undefined {
	const [rows, columns, ...kernel] = dims;
	const isDepthwise = group > 1 && columns === 1;
	if (rows % block !== 0 || !(isDepthwise || columns % block === 0 || columns < block)) {
		return undefined;
	}
	const space = kernel.reduce((a, b) => a * b, 1);
	const inner = columns % block === 0 ? block : 1;
	const result = weight.slice();
	let from = 0;
	for (let row = 0; row < rows; row += block) {
		for (let column = 0; column < columns; column += inner) {
			for (let position = 0; position < space; position++) {
				for (let i = 0; i < inner; i++) {
					for (let o = 0; o < block; o++, from++) {
						result[((row + o) * columns + column + i) * space + position] = weight[from];
					}
				}
			}
		}
	}
	return result;
}
