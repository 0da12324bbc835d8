import { createHash } from 'node:crypto';
import { statisticsDifference } from '../../core/inspection/merge-statistics.js';
import { summarizeModel } from '../../core/inspection/structure-report.js';
import { type FloatType, roundTo } from '../../core/numbers/float-formats.js';
import type { ByteSource } from '../../core/onnx/source.js';
import { planStatistics } from '../../core/repair/statistics-plan.js';
import {
	REESTIMATION_FORMAT,
	REESTIMATION_VERSION,
	type ReestimatedLayer,
	type ReestimationResult,
	statisticsChange,
} from '../../core/report/reestimation.js';
import type { RepairCheck } from '../../core/report/repair-result.js';
import { DEFAULT_MEMORY_BUDGET } from '../../core/report/run-choices.js';
import {
	type LayerStatistics,
	STATISTICS_FORMAT,
	STATISTICS_VERSION,
	type StatisticsReport,
} from '../../core/report/statistics.js';
import { count } from '../../core/text/sentences.js';
import { identities, refuseInput } from '../../platform/replace-file.js';
import type { ModelLocation, ReestimateOptions } from '../../protocol/host-engine.js';
import { runCheck } from './check/run-check.js';
import type { ImageThreads } from './inputs/image-threads.js';
import { openSamples, type Samples } from './inputs/sample-batches.js';
import { filesOf } from './inputs/sample-files.js';
import { inspectOpened } from './inspect.js';
import { requireExternalFiles } from './model/external-data.js';
import { type OpenedModel, openModel, requireGraph } from './model/opened-model.js';
import { randomNode } from './model/random-node.js';
import { requiredInputs } from './model/required-inputs.js';
import {
	type ModelOutput,
	openWritten,
	publishWritten,
	removeUnfinished,
	requireOutput,
	writeEdited,
} from './model/written-model.js';
import { type CollectPorts, collectByBatch, collectInSequence, measureInference } from './reestimate/collect.js';
import { BatchMeasure } from './reestimate/measure-batch.js';
import { type LayerNorm, StagedRun } from './reestimate/staged-run.js';
import { planStages } from './reestimate/stages.js';
import { runnable, type Subject, subjectOf } from './reestimate/subject.js';
import { driftCheck } from './reestimate/verify.js';
import { RuntimeError } from './runtime/runtime-error.js';
import type { TaskPorts } from './task-ports.js';
import { InputError } from './tensors/errors.js';

/** Samples that the written model is run on in inference mode: enough to see a drift of 0.25 in a single channel. */
const VERIFIED_SAMPLES = 1024;

/** Read at once for the fingerprint, in bytes. */
const CHUNK = 2 ** 20;

/** A task and all that its steps need. */
interface Work {
	readonly subject: Subject;
	readonly options: ReestimateOptions;
	readonly ports: TaskPorts;
	/** Undefined if statistics are written without data. */
	readonly samples: Samples | undefined;
}

/**
 * Computes the population statistics of a model's BatchNormalization layers from data, or takes statistics of earlier
 * runs. With an output, writes them into a copy of the model, which becomes an inference model; every other byte stays.
 * The file gets its name after its verification.
 * @throws {OnnxError | InputError | RuntimeError | WriteError} after all written files were removed.
 */
export async function reestimate(
	location: ModelLocation,
	options: ReestimateOptions,
	ports: TaskPorts,
): Promise<ReestimationResult> {
	ports.emit({ type: 'progress', stage: 'opening', done: 0, total: 1 });
	const paths = outputOf(options);
	const file = await openModel(location);
	try {
		requireGraph(file, 'to run');
		await requireExternalFiles(file);
		if (paths) {
			await requireOutput(file, paths.output);
			await refuseInput(paths.output, await identities(await filesOf(options.inputs)));
		}
		const subject = await subjectOf(file);
		const samples = await samplesOf(subject, options, ports.threads);
		const work = { subject, options, ports, samples };
		const { statistics, notes } = options.statistics
			? await givenStatistics(subject, options.statistics)
			: await collect(work).catch((error) => Promise.reject(withFile(error, location.path)));
		const result = {
			format: REESTIMATION_FORMAT,
			version: REESTIMATION_VERSION,
			model: location.path,
			mode: statistics.mode ?? 'batch',
			batch: options.statistics ? null : (samples?.batch ?? null),
			batches: statistics.batches,
			samples: statistics.samples ?? null,
			inputs: samples?.inputs ?? [],
			kept: subject.kept,
			statistics,
		} as const;
		if (!paths) {
			const check = { status: 'skipped', reason: 'No model was written.' } as const;
			const layers = changesOf(subject, statistics, (value) => value);
			return { ...result, layers, written: null, switched: 0, notes, check };
		}
		const written = await writeVerified(work, statistics, paths);
		return { ...result, ...written, notes };
	} finally {
		if (paths) {
			await removeUnfinished(paths);
		}
		await file.close();
	}
}

