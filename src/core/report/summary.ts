import { allOf, capitalize } from '../text/sentences.js';
import { findingFacts } from './finding-facts.js';
import { findingWords, isHarmless } from './findings.js';
import { formatWords, isCheckpoint } from './formats.js';
import type { Severity } from './severity.js';
import type { LayerReport, Normalization, Report } from './types.js';

/** Maximum number of layers named in the answer. More layers are only counted. */
const MAX_NAMED = 3;
/** Maximum number of kinds of finding spelled out. The table has the rest. */
const MAX_FINDINGS = 5;

/**
 * Returns the answer in sentences: the headline, then a sentence per kind of warning or error, the gravest first. True
 * at every stage of an inspection.
 */
export function answer(report: Report): string {
	const facts = gravestFacts(report);
	const more = facts.length - MAX_FINDINGS;
	return [
		headline(report),
		...facts.slice(0, MAX_FINDINGS).map(({ text }) => `${capitalize(text)}.`),
		...(more > 0 ? [`${more} more ${more === 1 ? 'kind' : 'kinds'} of finding.`] : []),
	].join(' ');
}

/** Warnings and errors; notes stand in the table only. */
function gravestFacts({ layers }: Report) {
	return findingFacts(layers).filter(({ severity, text }) => severity !== 'info' && text !== '');
}

/**
 * Returns the conclusion in a sentence or two: if the runtime computes the layers correctly, and how grave the findings of
 * the layers are.
 */
export function headline(report: Report): string {
	const { layers, model } = report;
	if (layers.length === 0 && isCheckpoint(model)) {
		return `No BatchNorm layer in this ${formatWords(model)}: no module has a running mean and variance.`;
	}
	if (layers.length === 0) {
		return 'No BatchNorm layer in this model: it never had one, or all were folded into other operators.';
	}
	const { text, isGood } = verdict(report);
	// The runtime's name keeps its spelling.
	const begin = text.startsWith(runtimeName(report)) && report.run.runtime !== '' ? text : capitalize(text);
	const marked = layers.filter(({ findings }) => findings.some(({ severity }) => severity !== 'info'));
	if (marked.length === 0 || !isGood) {
		return `${begin}.`;
	}
	const isCorrect = report.layers.some(({ recompute }) => recompute.status === 'match');
	const misfit = statesMisfit(report) && findingFacts(layers).find(({ code }) => code === 'statistics-drift');
	if (misfit) {
		return `${begin}, but ${misfit.text}.`;
	}
	const join = isCorrect ? 'but' : 'and';
	return `${begin}, ${join} ${gravity(report)}.`;
}

/**
 * Returns the clause on the errors, or without errors on the warnings: the only kind with its effect, or the number of
 * layers and the gravest kind.
 */
function gravity(report: Report): string {
	const { layers } = report;
	const has = (severity: Severity) =>
		layers.filter(({ findings }) => findings.some((one) => one.severity === severity));
	const worst = has('error').length > 0 ? 'error' : 'warning';
	const facts = gravestFacts(report).filter(({ severity }) => severity === worst);
	const grave = facts.filter((fact) => !isHarmless(fact));
	const counted = grave.length > 0 ? grave : facts;
	const marked = counted.length > 0 ? new Set(counted.flatMap((fact) => fact.layers)).size : has(worst).length;
	const noun = counted.length > 0 && grave.length === 0 ? 'findings' : `${worst}s`;
	const have = `${them(marked, layers.length)} ${marked === 1 ? 'has' : 'have'} ${noun}`;
	const [gravest, ...others] = counted;
	if (!gravest) {
		return have;
	}
	const { clause, effect } = findingWords(gravest);
	const number = gravest.layers.length;
	const words = `${nameThem(gravest.layers, layers.length)} ${clause?.[number === 1 ? 0 : 1]}`;
	const lead = clause ? `${words}${effect === undefined ? '' : `, ${effect}`}` : '';
	if (others.length === 0 && lead !== '') {
		return lead;
	}
	if (others.every((fact) => findingWords(fact).effect === effect)) {
		return effect === undefined ? have : `${have}${noun === 'findings' ? ',' : ':'} ${effect}`;
	}
	return `${have}. The gravest: ${lead}`;
}

