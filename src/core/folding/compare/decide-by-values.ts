import { type CauseCode, PLACEMENT_CAUSES } from '../../report/causes.js';
import type { LayerBehavior } from '../../report/comparison/behavior.js';
import { type Comparison, type LayerComparison, summarize } from '../../report/comparison/comparison.js';
import type { OutputComparison } from '../../report/output-comparison.js';
import { shortNumber } from '../../text/numbers.js';
import { countChannels } from '../../text/sentences.js';
import type { RegionDifference } from '../affine/region-record.js';
import type { ValueMatch } from '../values/arrival.js';
import type { LayerValues, ValueComparison } from '../values/value-comparison.js';
import { ArrivalForms } from './arrival-form.js';
import { attributeDifferences } from './attribute-differences.js';
import type { ComparedFiles } from './compare.js';
import { cannotTell } from './judge-fold.js';
import {
	describeOperators,
	hasEqualCoefficients,
	isEdited,
	reportDifferences,
	unexplained,
} from './report-differences.js';
import { withDoubtedOrder, withoutEvidence } from './undecided.js';

/**
 * Adds the values of a run to a comparison of files. Parameters explain a wrong layer, and values decide if it is
 * wrong. A layer with values that arrived is right in whatever form; a layer with values that did not arrive is not
 * right. Layers behind the first difference keep the verdict of their parameters.
 */
export function decideByValues(
	{ comparison, models }: ComparedFiles,
	outputs: OutputComparison,
	values: ValueComparison,
	differences: readonly RegionDifference[] = [],
): Comparison {
	const forms = new ArrivalForms(models, values);
	// An edited operator behind explains better why an order that it expects does not give its values.
	const mayMisplace = outputs.status === 'mismatch' && !differences.some(isEdited);
	let isMisplaced = false;
	const differing = new Set(
		differences.filter((region) => !hasEqualCoefficients(region)).flatMap(({ original }) => original),
	);
	const isDiffering = (index: number) => differing.has(models.original.layers[index].node);
	const decided = comparison.layers.map((layer, index): LayerComparison => {
		const found = values.layers[index];
		const { behavior, match, misplaced } = found;
		if (mayMisplace && misplaced === 'values' && isOutOfOrder(layer)) {
			isMisplaced = true;
			return reportMisplaced(layer, behavior);
		}
		if (mayMisplace && misplaced === 'unseen' && isOutOfOrder(layer) && layer.status === 'mismatch') {
			return reportUnseenOrder(layer, behavior);
		}
		if (isMisplaced && misplaced === 'input') {
			return { ...layer, behavior: { ...behavior, status: 'behind' } };
		}
		if (behavior.status === 'match' && match) {
			return decideArrived(
				{ ...layer, behavior },
				{ ...found, match },
				{ areOutputsWrong: outputs.status === 'mismatch', forms, index, isDiffering: isDiffering(index) },
			);
		}
		if (behavior.status === 'behind' && match && !isMisplacedFold(layer)) {
			const context = { areOutputsWrong: false, forms, index, isDiffering: isDiffering(index) };
			return decideArrived({ ...layer, behavior }, { ...found, match }, context);
		}
		const decided = behavior.status === 'mismatch' ? decideLost(layer, behavior, forms.operators(index)) : layer;
		return { ...decided, behavior };
	});
	const { layers: compared, operators } = reportDifferences(decided, models, differences);
	const layers = compared.map((layer, index) => withDoubtedOrder(withoutEvidence(layer, index, models), index, models));
	const isSame = outputs.status === 'match' && operators.length === 0 && layers.every(hasArrived);
	const firstDifference = isSame && values.firstDifference !== undefined ? null : values.firstDifference;
	return {
		...comparison,
		layers,
		summary: summarize(layers),
		...(operators.length > 0 && { operators, notes: [...comparison.notes, ...describeOperators(operators)] }),
		outputs,
		...(firstDifference !== undefined && { firstDifference }),
	};
}

/** True for a right layer with values that arrived. A difference between such layers is one of rounding. */
function hasArrived({ status, behavior }: LayerComparison): boolean {
	return (status === 'match' || status === 'kept') && behavior?.status === 'match';
}

/** True if a layer's parameters are out of order, or cannot tell. */
function isOutOfOrder({ status, cause, causes }: LayerComparison): boolean {
	return status === 'mismatch' ? cause === 'unknown' || causes.includes('channels-permuted') : status === 'unmatched';
}

const ORDER_CAUSES: readonly CauseCode[] = ['channels-permuted'];

