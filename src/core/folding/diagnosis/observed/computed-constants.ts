import type { FoldParameters, LinearWeights } from '../../operators/expected.js';
import { forEachRun } from '../../operators/layout.js';

/** The originals of a fold, which a runtime may have computed with other rounding errors. */
interface Originals {
	readonly original: LinearWeights;
	readonly parameters: FoldParameters;
}

/**
 * Returns the error of each row's weights beside that of the fold, shape (rows); undefined for constants of the file.
 * @param scale s of each row
 */
export function computedWeightSlack(
	{ original, parameters }: Originals,
	scale: Float64Array,
): Float64Array | undefined {
	const { weight, layout, weightSlack } = original;
	const { scaleError } = parameters;
	if (!weightSlack && !scaleError) {
		return undefined;
	}
	const slack = scale.map((s, row) => (weightSlack?.[row] ?? 0) * Math.abs(s));
	if (scaleError) {
		forEachRun(layout, (row, start) => {
			for (let index = start; index < start + layout.inner; index++) {
				const own = (weightSlack?.[row] ?? 0) * Math.abs(scale[row]);
				slack[row] = Math.max(slack[row], Math.abs(weight[index]) * scaleError[row] + own);
			}
		});
	}
	return slack;
}

/** Returns the error of each row's bias beside that of the fold, shape (rows). */
export function computedBiasSlack({ original, parameters }: Originals, scale: Float64Array): Float64Array {
	const { bias, biasSlack } = original;
	const { scaleError, shiftError } = parameters;
	return scale.map(
		(s, row) =>
			(biasSlack?.[row] ?? 0) * Math.abs(s) +
			Math.abs(bias?.[row] ?? 0) * (scaleError?.[row] ?? 0) +
			(shiftError?.[row] ?? 0),
	);
}

/** Adds a slack to the allowed absolute error of each row. */
export function withSlack(absolute: Float64Array, slack: Float64Array | undefined): Float64Array {
	return slack ? absolute.map((allowed, row) => allowed + slack[row]) : absolute;
}