/**
 * Returns "layer 4" for a layer of several, or the words of {@link them}.
 * @param marked indices of layers, from 0
 */
function nameThem(marked: readonly number[], all: number): string {
	const [only] = marked;
	return marked.length === 1 && only !== undefined && all > 1 ? `layer ${only + 1}` : them(marked.length, all);
}

/** Returns "3 of them", "all of them" or, for a single layer, "it". */
function them(number: number, all: number): string {
	return all === 1 ? 'it' : `${number === all ? 'all' : number} of them`;
}

/** Returns the sentence on the data of a run, without the part that the headline states; '' without data. */
export function dataRemark(report: Report): string {
	const data = report.run.status === 'ok' ? report.run.data : undefined;
	if (data === undefined || !statesMisfit(report)) {
		return data?.sentence ?? '';
	}
	return data.mistake === undefined ? '' : [data.mistake, ...givenPixels(report)].join(' ');
}

/** Pixels of a run at the end of an input's origin, as the engine describes presets without a mean. */
const PIXELS = /, (0 to 255|0\.\.1|-1\.\.1)\)/;

/** Says which pixels the run gave to the model, if that is known. */
function givenPixels({ run }: Report): readonly string[] {
	const range = run.inputs.flatMap(({ from }) => PIXELS.exec(from)?.[1] ?? [])[0];
	return range === undefined ? [] : [`This run gave it pixels from ${range.replace('..', ' to ')}.`];
}

/** True if the headline says that the running statistics do not fit the data: no result is worse. */
export function statesMisfit(report: Report): boolean {
	const { layers, run } = report;
	const isError = layers.some(({ findings }) => findings.some(({ severity }) => severity === 'error'));
	return !isError && run.status === 'ok' && run.data?.verdict === 'does-not-fit' && verdict(report).isGood;
}

/** Returns "all 52 BatchNorm layers", "the BatchNorm layer", "all 3 BatchNorm layers and 1 normalization written by hand". */
function nameLayers(layers: readonly LayerReport[], quantity: 'all' | 'count' = 'count'): string {
	const byHand = layers.filter(({ kind }) => kind === 'handbuilt').length;
	const others = layers.length - byHand;
	const isAll = quantity === 'all';
	const amount = (n: number) => (n === 1 ? (isAll && layers.length === 1 ? 'the' : '1') : isAll ? allOf(n) : String(n));
	const own = `${amount(others)} BatchNorm ${others === 1 ? 'layer' : 'layers'}`;
	const written = `${others === 0 ? amount(byHand) : byHand} ${byHand === 1 ? 'normalization' : 'normalizations'} written by hand`;
	return byHand === 0 ? own : others === 0 ? written : `${own} and ${written}`;
}

/** Returns "none of the 52 BatchNorm layers was", or "the BatchNorm layer was not". */
function noneWas(layers: readonly LayerReport[]): string {
	return layers.length === 1 ? `${nameLayers(layers, 'all')} was not` : `none of the ${nameLayers(layers)} was`;
}

/** Returns the runtime's name without its version. */
function runtimeName({ run }: Report): string {
	return run.runtime.replace(/(-node)?( .*)?$/, '') || 'the runtime';
}

interface Verdict {
	readonly text: string;
	/** True if it contains no problem worse than the findings of the layers. */
	readonly isGood: boolean;
}

