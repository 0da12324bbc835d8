import type { CauseCode } from '../../report/causes.js';
import { CAUSES } from '../../report/causes.js';
import type { LinearOperator } from '../operators/linear.js';
import type { OperatorPair } from '../pairing/pairing.js';
import { cannotTell, type Verdict } from './judge-fold.js';

/** Verdict for a layer that acts twice: in the weights, and behind them. */
export function reportFoldedAndKept(folded: Verdict, into: LinearOperator): Verdict {
	return {
		...folded,
		status: 'mismatch',
		cause: 'folded-twice',
		causes: ['folded-twice'],
		confidence: 0.99,
		evidence: `The weights of ${into.name} already carry the layer, and the layer is still behind them: it acts twice.`,
	};
}

/** Verdict for weights that are correct together with the layer that is still behind them. */
export function reportWithKept(folded: Verdict, keptAs: string, isNeutral: boolean): Verdict {
	const lead = isNeutral
		? `${keptAs} is still there and hands on its input; the layer was folded.`
		: `The layer is still there as ${keptAs} and takes in what the weights in front of it lack.`;
	return { ...folded, status: isNeutral ? 'match' : 'kept', evidence: `${lead} ${folded.evidence}` };
}

/**
 * Verdict for weights that are correct inside, but wrong at the border, because padding adds zeros instead of the
 * layer's shift.
 */
export function reportPaddedForward(verdict: Verdict, into: LinearOperator): Verdict {
	return {
		...verdict,
		status: 'mismatch',
		cause: 'forward-fold-padding',
		causes: ['forward-fold-padding'],
		confidence: 0.99,
		evidence: `The layer was folded forward into ${into.name}, which pads its input: the weights are right inside, but at the border zeros stand where the layer's shift belongs, so outputs there are wrong for every input.`,
	};
}

/** Verdict for weights that are correct inside where other nodes write the border, which only a run shows. */
export function reportBorderElsewhere(_: Verdict, into: LinearOperator): Verdict {
	return cannotTell(
		`The layer was folded forward into ${into.name}, and its weights are right inside. ${into.name} does not pad its input, as the original did: only a run shows whether other operators write the right border.`,
		'unmatched',
	);
}

/** Verdict for weights that carry a layer from behind an activation. */
export function reportAcross(verdict: Verdict, into: LinearOperator, functions: readonly string[]): Verdict {
	return {
		...verdict,
		status: 'mismatch',
		cause: 'folded-across-activation',
		causes: ['folded-across-activation'],
		confidence: 0.99,
		evidence: `The weights of ${into.name} are what folding the layer into it gives, but ${functions.join(' and ')} stands between the two and does not commute with scale and shift.`,
	};
}

/**
 * Verdict for weights of the operator behind a layer that are its forward fold with an error of the catalogue.
 * @param causes the errors that each explain the weights; more than one where they have equal effect
 */
export function reportForwardFault(verdict: Verdict, into: LinearOperator, causes: readonly CauseCode[]): Verdict {
	const [cause = 'unknown', ...others] = causes;
	const rest = others.length > 0 ? `; ${listed(others.map((code) => CAUSES[code].title))} would give the same` : '';
	return {
		...verdict,
		status: 'mismatch',
		cause,
		causes: [cause],
		confidence: others.length > 0 ? SHARED_CONFIDENCE : 0.99,
		evidence: `The layer was folded forward into ${into.name}, and its weights and bias are what an error gives: ${CAUSES[cause].title}${rest}.`,
	};
}

/** Confidence in a cause that another cause explains as well. */
const SHARED_CONFIDENCE = 0.5;

/** The operator behind has its original weights and the layer in front is gone. */
export function reportLost(verdict: Verdict, into: LinearOperator): Verdict {
	return {
		...verdict,
		status: 'mismatch',
		cause: 'weights-not-folded',
		causes: ['weights-not-folded', 'bias-not-folded'],
		confidence: 0.95,
		evidence: `The layer is gone, and ${into.name} behind it has its original weights and bias: nothing of the layer arrived.`,
	};
}

/** Verdict for a layer of a checkpoint that no operator carries, while the operators next to it arrived. */
export function reportAbsent(): Verdict {
	return {
		...cannotTell('The layer is gone, and the operators next to it arrived without it: nothing of the layer arrived.'),
		status: 'mismatch',
		cause: 'weights-not-folded',
		causes: ['weights-not-folded', 'bias-not-folded'],
		confidence: 0.9,
	};
}

