import type { FoldRegion } from '../../../core/folding/rewrite/fold-region.js';
import type { ShapeInference } from '../../../core/onnx/graph/infer.js';
import type { Dimension } from '../../../core/onnx/model.js';

/** Sizes tried for open dimensions. A batch of 2 keeps batch and channels apart. */
const OPEN_SIZES = [2, 1, 3, 4, 7, 8, 14, 16] as const;
/** Positions of a convolution's kernel beyond its first, so that borders and interior both count. */
const EXTRA_POSITIONS = 3;

/** Returns the number of dimensions of a region's input; undefined if the file does not show it. */
export function inputRank({ operator, input, dims, front }: FoldRegion, shapes: ShapeInference): number | undefined {
	if (front) {
		return (shapes.of(operator.scope, input).shape ?? front.inputShape)?.length;
	}
	switch (operator.kind) {
		case 'Conv':
		case 'ConvTranspose':
			return dims.length;
		case 'Gemm':
			return 2;
		case 'MatMul':
			return shapes.of(operator.scope, input).shape?.length;
	}
}

/**
 * Yields input shapes to try for a region, the likeliest first.
 * @param shapes inference that believes only the shapes that the runtime enforces
 */
export function* inputShapes(region: FoldRegion, shapes: ShapeInference): Generator<readonly number[]> {
	const { operator, input } = region;
	const rank = inputRank(region, shapes);
	if (rank === undefined) {
		return;
	}
	const inferred = shapes.of(operator.scope, input).shape;
	const known = inferred?.length === rank ? inferred : new Array<Dimension>(rank).fill(undefined);
	const fixed = fixedSizes(region, known);
	const seen = new Set<string>();
	for (const open of [...OPEN_SIZES, region.terms.length]) {
		// Nodes that move elements may need a certain size of the batch or of the image.
		for (const batch of [open, 1]) {
			const shape = fixed.map((size, axis) => size ?? (axis === 0 ? batch : open));
			if (!seen.has(shape.join())) {
				seen.add(shape.join());
				yield shape;
			}
		}
	}
}

/** Returns the sizes fixed by operator and graph; else undefined. */
function fixedSizes(region: FoldRegion, known: readonly Dimension[]): readonly (number | undefined)[] {
	const { operator, dims, movesElements, front } = region;
	const { kind, group, transB, scope, node } = operator;
	const numbers = known.map((size) => (typeof size === 'number' && size > 0 ? size : undefined));
	if (front) {
		const axis = front.channelAxis < 0 ? front.channelAxis + known.length : front.channelAxis;
		return numbers.map((size, at) => (at === axis ? front.channels : size));
	}
	switch (kind) {
		case 'Conv':
		case 'ConvTranspose': {
			const dilations = scope.attribute(node, 'dilations')?.ints;
			const sizes = dims.slice(2).map((size, axis) => (size - 1) * (dilations?.[axis] ?? 1) + 1 + EXTRA_POSITIONS);
			const [batch, ...spatial] = movesElements ? [numbers[0], ...numbers.slice(2)] : [numbers[0] ?? 1, ...sizes];
			return [batch, kind === 'Conv' ? dims[1] * group : dims[0], ...spatial];
		}
		case 'Gemm': {
			const isTurned = (scope.attribute(node, 'transA')?.i ?? 0) !== 0;
			const columns = dims[transB ? 1 : 0];
			return isTurned ? [columns, numbers[1]] : [numbers[0], columns];
		}
		case 'MatMul':
			return [...numbers.slice(0, -1), dims.at(-2)];
	}
}