/** Adds the file to the error of a model that the runtime does not load. */
function withFile(error: unknown, file: string): unknown {
	return error instanceof RuntimeError && error.phase === 'load'
		? new RuntimeError(`${file} cannot be run on the data: ${error.message}`, error.phase, error.detail)
		: error;
}

function outputOf({ output, temporary }: ReestimateOptions): ModelOutput | undefined {
	return output !== undefined && temporary !== undefined ? { output, temporary } : undefined;
}

/** Opens the data for the inputs that the layers depend on. @throws {InputError} if data are needed and missing */
async function samplesOf(
	{ running, layers, own }: Subject,
	options: ReestimateOptions,
	threads: ImageThreads | undefined,
): Promise<Samples | undefined> {
	if (options.statistics && options.inputs.length === 0) {
		return undefined;
	}
	const needed = new Set(planStages(running, [...layers, ...own]).inputs);
	const inputs = requiredInputs(running.model).filter(({ name }) => needed.has(name));
	if (options.inputs.length === 0) {
		const [first] = inputs;
		throw new InputError(
			`Statistics need data: give files or a folder for ${inputs.length > 1 ? 'each input, for example' : 'the input'} --input ${first?.name ?? 'NAME'}=FILE.`,
		);
	}
	return openSamples(inputs, { ...options, files: options.inputs, threads });
}

interface FoundStatistics {
	readonly statistics: StatisticsReport;
	/** Sentences for the user. */
	readonly notes: readonly string[];
}

async function collect(work: Work): Promise<FoundStatistics> {
	const { subject, options, ports, samples } = work;
	if (!samples) {
		throw new Error('Statistics are collected from samples.');
	}
	const { file, running } = subject;
	ports.emit({ type: 'progress', stage: 'loading', done: 0, total: 1 });
	return withRun(work, running, async (run) => {
		const { memoryBudget = DEFAULT_MEMORY_BUDGET, mode = 'batch' } = options;
		const found =
			mode === 'batch'
				? await withMeasure(run, options.temporary, (measure) => collectByBatch(samples, run, measure))
				: await collectInSequence(samples, run, memoryBudget);
		const statistics = {
			format: STATISTICS_FORMAT,
			version: STATISTICS_VERSION,
			model: summarizeModel(file.model),
			fingerprint: await fingerprintOf(file.source),
			mode,
			batches: found.batches,
			samples: found.samples,
			layers: found.layers,
		} as const;
		return { statistics, notes: [...notesOf(running, samples), ...found.notes] };
	});
}

/** Calls work with the model loaded stage by stage, and releases it after. */
async function withRun<T>(
	{ subject: { layers, own }, ports }: Work,
	model: OpenedModel,
	work: (ports: CollectPorts) => Promise<T>,
): Promise<T> {
	const parts = { runtime: ports.runtime(), kernel: await ports.kernel() };
	const run = new StagedRun(model, planStages(model, [...layers, ...own]), parts);
	const onProgress = (done: number, total: number) =>
		ports.emit({ type: 'progress', stage: 'collecting', done, total });
	try {
		return await work({ run, model, layers, onProgress });
	} finally {
		await run.dispose();
	}
}

async function withMeasure<T>(
	ports: CollectPorts,
	scratch: string | undefined,
	work: (measure: BatchMeasure) => Promise<T>,
): Promise<T> {
	const measure = new BatchMeasure(ports, scratch);
	try {
		return await work(measure);
	} finally {
		await measure.dispose();
	}
}

function notesOf({ model }: OpenedModel, { leftOut, samples }: Samples): string[] {
	const random = randomNode(model);
	return [
		...(leftOut > 0
			? [`The last ${count(leftOut, 'sample')} of ${samples + leftOut} were left out: the model takes a fixed number.`]
			: []),
		...(random ? [`${random.opType} "${random.name}" is random, so another run gives slightly other statistics.`] : []),
	];
}

async function fingerprintOf(source: ByteSource): Promise<string> {
	const hash = createHash('sha256');
	for (let offset = 0; offset < source.size; offset += CHUNK) {
		hash.update(await source.read(offset, Math.min(CHUNK, source.size - offset)));
	}
	return hash.digest('hex');
}