/** Returns the conclusion about the run, without a full stop. */
function verdict(report: Report): Verdict {
	const { layers, run, model } = report;
	const good = (text: string): Verdict => ({ text, isGood: true });
	const bad = (text: string): Verdict => ({ text, isGood: false });
	if (isCheckpoint(model)) {
		return good(`the ${formatWords(model)} has ${nameLayers(layers)}`);
	}
	const of = (status: LayerReport['recompute']['status']) =>
		layers.filter((layer) => layer.recompute.status === status);
	const [matching, wrong, skipped, pending] = [of('match'), of('mismatch'), of('skipped'), of('pending')];
	const checked = matching.length + wrong.length;
	const runtime = runtimeName(report);
	// Comes first, because an early end does not change results.
	if (wrong.length > 0) {
		const still = pending.length > 0 ? ' so far' : '';
		const rest = skipped.length > 0 ? `; ${skipped.length} could not be checked` : '';
		return bad(
			`${runtime} computes ${wrong.length} of ${checked} BatchNorm layers wrongly${still} (${named(wrong)})${rest}`,
		);
	}
	const fused = layers.filter(({ findings }) => findings.some(({ code }) => code === 'runtime-fusion-mismatch'));
	if (fused.length > 0) {
		return bad(
			`with its default optimizations ${runtime} computes ${fused.length} of ${nameLayers(layers)} wrongly (${named(fused)})`,
		);
	}
	if (run.status === 'failed') {
		return checked === 0
			? bad(`the run failed, so ${noneWas(layers)} recomputed${unreadable(layers)}`)
			: bad(`${runtime} computed ${checked} of ${nameLayers(layers)} correctly before the run failed`);
	}
	if (run.status === 'skipped') {
		return checked === 0
			? good(`the model was not run, so ${noneWas(layers)} recomputed${unreadable(layers)}`)
			: bad(`${runtime} computed ${checked} of ${nameLayers(layers)} correctly before the run was ended`);
	}
	if (pending.length > 0) {
		return checked === 0
			? good(`${nameLayers(layers)}, not recomputed yet`)
			: good(`${checked} of ${nameLayers(layers)} recomputed so far, all correct`);
	}
	if (checked === 0) {
		return bad(`${noneWas(layers)} recomputed`);
	}
	if (skipped.length > 0) {
		return bad(
			`${runtime} computes ${checked} of ${nameLayers(layers)} correctly; ${skipped.length} could not be checked (${named(skipped)})`,
		);
	}
	const correct = `computes ${nameLayers(layers, 'all')} correctly`;
	return run.partial
		? good(`${runtime} refuses the model as a whole; run in parts, it ${correct}`)
		: good(`${runtime} ${correct}`);
}

/** Returns a clause about layers without any known parameters, so that no check was left. */
function unreadable(layers: readonly LayerReport[]): string {
	return layers.every(({ parameters, affine }) => parameters === null && affine === null)
		? '; no parameters could be read either, so nothing was checked'
		: '';
}

const NORMALIZED_WITH: Readonly<Record<Exclude<Normalization['verdict'], 'cannot-tell'>, string>> = {
	running: 'the running statistics',
	channel: 'statistics of the batch per channel, over N and the spatial axes (method 3)',
	activation: 'statistics of the batch per activation, over N (method 2)',
	location: 'statistics of the batch per location, over N and C (method 1)',
	none: 'none of the known methods',
};

/**
 * Returns a sentence or two about the method behind the layers' outputs, judged by the data alone; '' if none was
 * judged. An undecided layer adds the first reason.
 */
export function normalizationLine({ layers }: Report): string {
	const judged = layers.flatMap(({ normalization }) => normalization ?? []);
	const share = (count: number) => (count === judged.length ? '' : ` in ${count} of ${judged.length} layers`);
	const clauses = Object.entries(NORMALIZED_WITH).flatMap(([verdict, words]) => {
		const count = judged.filter((normalization) => normalization.verdict === verdict).length;
		return count === 0 ? [] : [`${words}${share(count)}`];
	});
	const untold = judged.filter(({ verdict }) => verdict === 'cannot-tell');
	return [
		clauses.length === 0 ? '' : `Judged by inputs and outputs alone, normalized with ${clauses.join('; ')}.`,
		untold.length === 0
			? ''
			: `The statistics that were used cannot be told${share(untold.length)}: ${untold[0].reason ?? ''}`,
	]
		.filter((sentence) => sentence !== '')
		.join(' ');
}

function named(layers: readonly LayerReport[]): string {
	const names = layers.slice(0, MAX_NAMED).map((layer) => layer.name);
	const more = layers.length - names.length;
	return more > 0 ? `${names.join(', ')} and ${more} more` : names.join(', ');
}
