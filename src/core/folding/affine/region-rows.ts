import type { Node } from '../../onnx/model.js';
import { type Sum, scaled, scaleSegment, withSlack } from './affine-map.js';
import type { CanonicalRow, RowAssignment } from './compare-maps.js';
import type { Counterpart } from './counterparts.js';
import { type Plan, partsOf } from './plan.js';

/** True if the deployed rows are as many, without the padding of blocks. */
export function isAsWide(original: readonly CanonicalRow[], deployed: readonly CanonicalRow[]): boolean {
	const isEmpty = ({ parts }: CanonicalRow) =>
		[...parts.values()].every(({ values }) => values.every((value) => value === 0));
	return original.length <= deployed.length && deployed.slice(original.length).every(isEmpty);
}

/** True for channels that are neither moved nor scaled. */
export function areInPlace(channels: RowAssignment): boolean {
	return channels.rows.every((row, channel) => row === channel) && haveNoFactors(channels);
}

/** True if no factor differs from 1. */
export function haveNoFactors({ factors }: RowAssignment): boolean {
	return factors.every((factor) => Math.abs(factor - 1) < 1e-5);
}

/** Roundings that may make a factor differ from 1: those of a fold and of a quotient. */
const FACTOR_ROUNDINGS = 8;

/** Takes factors that rounding explains for 1. @param unitRoundoff of the coarser model's type */
export function withoutRoundedFactors(channels: RowAssignment, unitRoundoff: number): RowAssignment {
	const isRounded = channels.factors.every((factor) => Math.abs(factor - 1) <= FACTOR_ROUNDINGS * unitRoundoff);
	return isRounded ? { rows: channels.rows, factors: new Float64Array(channels.rows.length).fill(1) } : channels;
}

/** Order of the deployed channels. */
export type ChannelOrder = RowAssignment | 'in-place';

/** Returns the order of a counterpart's channels; undefined if they are multiples of the original's. */
export function orderOf({ channels }: Counterpart): ChannelOrder | undefined {
	if (!channels || areInPlace(channels)) {
		return 'in-place';
	}
	return haveNoFactors(channels) ? channels : undefined;
}

export function isSameOrder(a: ChannelOrder, b: ChannelOrder): boolean {
	return a === b || (a !== 'in-place' && b !== 'in-place' && String(a.rows) === String(b.rows));
}

/** Multiplies a row by a factor. @param error of the factor, relative to it */
export function scaleRow({ bias, parts, border }: CanonicalRow, factor: number, error = 0): CanonicalRow {
	const withError = (sum: Sum): Sum => {
		const { value, slack = 0, ...rest } = scaled(sum, factor);
		return { value, ...rest, ...withSlack(slack + error * Math.abs(value)) };
	};
	return {
		bias: withError(bias),
		parts: new Map(Array.from(parts, ([key, segment]) => [key, scaleSegment(segment, factor)])),
		border: new Map(Array.from(border, ([key, sum]) => [key, withError(sum)])),
	};
}

export function basesIn(plan: Plan) {
	return partsOf(plan).filter((part) => part.kind === 'base');
}

export function nodesOf(plans: readonly Plan[]): Node[] {
	return [...new Set(plans.flatMap((plan) => (plan.kind === 'base' ? [] : [plan.node])))];
}
