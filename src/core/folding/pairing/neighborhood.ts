import { channelCount, rowLength } from '../operators/layout.js';
import type { LinearOperator } from '../operators/linear.js';
import { weightLayout } from '../operators/weight-layout.js';
import type { Network, Surroundings } from '../targets/network.js';

/** Description of an operator apart from its weights, equal in every pair. */
export type Signature = string;

/** Signatures of a model's operators; without operators with a weight of unknown shape. */
export type Signatures = ReadonlyMap<LinearOperator, Signature>;

/** Rounds of refinement. More distant operators make no difference. */
const ROUNDS = 32;

/** Positions of a model's operators in their graph, at growing radius. */
export interface Positions {
	/** colors[r][i] is equal for operators (of index i) if their surroundings look the same up to r operators away. */
	readonly colors: readonly (readonly number[])[];
}

export interface SignatureOptions {
	/** False if a model does not know groups, strides and dilations, which are then left out. */
	readonly windows: boolean;
}

/**
 * Computes the shape of each operator's computation, without names: output channels, row length, kernel, group, strides
 * and dilations. Pads are left out, because simplifiers merge Pad nodes into them. A Gemm and a MatMul of the same shape are
 * equal.
 */
export async function readSignatures(
	{ operators, weights }: Network,
	{ windows }: SignatureOptions = { windows: true },
): Promise<Signatures> {
	const signatures = new Map<LinearOperator, Signature>();
	for (const operator of operators) {
		const dims = await weights.dims(operator);
		const layout = dims && weightLayout(operator, dims);
		if (!dims || !layout) {
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
		const known = windows ? [group, list('strides'), list('dilations')] : [];
		const parts = isConvolution ? [kind, shape, dims.slice(2), ...known] : ['dense', shape];
		signatures.set(operator, parts.join(' '));
	}
	return signatures;
}

/**
 * Refines colors (Weisfeiler and Leman) over both models at once, so that a color means the same in each. Starts with
 * an operator's signature, then combines it with the colors before and behind it.
 */
export function positionsOf(networks: readonly Network[], signatures: readonly Signatures[]): Positions[] {
	const behind = networks.map(operatorsBehind);
	let colors = numberWords(
		networks.map(({ operators }, model) =>
			operators.map((operator) => signatures[model].get(operator) ?? 'unreadable'),
		),
	);
	const rounds = colors.map((first) => [first]);
	for (let round = 0; round < ROUNDS; round++) {
		const words = networks.map(({ operators, before }, model) =>
			operators.map((operator) => {
				const around = (surroundings: Surroundings<LinearOperator>) =>
					Array.from(surroundings.get(operator) ?? [], ({ index }) => colors[model][index])
						.sort()
						.join(' ');
				return `${colors[model][operator.index]}|${around(before)}|${around(behind[model])}`;
			}),
		);
		colors = numberWords(words);
		colors.forEach((refined, model) => {
			rounds[model].push(refined);
		});
	}
	return rounds.map((refinements) => ({ colors: refinements }));
}

/** Replaces words by small numbers, shared between the lists. */
function numberWords(lists: readonly (readonly string[])[]): number[][] {
	const known = new Map<string, number>();
	return lists.map((list) =>
		list.map((word) => {
			const id = known.get(word) ?? known.size;
			known.set(word, id);
			return id;
		}),
	);
}

function operatorsBehind({ operators, before }: Network): Surroundings<LinearOperator> {
	const behind = new Map(operators.map((operator) => [operator, new Set<LinearOperator>()]));
	for (const [operator, sources] of before) {
		for (const source of sources) {
			behind.get(source)?.add(operator);
		}
	}
	return behind;
}

/**
 * Returns the largest radius up to which the surroundings of two operators look the same; -1 if the operators
 * themselves differ, {@link ROUNDS} at most.
 */
export function commonRadius(
	positions: { readonly original: Positions; readonly deployed: Positions },
	original: LinearOperator,
	deployed: LinearOperator,
): number {
	const [originalColors, deployedColors] = [positions.original.colors, positions.deployed.colors];
	// Equal colors at a radius imply equal colors at every smaller radius, because each color is made from the color
	// before.
	let [same, different] = [-1, originalColors.length];
	while (different - same > 1) {
		const middle = (same + different) >> 1;
		if (originalColors[middle][original.index] === deployedColors[middle][deployed.index]) {
			same = middle;
		} else {
			different = middle;
		}
	}
	return same;
}
