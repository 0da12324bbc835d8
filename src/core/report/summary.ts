import { FINDING_CODES, findingWords } from './findings.js';
import { formatWords, isCheckpoint } from './formats.js';
import type { LayerReport, Normalization, Report } from './types.js';

/** Layers named in the answer before it only counts them. */
const MAX_NAMED = 3;
/** Kinds of finding spelled out; the table has the rest. */
const MAX_FINDINGS = 5;

/**
 * Returns the answer at the top of every surface: number of layers, correctness of the runtime, findings. A single
 * sentence with parts separated by semicolons, true at every stage of an inspection.
 */
export function answer(report: Report): string {
	const { layers } = report;
	if (layers.length === 0 && isCheckpoint(report.model)) {
		return `No BatchNorm layer in this ${formatWords(report.model)}: no module has a running mean and variance.`;
	}
	if (layers.length === 0) {
		return 'No BatchNorm layer in this model: it never had one, or all were folded into other operators.';
	}
	return `${[`${countLayers(layers)}, ${verdict(report)}`, ...findingClauses(layers)].join('; ')}.`;
}

/** Returns "3 BatchNorm layers and 1 normalization written by hand". */
function countLayers(layers: readonly LayerReport[]): string {
	const byHand = layers.filter(({ kind }) => kind === 'handbuilt').length;
	const others = layers.length - byHand;
	const own = others === 1 ? '1 BatchNorm layer' : `${others} BatchNorm layers`;
	const written = `${byHand} ${byHand === 1 ? 'normalization' : 'normalizations'} written by hand`;
	return byHand === 0 ? own : others === 0 ? `No BatchNorm layer, but ${written}` : `${own} and ${written}`;
}

function verdict({ layers, run, model }: Report): string {
	if (isCheckpoint(model)) {
		return `with the parameters of a ${formatWords(model)}`;
	}
	const of = (status: LayerReport['recompute']['status']) =>
		layers.filter((layer) => layer.recompute.status === status);
	const [matching, wrong, skipped, pending] = [of('match'), of('mismatch'), of('skipped'), of('pending')];
	const checked = matching.length + wrong.length;
	// Comes first, because an early end does not change results.
	if (wrong.length > 0) {
		const still = pending.length > 0 ? ' so far' : '';
		return `${wrong.length} of ${checked} recomputed${still} differ${wrong.length === 1 ? 's' : ''} from what the runtime computed (${named(wrong)})`;
	}
	if (run.status === 'failed') {
		return checked === 0
			? `not recomputed because the run failed${unreadable(layers)}`
			: `${checked} recomputed to within rounding before the run failed`;
	}
	if (run.status === 'skipped') {
		return checked === 0
			? `not recomputed: the model was not run${unreadable(layers)}`
			: `${checked} recomputed to within rounding before the run was ended`;
	}
	if (pending.length > 0) {
		return checked === 0 ? 'not recomputed yet' : `${checked} recomputed so far, all to within rounding`;
	}
	if (checked === 0) {
		return layers.length === 1 ? 'which could not be recomputed' : 'none of which could be recomputed';
	}
	if (skipped.length > 0) {
		return `${checked} recomputed to within rounding, ${skipped.length} could not be checked (${named(skipped)})`;
	}
	const all = layers.length === 1 ? 'recomputed to within rounding' : 'all recomputed to within rounding';
	return run.partial ? `${all}, in parts because the runtime refuses the model as a whole` : all;
}

/** Returns a clause about layers of which the report holds no parameters either, so that no check was left. */
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
		clauses.length === 0 ? '' : `Judged by inputs and outputs alone, normalised with ${clauses.join('; ')}.`,
		untold.length === 0
			? ''
			: `What was normalised with cannot be told${share(untold.length)}: ${untold[0].reason ?? ''}`,
	]
		.filter((sentence) => sentence !== '')
		.join(' ');
}

function named(layers: readonly LayerReport[]): string {
	const names = layers.slice(0, MAX_NAMED).map((layer) => layer.name);
	const more = layers.length - names.length;
	return more > 0 ? `${names.join(', ')} and ${more} more` : names.join(', ');
}

/** Returns clauses for warnings and errors. Notes stand in the table only, and a mismatch is part of the verdict. */
function findingClauses(layers: readonly LayerReport[]): string[] {
	const clauses = FINDING_CODES.flatMap((code) => {
		const { clause } = findingWords({ code });
		const count = layers.filter(({ findings }) =>
			findings.some((finding) => finding.code === code && finding.severity !== 'info'),
		).length;
		return count === 0 || !clause ? [] : [count === 1 ? `1 layer ${clause[0]}` : `${count} layers ${clause[1]}`];
	});
	const more = clauses.length - MAX_FINDINGS;
	return more > 0
		? [...clauses.slice(0, MAX_FINDINGS), `${more} more kind${more === 1 ? '' : 's'} of finding`]
		: clauses;
}
