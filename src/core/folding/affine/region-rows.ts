import type { Node } from '../../onnx/model.js';
import type { CanonicalRow, RowAssignment } from './compare-maps.js';
import { type Plan, partsOf } from './plan.js';

/** True if the deployed rows are as many, without the padding of blocks. */
export function isAsWide(original: readonly CanonicalRow[], deployed: readonly CanonicalRow[]): boolean {
	const isEmpty = ({ parts }: CanonicalRow) =>
		[...parts.values()].every(({ values }) => values.every((value) => value === 0));
	return original.length <= deployed.length && deployed.slice(original.length).every(isEmpty);
}

/** True for channels that are neither moved nor scaled. */
export function areInPlace({ rows, factors }: RowAssignment): boolean {
	return rows.every((row, channel) => row === channel) && factors.every(isOne);
}

export const isOne = (factor: number): boolean => Math.abs(factor - 1) < 1e-5;

export function scaleRow({ bias, parts, border }: CanonicalRow, factor: number): CanonicalRow {
	const scaled = ({ value, size, terms }: CanonicalRow['bias']) => ({
		value: value * factor,
		size: size * factor,
		terms,
	});
	return {
		bias: scaled(bias),
		parts: new Map(
			Array.from(parts, ([key, { start, values, sizes }]) => {
				const moved = { start, values: values.map((value) => value * factor) };
				return [key, { ...moved, ...(sizes && { sizes: sizes.map((size) => size * factor) }) }];
			}),
		),
		border: new Map(Array.from(border, ([key, sum]) => [key, scaled(sum)])),
	};
}

export function basesIn(plan: Plan) {
	return partsOf(plan).filter((part) => part.kind === 'base');
}

export function nodesOf(plans: readonly Plan[]): Node[] {
	return [...new Set(plans.flatMap((plan) => (plan.kind === 'base' ? [] : [plan.node])))];
}
