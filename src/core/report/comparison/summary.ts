import { nameInSentence } from '../../text/names.js';
import { formatPercent, formatRatio, ratioOf, shortNumber } from '../../text/numbers.js';
import { allOf, capitalize, count } from '../../text/sentences.js';
import { CAUSES, type CauseCode, ROUNDING_CAUSES } from '../causes.js';
import type { OutputComparison } from '../output-comparison.js';
import type { Comparison, ComparisonStatus, DifferingOperator, LayerComparison } from './comparison.js';
import { decibels, noiseShare, outputNoise } from './signal.js';

const ROUNDING: ReadonlySet<CauseCode> = new Set(ROUNDING_CAUSES);
/** Maximum number of causes named in the answer. More causes are only counted. */
const MAX_CAUSES = 3;
/** Smallest share that is written in percent. */
const MIN_PERCENTAGE = 1e-4;

/**
 * Returns the answer at the top of every surface that shows no layer: the headline, then the evidence of a single wrong
 * layer, or the advice on the cause that several have in common.
 */
export function comparisonAnswer(comparison: Comparison): string {
	const headline = comparisonHeadline(comparison);
	const wrong = comparison.layers.filter(({ status }) => status === 'mismatch');
	if (wrong.length === 1 && wrong[0]) {
		return `${headline} ${wrong[0].evidence}`;
	}
	const common = commonCauses(wrong);
	return common.length > 0 && wrong[0] ? `${headline} ${causeAdvice(common[0], wrong[0])}` : headline;
}

/**
 * Returns the answer in one sentence: number of layers that arrived, wrong layers with their causes, remaining layers,
 * and agreement of the outputs.
 */
export function comparisonHeadline(comparison: Comparison): string {
	const { layers, summary, notes } = comparison;
	if (layers.length === 0) {
		return notes[0] ?? 'The original has no BatchNormalization: there is nothing to compare.';
	}
	const [first = '', ...others] = [
		...verdict(comparison),
		...keptClause(summary, layers.length),
		...precisionClause(layers),
		...operatorClause(hasOtherWeights(comparison) ? [] : (comparison.operators ?? [])),
		...outputClause(comparison),
	];
	const noise = outputNoise(comparison);
	const but = noise?.isLoud ? `, but quantization distorts the outputs: ${noiseShare(noise)}` : '';
	return `${capitalize([`${first}${but}`, ...others].join('; '))}.`;
}

/** Clauses about layers that were judged, right and wrong, and about the others. */
function verdict(comparison: Comparison): string[] {
	const { layers, summary } = comparison;
	const folded = summary.match + summary.mismatch;
	const wrong = layers.filter(({ status }) => status === 'mismatch');
	const unjudged = unjudgedClause(summary, layers.length);
	if (wrong.length === 0 && unjudged.length > 0) {
		const right = summary.match + summary.kept;
		return right === 0 ? unjudged : [`${right} of ${count(layers.length, 'layer')} match`, ...unjudged];
	}
	if (folded === 0) {
		return [];
	}
	if (wrong.length === 0) {
		return [folded === 1 ? 'the folded layer is right' : `${allOf(folded)} folded layers are right`];
	}
	const right = `${summary.match} of ${folded} folded ${folded === 1 ? 'layer is' : 'layers are'} right`;
	if (hasOtherWeights(comparison)) {
		return [`the deployed model has the weights of another network or training run: ${right}`, ...unjudged];
	}
	const [only] = wrong;
	return [
		wrong.length === 1 && only
			? `${right}, ${nameInSentence(only.name)} is not (${causeTitle(only)})`
			: `${right}, ${wrong.length} are not${commonCauses(wrong).length > 0 ? `, all for one cause: ${commonCause(wrong)}` : `: ${causes(wrong)}`}`,
		...unjudged,
	];
}

/** True if every wrong layer, and at least half of the folded layers, has weights that are not the original's. */
export function hasOtherWeights({ layers, summary }: Comparison): boolean {
	const wrong = layers.filter(({ status }) => status === 'mismatch');
	return wrong.length > 0 && wrong.length >= summary.match && wrong.every(isOtherWeights);
}

/** True if the weights of a wrong layer have nothing in common with the original's. */
export function isOtherWeights({ cause, details }: Pick<LayerComparison, 'cause' | 'details'>): boolean {
	return cause === 'unknown' && details.similarity?.kind === 'other-weights';
}

/** Returns a clause on layers without a verdict, with the reason. */
function unjudgedClause(summary: Comparison['summary'], layers: number): string[] {
	const { unmatched, 'not-identifiable': hidden } = summary;
	const total = unmatched + hidden;
	if (total === 0) {
		return [];
	}
	const reasons = [
		{ number: unmatched, one: 'has no sure counterpart', all: 'have no sure counterpart' },
		{ number: hidden, one: 'shows no scale to compare', all: 'show no scale to compare' },
	].filter(({ number }) => number > 0);
	const subject =
		total < layers ? String(total) : total === 1 ? 'the only layer' : `none of the ${count(total, 'layer')}`;
	const [only] = reasons;
	const reason =
		reasons.length === 1 && only
			? ` because ${total === 1 ? `it ${only.one}` : `they ${only.all}`}`
			: `: ${reasons.map(({ number, one, all }) => `${number} ${number === 1 ? one : all}`).join(', ')}`;
	return [`${subject} could${total === layers && total > 1 ? '' : ' not'} be judged${reason}`];
}

