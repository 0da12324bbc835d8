import { dequantizer } from '../operators/linear.js';
import type { MapDifference, RowAssignment } from './compare-maps.js';
import type { FunctionSource } from './planner.js';
import { areInPlace } from './region-rows.js';
import type { SearchState } from './search-state.js';

/** Roundings that copying a slope may cost. */
const SLOPE_ROUNDINGS = 8;

/** Compares the constants of a function and its counterpart, such as the slopes of a PRelu, channel by channel. */
export async function compareSlopes(state: SearchState, source: FunctionSource, key: string): Promise<void> {
	const { context, originalPlans, deployedPlans, record } = state;
	const counterpart = state.assigned(key);
	const deployed = counterpart && deployedPlans.functionOf(counterpart.base, counterpart.axis);
	if (!deployed || deployed.constants.length !== source.constants.length || source.name !== 'PRelu') {
		return;
	}
	for (const [index, name] of source.constants.entries()) {
		const other = deployed.constants[index] ?? '';
		const isQuantized = dequantizer(deployedPlans.scope, other) !== undefined;
		const expected = await context.original.weights.constant(originalPlans.scope, name);
		const found = isQuantized ? undefined : await context.deployed.weights.constant(deployedPlans.scope, other);
		const difference =
			expected && found && slopeDifference(expected.data, found.data, counterpart.channels, context.unitRoundoff);
		if (difference) {
			const [own, its] = [expected.data, found.data].map((values) => values.toSorted());
			const isReordered = own.every((value, at) => value === its[at]);
			const isMoved = counterpart.channels !== undefined && !areInPlace(counterpart.channels);
			record.addFunction([source.node, deployed.node], {
				difference,
				...(isReordered && { isReordered }),
				...(isMoved && { assumes: key }),
			});
		}
	}
}

function slopeDifference(
	expected: ArrayLike<number>,
	found: ArrayLike<number>,
	channels: RowAssignment | undefined,
	unitRoundoff: number,
): MapDifference | undefined {
	const compared = expected.length;
	if (found.length !== compared || (channels && channels.rows.length !== compared)) {
		return undefined;
	}
	const rows: number[] = [];
	let worst: MapDifference['worst'];
	for (let row = 0; row < compared; row++) {
		const [value, its] = [expected[row], found[channels?.rows[row] ?? row]];
		const bound = SLOPE_ROUNDINGS * unitRoundoff * Math.abs(value);
		if (!(Math.abs(its - value) <= bound)) {
			rows.push(row);
			const excess = Math.abs(its - value) / bound;
			worst =
				worst && Math.abs(worst.found - worst.expected) / worst.bound >= excess
					? worst
					: { row, part: 'constant', found: its, expected: value, bound };
		}
	}
	return worst && { compared, different: rows.length, rows, worst };
}