/** Returns the verdict for values that no operator behind expects in their order. */
function reportMisplaced(layer: LayerComparison, behavior: LayerBehavior): LayerComparison {
	const found = `Its values are in ${behavior.tensor}, with the channels in another order, and every operator behind expects the original one.`;
	const isNamed = layer.status === 'mismatch' && layer.causes.includes('channels-permuted');
	return {
		...layer,
		status: 'mismatch',
		behavior: { ...behavior, status: 'mismatch' },
		evidence: layer.status === 'unmatched' ? found : `${found} ${layer.evidence}`,
		...(!isNamed && { cause: 'channels-permuted', causes: ORDER_CAUSES, confidence: MISPLACED_CONFIDENCE }),
	};
}

/** Returns the verdict for an order of channels that the wrong outputs do not confirm, and no tensor behind judges. */
function reportUnseenOrder(layer: LayerComparison, behavior: LayerBehavior): LayerComparison {
	const reason = 'The values arrived in another order, and the tensors behind are too small to show if it is expected.';
	return {
		...layer,
		behavior: { ...behavior, reason },
		confidence: Math.min(layer.confidence, UNSEEN_CONFIDENCE),
		evidence: `${layer.evidence} ${reason}`,
	};
}

/** Confidence in an order that the next operator may expect, where only the outputs are wrong. */
const UNSEEN_CONFIDENCE = 0.5;

/** Confidence in an order that only values show. */
const MISPLACED_CONFIDENCE = 0.9;

/** True for a fault in the place of a layer, which feeding it hides. */
const isMisplacedFold = ({ cause }: LayerComparison): boolean =>
	(PLACEMENT_CAUSES as readonly (CauseCode | null)[]).includes(cause);

/** Confidence in a verdict that values alone give: other input might show a difference. */
const CONFIDENCE = 0.99;

interface ArrivedValues extends LayerValues {
	readonly match: ValueMatch;
}

/** Causes that spoil other nodes' values, and not the layer's. */
const ELSEWHERE: ReadonlySet<CauseCode> = new Set(['several-consumers', 'shared-weight']);

interface ArrivalContext {
	readonly areOutputsWrong: boolean;
	readonly forms: ArrivalForms;
	/** Of the layer. */
	readonly index: number;
	/** True if coefficients around the layer differ. */
	readonly isDiffering: boolean;
}

/** Maximum number of operators in a row whose values may differ without an error in the first: two layers share a scale. */
const MAX_IN_ROW = 3;

/** The same where noise blurs the values. Only coefficients show what two operators share. */
const MAX_NOISY_IN_ROW = 1;

/** Returns why values that agree again far behind a layer do not refute its error: activations may have cut it off. */
function farArrival(inRow: number): string | undefined {
	return inRow > MAX_IN_ROW
		? `This input does not show the error: the models differ behind the layer and agree again behind ${inRow} operators.`
		: undefined;
}

function decideArrived(
	layer: LayerComparison,
	values: ArrivedValues,
	{ areOutputsWrong, forms, index, isDiffering }: ArrivalContext,
): LayerComparison {
	const { status } = layer;
	if (status === 'match' || status === 'kept' || isUnidentifiable(layer)) {
		return layer;
	}
	const isNoisy = values.match.noise !== undefined;
	if (status === 'mismatch') {
		const isElsewhere = areOutputsWrong && layer.cause !== null && ELSEWHERE.has(layer.cause);
		const hidden = isElsewhere
			? "The layer's own values arrived; those of other readers did not."
			: isNoisy && (isDiffering || forms.operatorsInRow(index) > MAX_NOISY_IN_ROW)
				? HIDDEN_BY_NOISE
				: (hiddenError(layer, values) ?? farArrival(forms.operatorsInRow(index)));
		if (hidden !== undefined) {
			return { ...layer, behavior: { ...values.behavior, reason: hidden } };
		}
	}
	const { text, into, isKept } = forms.of(index, layer);
	const { difference, bound, deployed } = values.match;
	const fed = values.behavior.status === 'behind' && values.behavior.reason ? ` ${values.behavior.reason}` : '';
	const evidence = `The layer arrived, ${text}: the values behind it are those of ${deployed}.${fed} Largest difference ${shortNumber(difference.maxAbs)}; rounding explains ${shortNumber(bound)}.`;
	const verdict = cannotTell(evidence);
	return {
		...layer,
		...verdict,
		status: isKept ? 'kept' : 'match',
		cause: null,
		confidence: CONFIDENCE,
		into: into ?? layer.into,
		details: {},
		behavior: values.behavior,
	};
}

/** True if gamma or weights are 0, so that values cannot reveal the fold. */
function isUnidentifiable({ status, maxAbs }: LayerComparison): boolean {
	return status === 'not-identifiable' && maxAbs !== null;
}

