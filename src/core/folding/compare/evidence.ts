import { ratioOf, shortNumber } from '../../text/numbers.js';
import { capitalize, count, listChannels } from '../../text/sentences.js';
import type { Diagnosis } from '../diagnosis/diagnose.js';
import type { Explanation } from '../diagnosis/explanation.js';
import type { FoldCase } from '../diagnosis/observed/fold-case.js';
import { RowState } from '../diagnosis/observed/ratios.js';
import { type BiasContext, type ClauseContext, clause } from './clauses.js';

/** Largest error as a share of the allowed error. */
export interface Measured {
	readonly maxAbs: number;
	readonly maxRel: number;
	readonly bound: number;
	/** Largest error divided by its own element's bound. */
	readonly boundRatio: number;
}

const ROUNDINGS = {
	'rounding-fp16': 'rounded to float16',
	'rounding-bf16': 'rounded to bfloat16',
	'quantized-int8': 'quantized',
} as const;

/** Returns a sentence for a correct fold. */
export function matchEvidence(
	channels: number,
	unidentified: number,
	measured: Measured,
	cause: keyof typeof ROUNDINGS | null,
): string {
	const how = cause ? `, ${ROUNDINGS[cause]}` : '';
	// On a grid the error is nearly half a step in every layer, so its size shows nothing.
	const error =
		cause === 'quantized-int8'
			? 'each weight and bias is within half a step of its right value'
			: `the largest error is ${ratioOf(measured.boundRatio)} what rounding allows`;
	const rest =
		unidentified > 0 ? `; ${count(unidentified, 'channel')} with gamma 0 or zero weights cannot be told` : '';
	return `The fold of all ${count(channels, 'channel')} arrived${how}: ${error}${rest}.`;
}

/** Returns a sentence with the numbers for a wrong fold, or for a fold that is correct only after rounding. */
export function mismatchEvidence(
	fold: FoldCase,
	diagnosis: Diagnosis,
	context: ClauseContext,
	measured: Measured,
): string {
	if (diagnosis.statistics) {
		const { rows, logVarianceSpread, meanShift } = diagnosis.statistics;
		return (
			`The weights are multiples of the original ones but fit no formula of this layer's statistics; other statistics would explain ${count(rows, 'channel')}: ` +
			`variances scattered by a factor of ${shortNumber(Math.exp(logVarianceSpread))}, means by ${shortNumber(meanShift)} standard deviations. Confirm with data.`
		);
	}
	if (diagnosis.similarity) {
		return unknownEvidence(fold, diagnosis, measured);
	}
	const whole = { ...context, ...biasContext(fold, diagnosis.explanation) };
	const clauses = diagnosis.deviations.map((deviation) => clause(deviation, whole));
	const rounding = diagnosis.explanation.precision.cause;
	if (rounding) {
		clauses.push(`the values are ${ROUNDINGS[rounding]}`);
	}
	const rows = diagnosis.explanation.explained.length;
	const explained = rows - diagnosis.unexplained.length;
	const agreement = shortNumber(agreementOf(diagnosis.explanation));
	const rest = diagnosis.unexplained.length > 0 ? `, ${listChannels(diagnosis.unexplained)} do not` : '';
	return `${capitalize(clauses.join('; '))}; ${explained} of ${count(rows, 'channel')} fit this to ${agreement}${rest}.${orFactor(diagnosis)}`;
}

function orFactor({ rivalFactor }: Diagnosis): string {
	return rivalFactor === undefined
		? ''
		: ` The right weights multiplied by ${shortNumber(rivalFactor)} would be the same: a scaling that went into them, and no mistake of folding.`;
}

function biasContext({ parameters }: FoldCase, { biasDeviations, biasFollows }: Explanation): BiasContext {
	const isMeanFelt =
		parameters.mean.some((value) => value !== 0) && !biasDeviations.some(({ code }) => code === 'mean-dropped');
	return {
		isMeanScaled: isMeanFelt && biasFollows !== undefined && biasFollows.meanFactor !== 1,
		isBiasRight: biasDeviations.length === 0 && biasFollows?.isRightScale === true && biasFollows.meanFactor === 1,
	};
}

function unknownEvidence(
	fold: FoldCase,
	{ similarity, explanation, unexplained }: Diagnosis,
	measured: Measured,
): string {
	const rows = explanation.explained.length;
	const error = `the largest error is ${shortNumber(measured.maxAbs)}, ${shortNumber(measured.boundRatio)} times what rounding allows`;
	const cosine = cosineWords(similarity?.cosine);
	switch (similarity?.kind) {
		case 'other-weights':
			return `Other weights: the rows have nothing in common with the original ones${cosine}, nor with these flipped, transposed or with their input channels in another order. That is most likely another network or another training run.`;
		case 'rearranged':
			return `The rows are the original ones with ${similarity.order}; ${error}.`;
		case 'altered':
			return `The weights were altered: ${similarity.distorted.length} of ${rows} rows are no multiple of the original ones${cosine}, as after more training, pruning or noise; ${error}.`;
		case 'zero-weights':
			return `The deployed weights of all ${count(rows, 'channel')} are zero, and only the bias is left: ${error}.`;
		case 'edited': {
			const what =
				similarity.distorted.length > 0
					? describeDistorted(similarity.distorted)
					: describeUnexplained(explanation, unexplained);
			return `${rows - unexplained.length} of ${count(rows, 'channel')} ${fold.withoutLayer === true ? 'are as they were' : 'carry the right fold'}; ${what}; ${error}.`;
		}
		default:
			return `No formula, order, axis or rounding of the catalog explains ${unexplained.length} of ${count(fold.parameters.gamma.length, 'channel')}; ${error}.`;
	}
}

/** Returns no words for rows of zeros, which have no direction. */
function cosineWords(cosine: number | undefined): string {
	return cosine === undefined || Number.isNaN(cosine) ? '' : ` (median |cosine| ${shortNumber(cosine)})`;
}

function describeDistorted(distorted: readonly number[]): string {
	return `the weights of ${listChannels(distorted)} are no multiple of the original ones`;
}

/** Weights in order, bias not, or the other way round. */
function describeUnexplained({ ratios, scale }: Explanation, unexplained: readonly number[]): string {
	const weightsWrong = unexplained.filter((row) => !(ratios.low[row] <= scale[row] && scale[row] <= ratios.high[row]));
	return weightsWrong.length > 0
		? `the weights of ${listChannels(weightsWrong)} have a factor that no formula of the catalog gives`
		: `the bias of ${listChannels(unexplained)} differs, the weights do not`;
}

/** Returns the largest relative distance between measured and predicted ratios. */
function agreementOf({ ratios, scale, explained }: Explanation): number {
	let worst = 0;
	for (let row = 0; row < scale.length; row++) {
		if (explained[row] === 1 && ratios.state[row] === RowState.multiple && scale[row] !== 0) {
			const middle = (ratios.low[row] + ratios.high[row]) / 2;
			worst = Math.max(worst, Math.abs(middle / scale[row] - 1));
		}
	}
	return worst;
}