/** @throws {InputError} if the statistics are of another model */
async function givenStatistics({ file, layers }: Subject, given: StatisticsReport): Promise<FoundStatistics> {
	const expected = {
		model: summarizeModel(file.model),
		fingerprint: await fingerprintOf(file.source),
		layers: layers.map((index) => {
			const { name, channels, mean, variance } = file.layers[index];
			const values = { mean: mean.values ?? new Float64Array(), variance: variance.values ?? new Float64Array() };
			return { name, channels, batches: 0, count: 0, ...values };
		}),
	};
	const difference = statisticsDifference(expected, given);
	if (difference !== undefined) {
		throw new InputError(`The statistics are not of ${file.model.path}: ${difference}.`);
	}
	return { statistics: given, notes: [] };
}

/** Returns the change of each layer. @param round rounds a value to the type that it is stored in */
function changesOf(
	{ file, layers }: Subject,
	statistics: StatisticsReport,
	round: (value: number, type: FloatType) => number,
): ReestimatedLayer[] {
	return layers.flatMap((index, position) => {
		const { name, channels, mean, variance, epsilon } = file.layers[index];
		const found = statistics.layers[position];
		if (!found || !mean.values || !variance.values) {
			return [];
		}
		const before = { mean: mean.values, variance: variance.values };
		const after = {
			mean: found.mean.map((value) => round(value, mean.dtype as FloatType)),
			variance: found.variance.map((value) => round(value, variance.dtype as FloatType)),
		};
		const change = statisticsChange(before, after, epsilon);
		return [{ name, channels: found.channels || channels, count: found.count, before, after, ...change }];
	});
}

type Written = Pick<ReestimationResult, 'layers' | 'written' | 'switched' | 'check'>;

/** Writes the model with its new statistics and gives it its name after it has passed. @throws {InputError} if not */
async function writeVerified(work: Work, statistics: StatisticsReport, paths: ModelOutput): Promise<Written> {
	const { subject, ports } = work;
	const { file, layers } = subject;
	ports.emit({ type: 'progress', stage: 'writing', done: 0, total: 1 });
	const changes = changesOf(subject, statistics, roundTo);
	const plan = await planStatistics(
		file,
		// Unrounded, so that a reason names the value and not its rounding.
		layers.map((layer, position) => ({ layer, ...valuesOf(statistics, position) })),
	);
	if ('reason' in plan) {
		throw new InputError(`${paths.output} was not written: ${plan.reason}`);
	}
	const bytes = await writeEdited(file, plan.edits, paths);
	const written = await openWritten(file, paths);
	try {
		const check = await verify(work, written, changes);
		await publishWritten(paths);
		return { layers: changes, written: { path: paths.output, bytes }, switched: plan.repaired.length, check };
	} finally {
		await written.close();
	}
}

function valuesOf({ layers }: StatisticsReport, position: number): Pick<LayerStatistics, 'mean' | 'variance'> {
	const { mean, variance } = layers[position];
	return { mean, variance };
}

/** Reads the unfinished file, runs it, and measures the data's drift. @throws {InputError} if its statistics are others */
async function verify(work: Work, written: OpenedModel, changes: readonly ReestimatedLayer[]): Promise<RepairCheck> {
	const { subject, ports, samples, options } = work;
	const norms = new Map<number, LayerNorm>();
	for (const [position, index] of subject.layers.entries()) {
		const { mean, variance, mode } = written.layers[index] ?? {};
		const { name, after } = changes[position];
		const isSame = equals(mean?.values, after.mean) && equals(variance?.values, after.variance);
		if (!isSame || mode !== 'inference') {
			throw new InputError(
				`The model with new statistics did not pass its verification and was not written: ${name} ${isSame ? 'is in training mode' : 'has other statistics'}.`,
			);
		}
		norms.set(index, after);
	}
	const quiet = { ...ports, emit: () => {} };
	const { dimensions } = options;
	const choices = { run: true, inputs: [], batch: 1, seed: 0, compareOptimized: false };
	const report = await inspectOpened(written, { ...choices, ...(dimensions && { dimensions }) }, quiet);
	const ran = runCheck(
		subject.layers.map((index) => report.layers[index]),
		report.run,
	);
	if (ran.status !== 'match' || !samples) {
		return ran;
	}
	const measured = await withRun(work, await runnable(written, written), (run) =>
		measureInference(samples, run, { norms, most: VERIFIED_SAMPLES }),
	);
	const drift = driftCheck({ layers: subject.layers, all: written.layers, norms, ...measured });
	return drift.status === 'match' ? { ...drift, evidence: `${ran.evidence} ${drift.evidence}` } : drift;
}

function equals(a: Float64Array | null | undefined, b: Float64Array): boolean {
	return a?.length === b.length && b.every((value, i) => value === a[i]);
}
