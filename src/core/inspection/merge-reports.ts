import { batchMean, dataHealth } from '../batchnorm/data-health.js';
import { DEFAULT_DRIFT_THRESHOLDS, statisticsDrift } from '../batchnorm/drift.js';
import { sum } from '../numbers/arrays.js';
import { biasedVariance, type Moments, mergeMoments } from '../numbers/moments.js';
import { needsRun } from '../report/findings.js';
import type {
	BatchStatistics,
	Finding,
	LayerReport,
	Recompute,
	Report,
	RunInput,
	RunSummary,
} from '../report/types.js';
import { dataFit } from './data-fit.js';
import { differenceBetween } from './same-model.js';

/** A report and the file that it came from. */
export interface NamedReport {
	readonly file: string;
	readonly report: Report;
}

/** Reports that cannot be merged. The message names the files. */
export class MergeError extends Error {
	override readonly name = 'MergeError';
}

/**
 * Merges reports of a model's runs on parts of the data. Count, mean and variance of each layer's input are exactly the
 * statistics of all data together (Chan, Golub, LeVeque 1979). So the division of the data matters only by rounding of
 * float64. The verdict on a layer is the worst of the parts. Drift is judged again on the merged statistics.
 * @param reports at least one
 * @throws {MergeError} when they are not of the same model.
 */
export function mergeReports(reports: readonly NamedReport[]): Report {
	const [first, ...others] = reports;
	for (const { file, report } of others) {
		const difference = differenceBetween(first.report, report);
		if (difference !== undefined) {
			throw new MergeError(`${file} is not of the same model as ${first.file}: ${difference}.`);
		}
	}
	const all = reports.map(({ report }) => report);
	const measured = all.filter(({ layers }) => layers.some(({ batch }) => batch !== null));
	const onFiles = measured.every(({ run }) => run.inputs.length > 0 && run.inputs.every(isFromFile));
	const missing = missingStatistics(reports);
	const layers = first.report.layers.map((_, index) =>
		mergeLayer(
			all.map((report) => report.layers[index]),
			onFiles,
		),
	);
	const run = mergeRuns(
		all.map((report) => report.run),
		missing,
	);
	const data = onFiles && measured.length > 0 ? dataFit(layers) : undefined;
	return {
		...first.report,
		layers,
		run: run.status === 'ok' && data ? { ...run, data } : run,
		findings: distinct(all.flatMap(({ findings }) => findings)),
	};
}

/**
 * Returns a sentence for each report without statistics that another report has, because the result then does not cover
 * all data.
 */
export function missingStatistics(reports: readonly NamedReport[]): string[] {
	const isKnown = reports[0].report.layers.map((_, index) =>
		reports.some(({ report }) => report.layers[index].batch !== null),
	);
	const known = isKnown.filter(Boolean).length;
	return reports.flatMap(({ file, report }) => {
		const lacking = report.layers.filter(
			({ batch, recompute }, index) => batch === null && recompute.cause !== 'not-taken' && isKnown[index],
		).length;
		const which = lacking === known ? '' : ` of ${lacking} of ${known} layers`;
		return lacking === 0 ? [] : [`${file} has no batch statistics${which}: what is merged leaves its data out.`];
	});
}

/** False for random input, which is no evidence about the user's data. */
function isFromFile({ from }: RunInput): boolean {
	return !from.startsWith('random ');
}

function mergeLayer(parts: readonly LayerReport[], onFiles: boolean): LayerReport {
	const measured = parts.filter((part) => part.batch !== null);
	const first = measured[0] ?? parts[0];
	const batch = mergeStatistics(measured);
	const shape = mergeShapes(measured.map(({ inputShape }) => inputShape));
	const { inputShape: _, ...rest } = first;
	const merged: LayerReport = {
		...rest,
		...(shape && { inputShape: shape }),
		recompute: mergeVerdicts(parts.map(({ recompute }) => recompute)),
		batch,
	};
	// Values that are not finite are a warning in data and an error in parameters.
	const isOfData = ({ code, severity }: Finding) => code === 'non-finite' && severity === 'warning';
	const own = first.findings.filter((finding) => !needsRun(finding.code) && !isOfData(finding));
	const data = dataHealth(batch?.count ?? 0, batch?.nonFinite);
	const found = parts.flatMap(({ findings }) =>
		findings.filter(({ code }) => needsRun(code) && code !== 'statistics-drift'),
	);
	return { ...merged, findings: [...distinct(found), ...own, ...data, ...(onFiles ? drift(merged) : [])] };
}

function drift({ batch, parameters, mode, axes, epsilon }: LayerReport): Finding[] {
	if (!batch || !parameters || mode !== 'inference' || axes !== 'channel') {
		return [];
	}
	const images = batch.images ?? 1;
	return statisticsDrift({ parameters, batch, epsilon, images }, DEFAULT_DRIFT_THRESHOLDS);
}

