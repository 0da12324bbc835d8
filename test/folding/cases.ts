/** What the generator makes: a layer, the faults that act on it, and whether anyone could tell them from the result. */

import type { CauseCode } from '../../src/core/report/causes.js';
import { type Random, seededRandom } from '../../src/engine/child/tensors/random.js';
import { FAULTS, type Fault, UNEXPLAINED } from './faults.js';
import { OPERATORS, type OperatorKind, outputChannel, type RandomLayer } from './layers.js';
import { type Folded, type Recipe, rightRecipe, runTool } from './tool.js';

/** Faults that act together on one layer; none: damage outside the catalog. */
export interface FaultSet {
	readonly name: string;
	readonly faults: readonly Fault[];
	readonly damage?: Fault['apply'];
}

export const SINGLES: readonly FaultSet[] = FAULTS.map((fault) => ({ name: fault.code, faults: [fault] }));

export const DAMAGES: readonly FaultSet[] = Object.entries(UNEXPLAINED).map(([name, damage]) => ({
	name,
	faults: [],
	damage,
}));

/** Every two faults that can act together. */
export const PAIRS: readonly FaultSet[] = FAULTS.flatMap((a, index) =>
	FAULTS.slice(index + 1)
		.filter((b) => areCompatible([a, b]))
		// Rounding comes last in every tool.
		.map((b) => (a.parts.includes('rounding') ? [b, a] : [a, b]))
		.map((faults) => ({ name: faults.map(({ code }) => code).join(' + '), faults })),
);

function areCompatible([a, b]: readonly Fault[]): boolean {
	return !a.parts.some((part) => b.parts.includes(part)) && kindsOf([a, b]).length > 0;
}

/** Operators on which all of the faults exist. */
export function kindsOf(faults: readonly Fault[]): readonly OperatorKind[] {
	const needsBias = faults.some(({ wishes }) => wishes?.bias);
	return OPERATORS.filter(
		(kind) => faults.every(({ kinds }) => kinds?.includes(kind) ?? true) && !(needsBias && kind === 'MatMul'),
	);
}

/** The faults' draws come from one seed, so that the same set can be run again with one fault left out. */
export function foldWith(
	layer: RandomLayer,
	{ faults, damage }: Pick<FaultSet, 'faults' | 'damage'>,
	seed: number,
): Folded {
	let recipe: Recipe = rightRecipe(layer);
	for (const fault of faults) {
		recipe = fault.apply(recipe, layer, randomFor(fault.code, seed));
	}
	return runTool(layer, damage ? damage(recipe, layer, seededRandom(seed)) : recipe);
}

function randomFor(code: CauseCode, seed: number): Random {
	return seededRandom(seed * 64 + FAULTS.findIndex((fault) => fault.code === code));
}

/** A fault shows when it changes at least so many rows by more than rounding does. */
export const LEAST_ROWS = 3;
const LEAST_ROWS_MOVED = 2;

/**
 * Whether the faults can be told from the result in principle: leaving one out changes it, and no other fault, alone or
 * together with one of these, makes the same. Other running statistics can make anything and do not count.
 */
export function isIdentifiable(layer: RandomLayer, set: FaultSet, seed: number): boolean {
	const { faults } = set;
	const tolerance = toleranceOf(faults);
	const result = foldWith(layer, set, seed);
	const isEachFelt = faults.every((fault) => {
		const without = foldWith(layer, { faults: faults.filter((other) => other !== fault) }, seed);
		const least = isReordering(fault) ? LEAST_ROWS_MOVED : LEAST_ROWS;
		const own = fault.parts.includes('rounding') ? ROUNDING : tolerance;
		return differingRows(layer, result, without, own) >= least;
	});
	if (!isEachFelt || isSwallowed(faults)) {
		return false;
	}
	const inOrder = faults.filter((fault) => !isReordering(fault));
	if (inOrder.length < faults.length) {
		// Which rows moved shows in the weights; what else went wrong must be told by itself.
		return inOrder.length === 0 || isIdentifiable(layer, { ...set, faults: inOrder }, seed);
	}
	const formulas = withoutRounding(faults);
	if (formulas.length === 0) {
		return true;
	}
	const probe = probeOf(layer);
	const probed = foldWith(probe, { faults: formulas }, seed);
	return rivals(layer, formulas).every((rival) => {
		const other = foldWith(probe, { faults: rival }, seed);
		return differingRows(probe, probed, other, tolerance) >= LEAST_ROWS;
	});
}