const HIDDEN_BY_NOISE = 'This input does not show the error: rounding the weights may move the values as far.';

/** Smallest claimed error of a channel, as a multiple of the bound, that equal values refute. */
const REFUTED = 20;

/**
 * Returns the reason why a run may hide the error that the parameters show. Undefined if the error would move the
 * values far beyond rounding, so that equal values refute it.
 */
function hiddenError(layer: LayerComparison, { match, silent = [] }: ArrivedValues): string | undefined {
	const { similarity, unexplained = [] } = layer.details;
	const errors = claimedErrors(layer, match.size);
	if (errors.length === 0 || !isShownByChannels(layer)) {
		return undefined;
	}
	const wrong = Array.from(errors.keys()).filter((channel) => errors[channel] * match.size > match.bound);
	const isEdited = similarity?.kind === 'edited' && 2 * unexplained.length <= errors.length;
	if (match.original !== match.deployed && wrong.length > 0 && wrong.every((channel) => silent.includes(channel))) {
		return `This input does not show the error: ${countChannels(wrong, errors.length)} of ${match.original} ${wrong.length === 1 ? 'is' : 'are'} constant on it.`;
	}
	if (isEdited || !isRefuted(errors, match)) {
		return 'This input does not show the error: it moves the values by less than rounding may.';
	}
	return undefined;
}

/** Claimed error of a quantized layer, as a multiple of the difference of the values, that the values refute. */
const MIN_CONTRADICTION = 4;

/** True if the claimed error of each channel would move the values further than they differ. */
function isRefuted(errors: Float64Array, { size, bound, noise, difference }: ValueMatch): boolean {
	if (noise !== undefined) {
		const energy = errors.reduce((sum, error) => sum + error * error, 0);
		const claimed = Math.sqrt(energy / errors.length) * size;
		return claimed > noise && claimed > MIN_CONTRADICTION * difference.rms;
	}
	return errors.reduce((a, b) => Math.max(a, b), 0) * size >= REFUTED * bound;
}

/** True if weights or biases are wrong. In a fold into the wrong place both are right. */
function isShownByChannels({ perChannel }: LayerComparison): boolean {
	return perChannel.boundRatio?.some((ratio) => !(ratio <= 1)) ?? true;
}

/**
 * Returns the claimed error of each channel's output, relative to the output's size. Weights or a bias within their bound
 * claim none, although rounding may have moved them far.
 */
function claimedErrors({ perChannel }: LayerComparison, size: number): Float64Array {
	const { weightRatio, weightResidual, biasError, biasBound, expectedRatio, weightBoundRatio } = perChannel;
	return weightRatio.map((ratio, channel) => {
		const expected = expectedRatio?.[channel] ?? ratio;
		const scale = expected === 0 ? (ratio === 0 ? 0 : 1) : Math.abs(ratio / expected - 1);
		const isWeightRight = (weightBoundRatio?.[channel] ?? Number.POSITIVE_INFINITY) <= 1;
		const ofWeights = isWeightRight ? 0 : scale + weightResidual[channel];
		const moved = Math.abs(biasError[channel]);
		const ofBias = moved <= (biasBound?.[channel] ?? 0) ? 0 : moved / size;
		const error = ofWeights + ofBias;
		return Number.isNaN(error) ? Number.POSITIVE_INFINITY : error;
	});
}

/** Turns a verdict that the values contradict into a mismatch. */
function decideLost(
	layer: LayerComparison,
	{ snrDb, maxAbs, bound }: LayerBehavior,
	operators: ReturnType<ArrivalForms['operators']>,
): LayerComparison {
	const { status } = layer;
	if (status === 'mismatch' || isUnidentifiable(layer)) {
		return layer;
	}
	const numbers =
		maxAbs === null || bound === null || snrDb === null
			? 'no tensor of the deployed model has similar values'
			: `the most similar values differ by up to ${shortNumber(maxAbs)} (${shortNumber(snrDb)} dB); rounding explains ${shortNumber(bound)}`;
	const changed = operators ? attributeDifferences(operators.original, operators.deployed) : [];
	const why =
		changed.length > 0
			? ` ${operators?.deployed.name || operators?.deployed.opType} has ${changed.join(' and ')}.`
			: status === 'unmatched'
				? ` ${layer.evidence}`
				: '';
	const parameters =
		status === 'match' || status === 'kept'
			? 'The parameters arrived, but not the values'
			: 'The values did not arrive';
	const evidence = `${parameters}: both models compute the same in front of the layer, and behind it ${numbers}.${why}`;
	return unexplained(layer, evidence);
}