/** @param parts those that have any; null: there is none */
function mergeStatistics(parts: readonly LayerReport[]): BatchStatistics | null {
	const batches = parts.flatMap(({ batch, inputShape }) =>
		batch ? [{ ...batch, images: batch.images ?? inputShape?.[0] ?? 1 }] : [],
	);
	const lengths = new Set(batches.map(({ mean }) => mean.length));
	if (lengths.size !== 1) {
		return null;
	}
	const moments = mergeMoments(batches.map(momentsOf));
	return {
		count: sum(batches.map(({ count }) => count)),
		images: sum(batches.map(({ images }) => images)),
		mean: batchMean(moments),
		variance: biasedVariance(moments),
		...(moments.nonFinite.some((left) => left > 0) && { nonFinite: moments.nonFinite }),
		...(batches.some(({ isRandom }) => isRandom) && { isRandom: true as const }),
	};
}

function momentsOf({ count, mean, variance, nonFinite }: BatchStatistics): Moments {
	const left = nonFinite ?? new Float64Array(mean.length);
	const counts = left.map((missing) => count - missing);
	return {
		count: counts,
		mean,
		// Without a value there is no variance either.
		m2: variance.map((value, c) => (counts[c] > 0 ? value * counts[c] : 0)),
		nonFinite: left,
	};
}

/** Returns the shape with the N of all parts, if they agree in every other size. */
function mergeShapes(shapes: readonly (readonly number[] | undefined)[]): readonly number[] | undefined {
	const [first] = shapes;
	const inner = (shape: readonly number[] | undefined) => shape?.slice(1).join();
	if (!first || shapes.some((shape) => inner(shape) !== inner(first))) {
		return undefined;
	}
	return [shapes.reduce((total, shape) => total + (shape?.[0] ?? 0), 0), ...first.slice(1)];
}

/**
 * A mismatch in any part is a mismatch. A part that was not checked leaves the layer unchecked, unless its run did not
 * reach the layer.
 */
function mergeVerdicts(all: readonly Recompute[]): Recompute {
	const through = all.filter(({ cause }) => cause !== 'not-taken');
	const parts = through.length > 0 ? through : all;
	const worst =
		parts.find(({ status }) => status === 'mismatch') ?? parts.find(({ status }) => status !== 'match') ?? parts[0];
	const numbers = parts.filter(({ maxAbs }) => maxAbs !== undefined);
	if (numbers.length === 0 || worst.status === 'pending') {
		return worst;
	}
	const most = (key: 'maxAbs' | 'maxRel' | 'maxUlp' | 'bound') =>
		Math.max(...numbers.map((part) => part[key] ?? Number.NaN));
	const perChannel = numbers.flatMap((part) => part.perChannel ?? []);
	const largest = (key: 'maxAbs' | 'bound' | 'boundRatio') => {
		const arrays = perChannel.flatMap((part) => part[key] ?? []);
		return arrays.length === numbers.length
			? { [key]: arrays[0].map((_, c) => Math.max(...arrays.map((values) => values[c]))) }
			: {};
	};
	const { maxAbs = new Float64Array(0), ...others } = {
		...largest('maxAbs'),
		...largest('bound'),
		...largest('boundRatio'),
	};
	return {
		...worst,
		maxAbs: most('maxAbs'),
		maxRel: most('maxRel'),
		maxUlp: most('maxUlp'),
		...(numbers.every(({ bitExact }) => bitExact) && { bitExact: true as const }),
		bound: most('bound'),
		...(perChannel.length > 0 && { perChannel: { maxAbs, ...others } }),
	};
}

/** @param remarks sentences that are told besides the runs' own */
function mergeRuns(runs: readonly RunSummary[], remarks: readonly string[]): RunSummary {
	const first = runs.find(({ inputs }) => inputs.length > 0) ?? runs[0];
	const worst = runs.find(({ status }) => status !== 'ok') ?? first;
	const reasons = [...new Set([...runs.flatMap(({ reason }) => reason ?? []), ...remarks])];
	const milliseconds: Record<string, number> = {};
	for (const run of runs) {
		for (const [stage, time] of Object.entries(run.milliseconds)) {
			milliseconds[stage] = (milliseconds[stage] ?? 0) + time;
		}
	}
	const { status } = worst;
	const reason = reasons.join(' ');
	const facts = {
		runtime: [...new Set(runs.flatMap(({ runtime }) => (runtime === '' ? [] : [runtime])))].join(', '),
		inputs: first.inputs.map((input) => mergeInputs(runs, input)),
		milliseconds,
	};
	switch (status) {
		case 'ok':
			return { status, ...(reason !== '' && { reason }), ...facts };
		case 'pending':
			return { status, ...facts };
		default:
			return { status, reason, ...facts };
	}
}

/** Maximum number of origins spelled out. More origins are only counted. */
const MAX_ORIGINS = 4;

function mergeInputs(runs: readonly RunSummary[], input: RunInput): RunInput {
	const parts = runs.flatMap(({ inputs }) => inputs.filter(({ name }) => name === input.name));
	const origins = [...new Set(parts.map(({ from }) => from))];
	const more = origins.length - MAX_ORIGINS;
	const from = more > 0 ? `${origins.slice(0, MAX_ORIGINS).join('; ')} and ${more} more` : origins.join('; ');
	return { ...input, shape: mergeShapes(parts.map(({ shape }) => shape)) ?? input.shape, from };
}

function distinct(findings: readonly Finding[]): Finding[] {
	const seen = new Set<string>();
	return findings.filter(({ code, message }) => {
		const key = `${code} ${message}`;
		const isNew = !seen.has(key);
		seen.add(key);
		return isNew;
	});
}