/** Verdict for a layer that is missing among the layers folded into an operator. */
export function reportLeftOut(verdict: Verdict, into: LinearOperator, arrived: readonly string[]): Verdict {
	const carried = arrived.length > 0 ? `carry ${listed(arrived)} and no more` : 'are the original ones';
	return {
		...verdict,
		status: 'mismatch',
		cause: 'weights-not-folded',
		causes: ['weights-not-folded', 'bias-not-folded'],
		confidence: 0.95,
		evidence: `The layer is gone, and the weights and bias of ${into.name} ${carried}: nothing of this layer arrived.`,
	};
}

/** A block of parallel branches that were merged into one operator, as one of its layers sees it. */
export interface MergedBlock {
	/** Number of branches. */
	readonly branches: number;
	/** Error of one of the branches; undefined if the operator is their sum. */
	readonly cause?: CauseCode;
	/** Confidence in the cause. */
	readonly confidence?: number;
	/** True if the layer has the error. */
	readonly isFaulty?: boolean;
	/** False if the weights are no sum of the branches with the right scales either. */
	readonly hasWeights?: boolean;
}

/** Verdict for a layer of parallel branches that were merged into one operator. */
export function reportMerged(
	into: string,
	{ branches, cause, confidence = 0, isFaulty, hasWeights }: MergedBlock,
): Verdict {
	const sum = `The weights and the bias of ${into} are the sum of ${branches} branches`;
	if (cause !== undefined && isFaulty) {
		const evidence =
			cause !== 'unknown'
				? `${sum}, with an error in this branch: ${CAUSES[cause].title}.`
				: hasWeights
					? `The weights of ${into} are the sum of ${branches} branches, but its bias is not: a mean, a beta or a bias of one of them is another.`
					: `The weights of ${into} are the sum of ${branches} branches with other scales than this branch has, or not in all channels.`;
		return { ...cannotTell(evidence), status: 'mismatch', cause, causes: [cause], confidence };
	}
	const rest = cause === undefined ? '.' : ', apart from an error in another branch.';
	return { ...cannotTell(`${sum}${rest}`), status: 'match', cause: null, confidence: 0.99 };
}

/** Verdict for a correct layer beside the layer that explains the whole error. */
export function acquit({ confidence }: Verdict, into: LinearOperator, guilty: string): Verdict {
	return {
		...cannotTell(`It went into ${into.name} together with ${guilty}, which alone explains all that is wrong there.`),
		status: 'match',
		cause: null,
		confidence,
	};
}

/** Verdict for layers in an operator if the wrong layer cannot be identified. */
export function reportUndecided(verdict: Verdict, names: readonly string[]): Verdict {
	return { ...verdict, evidence: `${listed(names)} went into one operator, which is wrong. ${verdict.evidence}` };
}

function listed(names: readonly string[]): string {
	return names.length > 1 ? `${names.slice(0, -1).join(', ')} and ${names.at(-1)}` : (names[0] ?? '');
}

/** The layer stayed, its surroundings did not. */
export function reportChangedWeights(verdict: Verdict): Verdict {
	return {
		...verdict,
		evidence: `The layer is still there, but not the weights in front of it. ${verdict.evidence}`,
	};
}

/** The fold took in arithmetic behind the layer as well. */
export function addOperators(verdict: Verdict, operators: readonly string[]): Verdict {
	return {
		...verdict,
		details: { ...verdict.details, together: [...operators] },
		evidence: `Together with the ${listed(operators)} behind the layer: ${verdict.evidence.charAt(0).toLowerCase()}${verdict.evidence.slice(1)}`,
	};
}

/**
 * Takes a mismatch back if the operator could as well be paired with another operator. The pairing is in doubt then,
 * and not the fold.
 */
export function addPairing(verdict: Verdict, { rivals, fit, radius }: OperatorPair): Verdict {
	const pairing = { rivals, radius, ...(fit === undefined ? {} : { fit }) };
	const details = { ...verdict.details, pairing };
	if (verdict.status !== 'mismatch' || rivals === 0 || details.similarity?.kind !== 'other-weights') {
		return { ...verdict, details };
	}
	return {
		...verdict,
		status: 'unmatched',
		cause: null,
		causes: [],
		confidence: 0,
		details,
		evidence: `Ambiguous: ${rivals + 1} operators of the deployed model have this shape at places that look the same, and the weights of none of them tell which one it is.`,
	};
}
