import { channelCount, rowLength } from '../operators/layout.js';
import { weightLayout } from '../operators/weights.js';
import type { Network } from '../targets/network.js';

/** What an operator is, apart from its weights: operators that differ in it are never a pair. */
export type Signature = string;

/** Rounds of refinement: operators further away than this make no difference any more. */
const ROUNDS = 32;

/** Positions of a model's operators in their graph, at growing radius. */
export interface Positions {
	/** colours[r][i]: equal for operators whose surroundings up to r operators away look the same. */
	readonly colours: readonly (readonly number[])[];
}

/**
 * Shape of the computation, without names: output channels, row length, kernel, group, strides and dilations. Pads are
 * left out, since simplifiers merge Pad nodes into them; a Gemm and a MatMul of one shape are the same thing.
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
 * Colour refinement (Weisfeiler and Leman) over both models at once, so that a colour means the same in each: at first an
 * operator's signature, then what it is together with what stands before and behind it.
 */
export function positionsOf(
	networks: readonly Network[],
	given: readonly (readonly (Signature | undefined)[])[],
): Positions[] {
	const behind = networks.map(operatorsBehind);
	let colours = number(given.map((signatures) => signatures.map((signature) => signature ?? 'unreadable')));
	const rounds = colours.map((own) => [own]);
	for (let round = 0; round < ROUNDS; round++) {
		const words = networks.map(({ before }, which) =>
			colours[which].map((colour, operator) => {
				const around = (others: Iterable<number>) =>
					Array.from(others, (other) => colours[which][other])
						.sort()
						.join(' ');
				return `${colour}|${around(before[operator])}|${around(behind[which][operator])}`;
			}),
		);
		colours = number(words);
		colours.forEach((own, which) => {
			rounds[which].push(own);
		});
	}
	return rounds.map((own) => ({ colours: own }));
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

/** How far around two operators look the same: -1 when not even they do, up to {@link ROUNDS}. */
export function commonRadius(a: Positions, i: number, b: Positions, j: number): number {
	// What looks the same at one radius does so at every smaller one: a colour is made from the one before.
	let [same, different] = [-1, a.colours.length];
	while (different - same > 1) {
		const middle = (same + different) >> 1;
		if (a.colours[middle][i] === b.colours[middle][j]) {
			same = middle;
		} else {
			different = middle;
		}
	}
	return same;
}
