import type { BatchNormLayer } from '../../batchnorm/layer.js';
import { addBiases, expectedFold, type FoldParameters, gatherParameters, scaleRows } from '../operators/expected.js';
import { identityParameters } from '../operators/layer-parameters.js';
import { channelCount } from '../operators/layout.js';
import type { Addition } from '../operators/quantization-grid.js';
import type { OperatorWeights } from '../operators/weights.js';
import type { ReadPair } from '../pairing/partners.js';
import type { EarlierLayer, FoldTarget } from '../targets/target.js';
import type { Verdict } from './judge-fold.js';
import { type FoldVariant, isRight, judgeVariant } from './judge-variants.js';
import { acquit, reportLeftOut, reportUndecided } from './placement-verdicts.js';

/** A layer of several that went into an operator together. */
export interface ChainLayer {
	readonly layer: BatchNormLayer;
	/** Fold target, with the earlier layers of the chain. */
	readonly target: FoldTarget;
	readonly parameters: FoldParameters;
}

interface ChainEvidence {
	readonly weights: ReadPair;
	/** Constants that count as bias in addition to the deployed operator's own. */
	readonly additions: readonly (Addition | null)[];
	/** Verdict on the whole chain: a mismatch, as if only the last layer were wrong. */
	readonly whole: Verdict;
}

/** Highest confidence in an error if an error of another layer explains the weights as well. */
const SHARED_CONFIDENCE = 0.5;

/** Maximum chain with all selections. Longer chains get only beginnings, because every layer doubles the selections. */
const MAX_SELECTED = 4;

/**
 * Separates layers that went into an operator together and did not all arrive. Two cases are possible: some arrived and
 * the rest did not, or exactly one was folded wrongly. If neither explains the weights, the verdict covers all layers.
 */
export function judgeChain(
	chain: readonly ChainLayer[],
	evidence: ChainEvidence,
): ReadonlyMap<BatchNormLayer, Verdict> {
	return findArrivedLayers(chain, evidence) ?? findWrongLayer(chain, evidence) ?? judgeTogether(chain, evidence);
}

/** Explains the weights as a correct fold that lacks some layers. */
function findArrivedLayers(chain: readonly ChainLayer[], { weights, additions, whole }: ChainEvidence) {
	for (const isThere of listSelections(chain.length)) {
		const selection = selectLayers(chain, isThere);
		const variants = selection
			? additions.map((deployedAddition) => ({ ...weights, deployedAddition, operators: [], ...selection }))
			: [];
		const right = variants.find((variant) => isRight(variant, variant.target));
		if (right) {
			const names = chain.filter((_, index) => isThere[index]).map(({ layer }) => layer.name);
			const arrived = judgeVariant(right, right.target);
			const missing = reportLeftOut(whole, weights.pair.deployed, names);
			return new Map(chain.map(({ layer }, index) => [layer, isThere[index] ? arrived : missing]));
		}
	}
	return undefined;
}

/**
 * Lists every selection of layers, from all but a single layer down to none. Among selections of equal size, beginnings
 * of the chain come first.
 */
function listSelections(count: number): boolean[][] {
	const choices = Array.from({ length: count }, (_, size) => Array.from({ length: count }, (_, at) => at < size));
	if (count <= MAX_SELECTED) {
		for (let bits = 0; bits < 2 ** count - 1; bits++) {
			choices.push(Array.from({ length: count }, (_, at) => (bits & (1 << at)) !== 0));
		}
	}
	const size = (choice: readonly boolean[]) => choice.filter(Boolean).length;
	return choices.sort((a, b) => size(b) - size(a));
}

/** Returns the fold of some of a chain's layers. Additions in front of the other layers stay. */
function selectLayers(chain: readonly ChainLayer[], isThere: readonly boolean[]) {
	const { target } = chain[chain.length - 1];
	const steps: EarlierLayer[] = [];
	let pending: Float64Array | null = null;
	for (const [index, { layer, target: position }] of chain.entries()) {
		pending = addBiases(pending, position.added);
		if (isThere[index]) {
			steps.push({ layer, rows: position.rows, added: pending });
			pending = null;
		}
	}
	const last = steps.at(-1);
	const parameters = chain.find(({ layer }) => layer === last?.layer)?.parameters;
	if (!last?.rows || !parameters) {
		const parameters = identityParameters(target.rows);
		return { target: { ...target, earlier: [], added: pending }, parameters, withoutLayer: true } as const;
	}
	// An addition behind the last layer belongs to no fold.
	const { rows, added } = last;
	return pending ? undefined : { target: { ...target, earlier: steps.slice(0, -1), added, rows }, parameters };
}

/** Explains the weights by a known fold error in a single layer, with the rest correct. */
function findWrongLayer(chain: readonly ChainLayer[], { weights, additions, whole }: ChainEvidence) {
	const accused = chain.map(({ target, parameters }, index) => {
		if (index === chain.length - 1) {
			return whole;
		}
		const variants = additions.flatMap((addition): FoldVariant[] => {
			const deployedWeights = undoFolds(weights.deployedWeights, addition?.values ?? null, chain.slice(index + 1));
			return deployedWeights
				? [{ ...weights, deployedWeights, deployedAddition: null, operators: [], parameters }]
				: [];
		});
		return variants.map((variant) => judgeVariant(variant, target)).find(isExplained);
	});
	const explained = accused.filter((verdict) => verdict !== undefined && isExplained(verdict));
	const likeliest = explained.toSorted((a, b) => (b?.confidence ?? 0) - (a?.confidence ?? 0))[0];
	const guilty = chain[accused.indexOf(likeliest)];
	if (!likeliest || !guilty) {
		return undefined;
	}
	// An error of one layer may equal another error of its neighbor.
	const shared = explained.length > 1 ? SHARED_CONFIDENCE : 1;
	const best = { ...likeliest, confidence: Math.min(likeliest.confidence, shared) };
	const right = acquit(best, weights.pair.deployed, guilty.layer.name);
	return new Map(chain.map(({ layer }) => [layer, layer === guilty.layer ? best : right]));
}

/** True for a catalogd cause other than stale-statistics, which fits any weights. */
function isExplained({ status, cause }: Verdict): boolean {
	return status === 'mismatch' && cause !== null && cause !== 'unknown' && cause !== 'stale-statistics';
}

/** Returns a deployed operator as it was before the last layers went into it; undefined if a layer set it to zero. */
function undoFolds(
	deployed: OperatorWeights,
	addition: Float64Array | null,
	later: readonly ChainLayer[],
): OperatorWeights | undefined {
	let weight: Float32Array | Float64Array = Float64Array.from(deployed.weight);
	let bias = addBiases(deployed.bias, addition) ?? new Float64Array(channelCount(deployed.layout));
	for (const { target, parameters } of later.toReversed()) {
		const { scale, bias: shift } = expectedFold(null, gatherParameters(parameters, target.rows));
		if (scale.some((s) => s === 0 || !Number.isFinite(s))) {
			return undefined;
		}
		const inverse = scale.map((s) => 1 / s);
		weight = scaleRows(weight, deployed.layout, inverse, 'float64');
		bias = bias.map((value, row) => (value - shift[row]) * inverse[row] - (target.added?.[row] ?? 0));
	}
	return { ...deployed, weight, bias };
}

function judgeTogether(chain: readonly ChainLayer[], { whole }: ChainEvidence) {
	const verdict = reportUndecided(
		whole,
		chain.map(({ layer }) => layer.name),
	);
	return new Map(chain.map(({ layer }) => [layer, verdict]));
}