/** Returns the causes that several wrong layers have in common, the largest first; empty if they differ. */
function commonCauses(wrong: readonly LayerComparison[]): readonly CauseCode[] {
	const [first, ...others] = wrong;
	const causesOf = ({ cause, causes: all }: LayerComparison) => (all.length > 0 ? all : cause === null ? [] : [cause]);
	const codes = first ? causesOf(first) : [];
	const isCommon = others.length > 0 && others.every((layer) => causesOf(layer).join() === codes.join());
	return isCommon && !codes.includes('unknown') ? codes : [];
}

/** "different epsilon (epsilon 0.001)": the causes of all wrong layers, with the numbers that are the same in each. */
function commonCause(wrong: readonly LayerComparison[]): string {
	const words = commonCauses(wrong).map((code) => {
		const [first, ...others] = wrong.map(({ details }) => details[code] ?? {});
		const same = Object.entries(first ?? {}).flatMap(([name, value]) =>
			typeof value === 'number' && others.every((values) => values[name] === value)
				? [`${name} ${shortNumber(value)}`]
				: [],
		);
		return same.length > 0 ? `${CAUSES[code].title} (${same.join(', ')})` : CAUSES[code].title;
	});
	return words.join(' and ');
}

/** Returns a clause on channels to which quantization left few levels. */
function precisionClause(layers: readonly LayerComparison[]): string[] {
	const channels = layers.flatMap(({ findings = [] }) => findings.map(({ channels }) => channels.length));
	const total = channels.reduce((sum, length) => sum + length, 0);
	return total > 0
		? [`quantization leaves ${count(total, 'channel')} of ${count(channels.length, 'layer')} fewer than 4 bits`]
		: [];
}

/** Returns a clause for layers that are still layers. */
function keptClause({ kept, match, mismatch }: Comparison['summary'], layers: number): string[] {
	if (kept === 0) {
		return [];
	}
	const subject = match + mismatch === 0 && kept === layers ? count(kept, 'layer') : String(kept);
	return [`${subject} ${kept === 1 ? 'is kept as it was' : 'are kept as they were'}`];
}

/** Returns clauses for operators in parts without a layer. */
function operatorClause(operators: readonly DifferingOperator[]): string[] {
	const added = operators.filter(({ isAdded }) => isAdded).length;
	const wrong = operators.length - added;
	return [
		...(wrong > 0 ? [`other weights in ${count(wrong, 'operator')} without a layer`] : []),
		...(added > 0 ? [`${count(added, 'operator')} that the original does not have`] : []),
	];
}

/** Statuses in words, for tables. */
export const STATUS_WORDS = {
	match: 'match',
	mismatch: 'mismatch',
	kept: 'kept',
	unmatched: 'unmatched',
	'not-identifiable': 'not judged',
} as const satisfies Readonly<Record<ComparisonStatus, string>>;

/** Order of the statuses in lists, the most urgent first. */
const STATUS_ORDER = {
	mismatch: 0,
	unmatched: 1,
	'not-identifiable': 2,
	kept: 3,
	match: 4,
} as const satisfies Readonly<Record<ComparisonStatus, number>>;

/** Returns the place of a layer in a list that begins with the worst. A finding comes before layers of its status. */
export function layerRank({ status, findings = [] }: LayerComparison): number {
	return STATUS_ORDER[status] - (findings.length > 0 ? 0.5 : 0);
}

/** Returns the layers with their index: the wrong layers first, and layers with the same status in graph order. */
export function worstFirst(
	layers: readonly LayerComparison[],
): readonly { readonly layer: LayerComparison; readonly index: number }[] {
	return layers.map((layer, index) => ({ layer, index })).sort((a, b) => layerRank(a.layer) - layerRank(b.layer));
}

/** Returns a layer's cause in a few words. */
export function causeTitle(layer: LayerComparison): string {
	if (layer.cause === null) {
		return '';
	}
	return isOtherWeights(layer) ? 'other weights' : CAUSES[layer.cause].title;
}

/** Returns the causes to name and to give advice on. The rounding of a wrong fold is no mistake. */
export function namedCauses({ status, cause, causes }: LayerComparison): readonly CauseCode[] {
	const all = causes.length > 0 ? causes : cause === null ? [] : [cause];
	const mistakes = status === 'mismatch' ? all.filter((code) => !ROUNDING.has(code)) : [];
	return mistakes.length > 0 ? mistakes : all;
}

/** Returns the titles of all named causes, the largest first: "gamma dropped, mean dropped". */
export function causeTitles(layer: LayerComparison): string {
	const [first, ...others] = namedCauses(layer);
	return first === undefined ? '' : [causeTitle(layer), ...others.map((code) => CAUSES[code].title)].join(', ');
}

