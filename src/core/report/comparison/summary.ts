import { formatPercent, shortNumber } from '../../text/numbers.js';
import { capitalize, count } from '../../text/sentences.js';
import { CAUSES, type CauseCode } from '../causes.js';
import type { OutputComparison } from '../output-comparison.js';
import type { Comparison, ComparisonStatus, LayerComparison } from './comparison.js';

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
	const clauses = [
		...verdict(comparison),
		...precisionClause(layers),
		...restClauses(summary),
		...operatorClause(comparison.operators?.length ?? 0),
		...outputClause(comparison.outputs),
	];
	// The first clause names the noun that the numbers count.
	const [first = '', ...others] = clauses;
	const counted = first.replace(/^\d+(?= (is|are|has|have|cannot)\b)/, (number) => `${number} ${layersWord(number)}`);
	return `${capitalize([counted, ...others].join('; '))}.`;
}

/** Clauses about folded and kept layers, right and wrong. */
function verdict({ layers, summary }: Comparison): string[] {
	const checked = summary.match + summary.mismatch;
	const wrong = layers.filter(({ status }) => status === 'mismatch');
	if (checked === 0) {
		return [];
	}
	if (wrong.length === 0) {
		return [checked === 1 ? 'the folded layer is right' : `all ${checked} folded layers are right`];
	}
	const right = `${summary.match} of ${checked} folded ${checked === 1 ? 'layer is' : 'layers are'} right`;
	const [only] = wrong;
	return [
		wrong.length === 1 && only
			? `${right}, ${nameInSentence(only.name)} is not (${causeTitle(only)})`
			: `${right}, ${wrong.length} are not${commonCauses(wrong).length > 0 ? `, all for one cause: ${commonCause(wrong)}` : `: ${causes(wrong)}`}`,
	];
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

/** Returns clauses for layers that are neither right nor wrong. */
function restClauses(summary: Comparison['summary']): string[] {
	const { kept, unmatched } = summary;
	return [
		...(kept === 1 ? ['1 is kept as it was'] : kept > 1 ? [`${kept} are kept as they were`] : []),
		...(unmatched > 0 ? [`${unmatched} ${unmatched === 1 ? 'has' : 'have'} no counterpart`] : []),
		...(summary['not-identifiable'] > 0 ? [`${summary['not-identifiable']} cannot be told`] : []),
	];
}

/** Returns a clause for operators in parts without a layer. */
function operatorClause(wrong: number): string[] {
	return wrong > 0 ? [`other weights in ${count(wrong, 'operator')} without a layer`] : [];
}

const layersWord = (count: string): string => (count === '1' ? 'layer' : 'layers');

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
export function causeTitle({ cause, details }: LayerComparison): string {
	if (cause === null) {
		return '';
	}
	return cause === 'unknown' && details.similarity?.kind === 'other-weights' ? 'other weights' : CAUSES[cause].title;
}

/** Returns the advice for a cause of a layer. */
export function causeAdvice(code: CauseCode, { details }: LayerComparison): string {
	return code === 'unknown' && details.similarity?.kind === 'other-weights'
		? OTHER_WEIGHTS_ADVICE
		: CAUSES[code].advice;
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

function outputClause(outputs: OutputComparison | undefined): string[] {
	switch (outputs?.status) {
		case 'match':
			return ['the outputs of both models agree'];
		case 'mismatch':
			return ['the outputs of the models differ'];
		default:
			return [];
	}
}

/** Returns the result of the run in a sentence: the numbers, the bound, and the layer at which the models part. */
export function outputSentence(outputs: OutputComparison): string {
	const { status, reason, maxAbs, maxRel, bound, firstLayer, roundedMaxRel } = outputs;
	const difference = `by at most ${short(maxAbs)} (${shareOf(maxRel)} the largest value)`;
	if (status === 'skipped') {
		return `Outputs not judged: ${maxAbs === undefined ? '' : `they differ ${difference}. `}${reason}`;
	}
	if (maxAbs === undefined) {
		return `The outputs differ. ${reason ?? ''}`.trim();
	}
	const isRounded = roundedMaxRel !== undefined;
	const numbers = `${difference}; rounding ${isRounded ? 'the weights ' : ''}explains ${short(bound)}`;
	const where = firstLayer === undefined ? '' : ` The first difference is at ${nameInSentence(firstLayer)}.`;
	const rounded = isRounded ? ` Rounded activations make it ${shareOf(roundedMaxRel)} the largest value.` : '';
	const verdict = VERDICTS[status][isRounded ? 'rounded' : 'plain'];
	return `${verdict} ${numbers}.${rounded}${where}${reason === undefined ? '' : ` ${reason}`}`;
}

/** Beginnings of the sentence on outputs; `rounded` for a deployed model that rounds activations. */
const VERDICTS = {
	match: {
		plain: 'Both models give the same outputs: they differ',
		rounded: 'Both models give the same outputs, apart from the rounding of activations: they differ',
	},
	mismatch: {
		plain: 'The outputs differ',
		rounded: 'The outputs differ, even without the rounding of activations,',
	},
} as const;

/** Returns a name for a sentence: a module of a checkpoint may be called "4", which reads like a number of layers. */
function nameInSentence(name: string): string {
	return /\p{L}/u.test(name) ? name : `layer "${name}"`;
}

/** Returns "16 % of", or a power of ten for a share whose percentage would have one. */
function shareOf(value: number | undefined): string {
	return value !== undefined && value >= MIN_PERCENTAGE ? `${formatPercent(value)} of` : `${short(value)} of`;
}

function short(value: number | undefined): string {
	return value === undefined || Number.isNaN(value) ? 'an unknown amount' : shortNumber(value);
}