/** Everything is computed right and laid out wrong. */
const isReordering = ({ parts }: Fault): boolean => parts.every((part) => part === 'order');

/** One fault that explains what another did: other statistics any bias, one factor on the variance another. */
function isSwallowed(faults: readonly Fault[]): boolean {
	const codes = faults.filter(({ parts }) => !parts.includes('rounding')).map(({ code }) => code);
	const factors = ['unbiased-variance', 'variance-scale-factor'] as const;
	const isAnyFactor = codes.includes('epsilon-applied-twice') && factors.some((code) => codes.includes(code));
	return isAnyFactor || (codes.includes('stale-statistics') && codes.length > 1);
}

const withoutRounding = (faults: readonly Fault[]) => faults.filter(({ parts }) => !parts.includes('rounding'));

/** Relative differences that float32 arithmetic makes, with room for the diagnosis to see them. */
const ROUNDING = 1.5e-6;

/** Relative differences that rounding to the stored type hides. */
function toleranceOf(faults: readonly Fault[]): number {
	const [code] = faults.map((fault) => fault.code).filter((each) => each in HIDDEN);
	return code === undefined ? ROUNDING : HIDDEN[code as keyof typeof HIDDEN];
}

const HIDDEN = { 'rounding-fp16': 3e-3, 'rounding-bf16': 2.5e-2, 'quantized-int8': 4e-2 } as const;

/** Fault sets that might make the same result. */
function rivals(layer: RandomLayer, faults: readonly Fault[]): (readonly Fault[])[] {
	const others = FAULTS.filter(
		(other) =>
			other.code !== 'stale-statistics' &&
			!isReordering(other) &&
			!other.parts.includes('rounding') &&
			(other.kinds?.includes(layer.kind) ?? true) &&
			!faults.some(({ code }) => code === other.code),
	).flatMap(variants);
	const singles = others.map((other) => [other]);
	const replaced = faults.flatMap((fault) => others.map((other) => [fault, other]));
	const both = others.flatMap((other, index) => others.slice(index + 1).map((another) => [other, another]));
	return [[], ...singles, ...(faults.length > 1 ? [...replaced, ...both] : [])];
}

/** An epsilon of 0 is the rival that other formulas come near to. */
function variants(fault: Fault): Fault[] {
	return fault.code === 'wrong-epsilon' ? [{ ...fault, apply: (recipe) => ({ ...recipe, epsilon: 0 }) }] : [fault];
}

/** The same layer with a single weight of 1 a channel: its result is the scale itself. */
function probeOf(layer: RandomLayer): RandomLayer {
	const weight = new Float32Array(layer.channels).fill(1);
	return { ...layer, kind: 'GemmTransposed', op: 'Gemm', dims: [layer.channels, 1], group: 1, transB: true, weight };
}

function differingRows(layer: RandomLayer, a: Folded, b: Folded, tolerance: number): number {
	const sums = Array.from({ length: layer.channels }, () => ({ difference: 0, size: 0 }));
	a.weight.forEach((value, index) => {
		const row = sums[outputChannel(layer, index)];
		row.difference += (value - b.weight[index]) ** 2;
		row.size += value ** 2 + b.weight[index] ** 2;
	});
	return sums.filter(({ difference, size }, channel) => {
		const scale = Math.abs(layer.gamma[channel]) / Math.sqrt(layer.variance[channel] + layer.epsilon);
		const terms = (Math.abs(layer.mean[channel]) + Math.abs(layer.bias?.[channel] ?? 0)) * scale;
		const biasSize = Math.max(
			terms + Math.abs(layer.beta[channel]),
			Math.abs(a.bias[channel]),
			Math.abs(b.bias[channel]),
		);
		const biasDifference = Math.abs(a.bias[channel] - b.bias[channel]);
		return Math.sqrt(difference) > tolerance * Math.sqrt(size) || biasDifference > tolerance * biasSize;
	}).length;
}