/** True for a wrong layer with a cause. Right layers have no explanation to be confident in. */
export function hasConfidence({ status, cause }: LayerComparison): boolean {
	return status === 'mismatch' && cause !== null && cause !== 'unknown';
}

/** True for a right layer on a grid, where rounding uses all of the half step that is allowed. */
export function isOnGrid({ status, causes }: LayerComparison): boolean {
	return (status === 'match' || status === 'kept') && causes.includes('quantized-int8');
}

/** Sentence below a table with errors of quantized layers. */
export const GRID_NOTE = 'Quantized layers: the bound is half a step of the grid, so errors just below it are normal.';

/** Returns the advice for a cause of a layer. */
export function causeAdvice(code: CauseCode, { details }: LayerComparison): string {
	return isOtherWeights({ cause: code, details }) ? OTHER_WEIGHTS_ADVICE : CAUSES[code].advice;
}

const OTHER_WEIGHTS_ADVICE =
	'Compare the deployed model with the checkpoint that it was made from, or fold this original again and deploy that.';

/** True for a layer that is not simply right: without a match, or with a finding. */
export function isToExplain({ status, findings = [] }: LayerComparison): boolean {
	return (status !== 'match' && status !== 'kept') || findings.length > 0;
}

/** "different epsilon (10), beta dropped (2)", the most frequent first. */
function causes(wrong: readonly LayerComparison[]): string {
	const counts = new Map<string, number>();
	for (const layer of wrong) {
		const title = causeTitle(layer) || CAUSES['unknown' satisfies CauseCode].title;
		counts.set(title, (counts.get(title) ?? 0) + 1);
	}
	const sorted = [...counts].sort(([, a], [, b]) => b - a);
	const named = sorted.slice(0, MAX_CAUSES).map(([title, count]) => `${title} (${count})`);
	const more = sorted.length - named.length;
	return more > 0 ? `${named.join(', ')} and ${more} more` : named.join(', ');
}

/** Returns a clause on the outputs; none for outputs that quantization distorts, which the verdict names. */
function outputClause(comparison: Comparison): string[] {
	const { outputs } = comparison;
	const noise = outputNoise(comparison);
	if (noise) {
		return noise.isLoud ? [] : [`quantization moves the outputs by ${ratioOf(noise.share)} their size`];
	}
	switch (outputs?.status) {
		case 'match':
			return ['the outputs of both models agree'];
		case 'mismatch':
			return ['the outputs of the models differ'];
		default:
			return [];
	}
}

/** Returns the result of the run in a sentence: the difference, the verdict, and the layer at which the models part. */
export function outputSentence(outputs: OutputComparison): string {
	const { status, reason, maxAbs, maxRel, firstLayer, snrDb, unroundedSnrDb } = outputs;
	const largest = `${shareOf(maxRel)} the largest value`;
	const size = snrDb !== undefined && Number.isFinite(snrDb) ? sizeOf(snrDb) : undefined;
	if (status === 'skipped') {
		return maxAbs === undefined
			? `Outputs not judged: ${reason}`
			: `The outputs differ by ${size ?? `up to ${largest}`}, which is no evidence for or against the folds. ${reason}`;
	}
	if (maxAbs === undefined) {
		return `The outputs differ. ${reason ?? ''}`.trim();
	}
	const isRounded = unroundedSnrDb !== undefined;
	const explained = explainedShare(outputs, isRounded ? 'rounding the weights' : 'rounding');
	const sentence =
		status === 'mismatch'
			? `The outputs differ${isRounded ? ', even without the rounding of activations,' : ''} by up to ${largest}${explained}.`
			: isRounded && size !== undefined
				? `The outputs differ by ${size}; without the rounding of activations by ${noisePercent(unroundedSnrDb)}, which rounding the weights explains.`
				: `The outputs agree within rounding: the largest difference is ${largest}${explained}.`;
	const where = firstLayer === undefined ? '' : ` The first difference is at ${nameInSentence(firstLayer)}.`;
	return `${sentence}${where}${reason === undefined ? '' : ` ${reason}`}`;
}

/** Returns "11 %", or "1.7 times": the root mean square of a difference relative to that of the values. */
function noisePercent(snrDb: number): string {
	return formatRatio(10 ** (-snrDb / 20));
}

/** Returns "11 % of their size (19 dB)". */
function sizeOf(snrDb: number): string {
	return `${ratioOf(10 ** (-snrDb / 20))} their size (signal-to-noise ratio ${decibels(snrDb)})`;
}

/** Returns ", 28 % of what rounding explains"; '' if the ratio is unknown. */
function explainedShare({ boundRatio }: OutputComparison, source: string): string {
	return boundRatio !== undefined && Number.isFinite(boundRatio)
		? `, ${ratioOf(boundRatio)} what ${source} explains`
		: '';
}

/** Returns "16 % of", or a power of ten for a share whose percentage would have one. */
function shareOf(value: number | undefined): string {
	return value !== undefined && value >= MIN_PERCENTAGE ? `${formatPercent(value)} of` : `${short(value)} of`;
}

function short(value: number | undefined): string {
	return value === undefined || Number.isNaN(value) ? 'an unknown amount' : shortNumber(value);
}
