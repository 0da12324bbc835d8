import { channelCount, rowLength } from '../operators/layout.js';
import { weightLayout } from '../operators/weights.js';
import type { Network } from '../targets/network.js';

/** Description of an operator apart from its weights. Operators with different signatures never form a pair. */
export type Signature = string;

/** Rounds of refinement: operators further away than this make no difference any more. */
const ROUNDS = 32;

/** Positions of a model's operators in their graph, at growing radius. */
export interface Positions {
	/** colors[r][i] is equal for operators whose surroundings look the same up to r operators away. */
	readonly colors: readonly (readonly number[])[];
}

/**
 * Computes the shape of each operator's computation, without names: output channels, row length, kernel, group, strides
 * and dilations. Pads are left out, because simplifiers merge Pad nodes into them. A Gemm and a MatMul of the same shape are
 * equal.
 */
export async function signatures({ operators, weights }: Network): Promise<(Signature | undefined)[]> {
	const result: (Signature | undefined)[] = [];
	for (const operator of operators) {
		const dims = await weights.dims(operator);
		const layout = dims && weightLayout(operator, dims);
		if (!dims || !layout) {
			result.push(undefined);
			continue;
		}
		const { scope, node, kind, group } = operator;
		const isConvolution = kind === 'Conv' || kind === 'ConvTranspose';
		const list = (name: string) =>
			scope
				.attribute(node, name)
				?.ints?.filter((value) => value !== 1)
				.join(',') ?? '';
		const shape = `${channelCount(layout)}x${rowLength(layout)}`;
		const parts = isConvolution
			? [kind, shape, dims.slice(2), group, list('strides'), list('dilations')]
			: ['dense', shape];
		result.push(parts.join(' '));
	}
	return result;
}

/**
 * Refines colors (Weisfeiler and Leman) over both models at once, so that a color means the same in each. Starts with
 * an operator's signature, then combines it with the colors before and behind it.
 */
export function positionsOf(
	networks: readonly Network[],
	given: readonly (readonly (Signature | undefined)[])[],
): Positions[] {
	const behind = networks.map(operatorsBehind);
	let colors = number(given.map((signatures) => signatures.map((signature) => signature ?? 'unreadable')));
	const rounds = colors.map((own) => [own]);
	for (let round = 0; round < ROUNDS; round++) {
		const words = networks.map(({ before }, which) =>
			colors[which].map((color, operator) => {
				const around = (others: Iterable<number>) =>
					Array.from(others, (other) => colors[which][other])
						.sort()
						.join(' ');
				return `${color}|${around(before[operator])}|${around(behind[which][operator])}`;
			}),
		);
		colors = number(words);
		colors.forEach((own, which) => {
			rounds[which].push(own);
		});
	}
	return rounds.map((own) => ({ colors: own }));
}

/** Small numbers for words, shared between the lists. */
function number(lists: readonly (readonly string[])[]): number[][] {
	const known = new Map<string, number>();
	return lists.map((list) =>
		list.map((word) => {
			const id = known.get(word) ?? known.size;
			known.set(word, id);
			return id;
		}),
	);
}

function operatorsBehind({ before }: Network): Set<number>[] {
	const behind = before.map(() => new Set<number>());
	before.forEach((others, operator) => {
		for (const other of others) {
			behind[other].add(operator);
		}
	});
	return behind;
}

/**
 * Returns the largest radius up to which the surroundings of two operators look the same; -1 if the operators
 * themselves differ, {@link ROUNDS} at most.
 */
export function commonRadius(a: Positions, i: number, b: Positions, j: number): number {
	// Equal colors at one radius imply equal colors at every smaller radius, because each color is made from the one
	// before.
	let [same, different] = [-1, a.colors.length];
	while (different - same > 1) {
		const middle = (same + different) >> 1;
		if (a.colors[middle][i] === b.colors[middle][j]) {
			same = middle;
		} else {
			different = middle;
		}
	}
	return same;
}
