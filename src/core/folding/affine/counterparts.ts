import { type AffineMap, type AffineRow, addSegments, type Segment, type Tap, tapKey } from './affine-map.js';
import type { RowAssignment } from './compare-maps.js';

/** The deployed tensor with the values of an original tensor. */
export interface Counterpart {
	readonly base: string;
	readonly axis: number;
	/** Set if channels stand in another order or are multiples of the original's. */
	readonly channels?: RowAssignment;
}

/** Returns the counterpart of a base; undefined if it is unknown. */
export type CounterpartOf = (base: string, axis: number) => Counterpart | undefined;

/**
 * Writes a map of the original in terms of deployed tensors.
 * @param used bases that coefficients other than 0 read
 * @returns undefined if one of them has no known counterpart
 */
export function inDeployedTerms(
	{ rows, taps, space }: AffineMap,
	used: ReadonlySet<string>,
	counterpartOf: CounterpartOf,
): AffineMap | undefined {
	const renamed = new Map<string, Tap>();
	const moves = new Map<string, { readonly key: string; readonly channels: RowAssignment | undefined }>();
	for (const [key, tap] of taps) {
		const counterpart = counterpartOf(tap.base, tap.axis);
		if (!counterpart) {
			if (used.has(tap.base)) {
				return undefined;
			}
			continue;
		}
		const to = { ...tap, base: counterpart.base, axis: counterpart.axis };
		renamed.set(tapKey(to), to);
		moves.set(key, { key: tapKey(to), channels: counterpart.channels });
	}
	const move = (row: AffineRow): AffineRow => {
		const parts = new Map<string, Segment>();
		for (const [key, segment] of row.parts) {
			const to = moves.get(key);
			if (to) {
				const moved = to.channels ? reorder(segment, to.channels) : segment;
				const known = parts.get(to.key);
				parts.set(to.key, known ? addSegments(known, moved) : moved);
			}
		}
		return { ...row, parts };
	};
	return { rows: rows.map(move), taps: renamed, space };
}

/** Moves coefficients to the deployed order of channels: rows[c] holds factors[c] times the original channel c. */
function reorder({ start, values, sizes, slacks }: Segment, { rows, factors, slack }: RowAssignment): Segment {
	const columns = Array.from(values.keys(), (index) => rows[start + index] ?? 0);
	const first = columns.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);
	const length = columns.reduce((a, b) => Math.max(a, b), 0) - first + 1;
	const moved = { start: first, values: new Float64Array(length), sizes: new Float64Array(length) };
	const errors = slack || slacks ? new Float64Array(length) : undefined;
	values.forEach((value, index) => {
		const factor = factors[start + index];
		const at = columns[index] - first;
		moved.values[at] = value / factor;
		moved.sizes[at] = (sizes?.[index] ?? Math.abs(value)) / Math.abs(factor);
		if (errors) {
			errors[at] =
				(slacks?.[index] ?? 0) / Math.abs(factor) + Math.abs(moved.values[at]) * (slack?.[start + index] ?? 0);
		}
	});
	return { ...moved, ...(errors && { slacks: errors }) };
}
