import type { BatchNormLayer } from '../../batchnorm/layer.js';
import { addBiases, expectedFold, type FoldParameters, gatherParameters, scaleRows } from '../operators/expected.js';
import { channelCount } from '../operators/layout.js';
import type { ReadPartners } from '../pairing/partners.js';
import type { EarlierLayer, FoldTarget } from '../targets/target.js';
import type { Verdict } from './judge-fold.js';
import { isRight, judgeWeights, noLayer, type Reading } from './judge-reading.js';
import { arrivedWith, cannotTellApart, leftOut } from './placement-verdicts.js';

/** A layer of several that went into an operator together. */
export interface ChainLayer {
	readonly layer: BatchNormLayer;
	/** Fold target, with the layers of the chain in front of it as earlier layers. */
	readonly target: FoldTarget;
	readonly parameters: FoldParameters;
}

interface ChainEvidence {
	readonly weights: ReadPartners;
	/** Constants counted as bias, besides the deployed operator's own bias. */
	readonly added: readonly (Float64Array | null)[];
	/** Verdict on the whole chain: a mismatch, explained as if only the last layer were wrong. */
	readonly whole: Verdict;
}

/** Longer chains are asked for their beginnings only: every layer doubles the selections. */
const LONGEST = 4;

/**
 * Separates layers that went into an operator together and did not all arrive. Some may have arrived and others not,
 * or exactly one was folded wrongly. If neither explains the weights, the verdict covers all layers.
 */
export function judgeChain(
	chain: readonly ChainLayer[],
	evidence: ChainEvidence,
): ReadonlyMap<BatchNormLayer, Verdict> {
	return selected(chain, evidence) ?? blamed(chain, evidence) ?? together(chain, evidence);
}

/** Explains the weights as the correct fold of some layers, with the rest missing. */
function selected(chain: readonly ChainLayer[], { weights, added, whole }: ChainEvidence) {
	for (const isThere of selections(chain.length)) {
		const selection = select(chain, isThere);
		const readings = selection
			? added.map((foundAdded) => ({ ...weights, foundAdded, operators: [], ...selection }))
			: [];
		const right = readings.find((reading) => isRight(reading, reading.target));
		if (right) {
			const names = chain.filter((_, index) => isThere[index]).map(({ layer }) => layer.name);
			const arrived = judgeWeights(right, right.target);
			const missing = leftOut(whole, weights.into, names);
			return new Map(chain.map(({ layer }, index) => [layer, isThere[index] ? arrived : missing]));
		}
	}
	return undefined;
}

/**
 * Lists every selection of layers, from all but one down to none. Among selections of one size, beginnings of the chain
 * come first.
 */
function selections(count: number): boolean[][] {
	const choices = Array.from({ length: count }, (_, size) => Array.from({ length: count }, (_, at) => at < size));
	if (count <= LONGEST) {
		for (let bits = 0; bits < 2 ** count - 1; bits++) {
			choices.push(Array.from({ length: count }, (_, at) => (bits & (1 << at)) !== 0));
		}
	}
	const size = (choice: readonly boolean[]) => choice.filter(Boolean).length;
	return choices.sort((a, b) => size(b) - size(a));
}

/** Returns the fold of some of a chain's layers. Additions in front of the other layers stay. */
function select(chain: readonly ChainLayer[], isThere: readonly boolean[]) {
	const { target } = chain[chain.length - 1];
	const steps: EarlierLayer[] = [];
	let pending: Float64Array | null = null;
	for (const [index, { layer, target: own }] of chain.entries()) {
		pending = addBiases(pending, own.added);
		if (isThere[index]) {
			steps.push({ layer, rows: own.rows, added: pending });
			pending = null;
		}
	}
	const last = steps.at(-1);
	const parameters = chain.find(({ layer }) => layer === last?.layer)?.parameters;
	if (!last?.rows || !parameters) {
		const parameters = noLayer(target.rows);
		return { target: { ...target, earlier: [], added: pending }, parameters, withoutLayer: true };
	}
	// An addition behind the last layer belongs to no fold.
	const { rows, added } = last;
	return pending ? undefined : { target: { ...target, earlier: steps.slice(0, -1), added, rows }, parameters };
}

/** Explains the weights by exactly a layer with a catalogued fold error, with the rest correct. */
function blamed(chain: readonly ChainLayer[], { weights, added, whole }: ChainEvidence) {
	const accused = chain.map(({ target, parameters }, index) => {
		if (index === chain.length - 1) {
			return whole;
		}
		const found = added.map((foundAdded) => undo(weights.found, foundAdded, chain.slice(index + 1)));
		const readings = found.flatMap((other): Reading[] =>
			other ? [{ ...weights, found: other, foundAdded: null, operators: [], parameters }] : [],
		);
		return readings.map((reading) => judgeWeights(reading, target)).find(isExplained);
	});
	const explained = accused.filter((verdict) => verdict !== undefined && isExplained(verdict));
	const best = explained.toSorted((a, b) => (b?.confidence ?? 0) - (a?.confidence ?? 0))[0];
	const guilty = chain[accused.indexOf(best)];
	if (!best || !guilty) {
		return undefined;
	}
	const right = arrivedWith(best, weights.into, guilty.layer.name);
	return new Map(chain.map(({ layer }) => [layer, layer === guilty.layer ? best : right]));
}

/** True for a catalogued cause other than stale-statistics, which fits any weights. */
function isExplained({ status, cause }: Verdict): boolean {
	return status === 'mismatch' && cause !== null && cause !== 'unknown' && cause !== 'stale-statistics';
}

/** Returns a deployed operator as it was before the last layers went into it; undefined if a layer set it to zero. */
function undo(found: ReadPartners['found'], foundAdded: Float64Array | null, later: readonly ChainLayer[]) {
	let weight: Float32Array | Float64Array = Float64Array.from(found.weight);
	let bias = addBiases(found.bias, foundAdded) ?? new Float64Array(channelCount(found.layout));
	for (const { target, parameters } of later.toReversed()) {
		const { scale, bias: shift } = expectedFold(null, gatherParameters(parameters, target.rows));
		if (scale.some((s) => s === 0 || !Number.isFinite(s))) {
			return undefined;
		}
		const inverse = scale.map((s) => 1 / s);
		weight = scaleRows(weight, found.layout, inverse, 'float64');
		bias = bias.map((value, row) => (value - shift[row]) * inverse[row] - (target.added?.[row] ?? 0));
	}
	return { ...found, weight, bias };
}

function together(chain: readonly ChainLayer[], { whole }: ChainEvidence) {
	const verdict = cannotTellApart(
		whole,
		chain.map(({ layer }) => layer.name),
	);
	return new Map(chain.map(({ layer }) => [layer, verdict]));
}
