import { colorSums } from '../../core/batchnorm/color-order.js';
import { DEFAULT_DRIFT_THRESHOLDS } from '../../core/batchnorm/drift.js';
import { dataFit } from '../../core/inspection/data-fit.js';
import { structureReport } from '../../core/inspection/structure-report.js';
import { CHECKPOINT_RUN } from '../../core/report/formats.js';
import { DEFAULT_MEMORY_BUDGET } from '../../core/report/run-choices.js';
import type { Finding, Report, RunSummary } from '../../core/report/types.js';
import { endRun, interruptedRun } from '../../core/report/update.js';
import { type Identities, identities, refuseInput } from '../../platform/replace-file.js';
import { WriteError } from '../../platform/write-error.js';
import type { InspectOptions, ModelLocation } from '../../protocol/host-engine.js';
import { LayerChecker } from './check/layer-checker.js';
import { makeFolder } from './check/saved-outputs.js';
import { filesOf } from './inputs/sample-files.js';
import { modelPaths } from './model/external-data.js';
import { inlineFunctions } from './model/inline-functions.js';
import { type OpenedModel, openForInspection } from './model/opened-model.js';
import { checkOptimized } from './optimized/check-optimized.js';
import { CaptureMemory } from './run/capture-memory.js';
import { type ExecuteContext, type Execution, execute } from './run/execute.js';
import { type Runtime, RuntimeError } from './runtime/runtime.js';
import type { TaskPorts } from './task-ports.js';
import { InputError } from './tensors/errors.js';

/**
 * Inspects a model: reports the structure, runs the model, and recomputes and compares each layer.
 *
 * If the run fails (the runtime refuses the model, an input does not fit), the result is the structure, with `run.status`
 * "failed" and the reason.
 * @throws {OnnxError} if the file cannot be read as a model.
 * @throws {WriteError} if `options.output` is a file that the inspection reads.
 */
export async function inspect(location: ModelLocation, options: InspectOptions, ports: TaskPorts): Promise<Report> {
	const start = performance.now();
	ports.emit({ type: 'progress', stage: 'opening', done: 0, total: 1 });
	const model = await openForInspection(location);
	try {
		const inputs = await identities(await inputPaths(location, model, options));
		if (options.output !== undefined) {
			await refuseInput(options.output, inputs);
		}
		const structure = await structureReport(model, options.thresholds && { thresholds: options.thresholds });
		ports.emit({ type: 'structure', report: structure });
		if (model.checkpoint) {
			return skipRun(structure, CHECKPOINT_RUN);
		}
		if (!options.run || model.layers.length === 0) {
			const reason = options.run ? 'The model has no BatchNormalization to check.' : 'Running was switched off.';
			return skipRun(structure, reason);
		}
		return await runAndCheck(structure, model, { options, ports, start, inputs });
	} finally {
		await model.close();
	}
}

/** Runs an opened model and recomputes each layer, as {@link inspect} does. */
export async function inspectOpened(model: OpenedModel, options: InspectOptions, ports: TaskPorts): Promise<Report> {
	const [start, inputs] = [performance.now(), await identities([])];
	return runAndCheck(await structureReport(model), model, { options, ports, start, inputs });
}

interface Inspection {
	readonly options: InspectOptions;
	readonly ports: TaskPorts;
	/** Time when the inspection began, in ms. */
	readonly start: number;
	/** Files that are read, and never written. */
	readonly inputs: Identities;
}

/** Returns the paths of all files that an inspection with outputs reads; none for an inspection without. */
async function inputPaths(
	location: ModelLocation,
	model: OpenedModel,
	{ output, saveOutputs, inputs }: InspectOptions,
): Promise<readonly string[]> {
	if (output === undefined && saveOutputs === undefined) {
		return [];
	}
	return [...modelPaths(location, model), ...(await filesOf(inputs))];
}

/** Runs the model and adds the results to the structure. */
async function runAndCheck(
	structure: Report,
	opened: OpenedModel,
	{ options, ports, start, inputs }: Inspection,
): Promise<Report> {
	const openedAt = performance.now();
	const kernel = await ports.kernel();
	const model = (await inlineFunctions(opened, openForInspection)) ?? opened;
	const sums = options.inputs.length > 0 ? await sumsOfColors(model) : new Map();
	const checker = new LayerChecker({ structure, layers: model.layers, kernel, colorSums: sums, options, inputs });
	const checked = (): Report => ({ ...structure, layers: structure.layers.map((_, index) => checker.report(index)) });
	let runtime: Runtime | undefined;
	try {
		if (options.saveOutputs !== undefined) {
			// Before the run, so that a folder that cannot be made is reported at once.
			await makeFolder(options.saveOutputs);
		}
		runtime = ports.runtime();
		const { emit, threads } = ports;
		const context = { runtime, memory: new CaptureMemory(kernel), checker, emit, threads };
		const execution = await execute(model, options, context);
		const optimized = await compareOptimized(model, execution, { options, context });
		const remarks = [execution.remark, optimized.remark].filter((text) => text !== undefined);
		const drift = { ...DEFAULT_DRIFT_THRESHOLDS, ...options.drift };
		const data = execution.feeds.fromFiles ? dataFit(checked().layers, drift, sums) : undefined;
		const run: RunSummary = {
			status: 'ok',
			...(data && { data }),
			...(execution.partial && { partial: true }),
			...(remarks.length > 0 && { reason: remarks.join(' ') }),
			runtime: runtime.version,
			inputs: execution.inputs,
			milliseconds: {
				open: openedAt - start,
				...execution.milliseconds,
				...optimized.milliseconds,
				total: performance.now() - start,
			},
		};
		ports.emit({ type: 'run', run });
		const report = { ...checked(), findings: optimized.findings };
		return endRun(report, run, 'Not checked: the run did not get to this layer.');
	} catch (error) {
		const isInput = error instanceof InputError || error instanceof WriteError;
		if (!(error instanceof RuntimeError || isInput)) {
			throw error;
		}
		const failedAt = isInput && hasInputOptions(options) ? 'input' : 'model';
		const facts = { ...structure.run, runtime: runtime?.version ?? '' };
		const run = interruptedRun(facts, { status: 'failed', reason: error.message, failedAt });
		return endRun(checked(), run, 'Not checked: the run failed.');
	}
}

/** Returns the sums of {@link colorSums} by layer index. */
async function sumsOfColors({ layers, access }: OpenedModel): Promise<Map<number, Float64Array>> {
	const found = new Map<number, Float64Array>();
	for (const [index, layer] of layers.entries()) {
		const sums = await colorSums(layer, access);
		if (sums) {
			found.set(index, sums);
		}
	}
	return found;
}

interface OptimizedResult {
	/** Findings that no single layer explains. */
	readonly findings: readonly Finding[];
	readonly milliseconds: Readonly<Record<string, number>>;
	readonly remark?: string;
}

/** Compares with the runtime's default optimizations. Comes after the verdicts, which a person waits for. */
async function compareOptimized(
	model: OpenedModel,
	execution: Execution,
	{ options, context }: { readonly options: InspectOptions; readonly context: ExecuteContext },
): Promise<OptimizedResult> {
	const { compareOptimized: isWanted = true, memoryBudget: budget = DEFAULT_MEMORY_BUDGET, temporary } = options;
	if (!isWanted || execution.partial || execution.level !== 'disabled') {
		return { findings: [], milliseconds: {} };
	}
	const { runtime, memory, checker, emit } = context;
	const start = performance.now();
	emit({ type: 'progress', stage: 'comparing', done: 0, total: 1 });
	const { outputs, feeds } = execution;
	const run = { outputs, feeds: feeds.tensors };
	const check = await checkOptimized(model, runtime, { ...run, memory, budget, temporary });
	for (const [index, finding] of check.layers) {
		checker.addFusionFinding(index, finding);
	}
	for (const index of checker.takeChanged('ever')) {
		emit({ type: 'layer', index, layer: checker.report(index) });
	}
	const milliseconds = { compare: performance.now() - start };
	return { findings: check.model, milliseconds, ...(check.remark !== undefined && { remark: check.remark }) };
}

/** Returns true if an option sets the model's input, or a folder for its outputs, so that a failure may be due to it. */
function hasInputOptions({ inputs, dimensions = {}, batch, saveOutputs }: InspectOptions): boolean {
	return inputs.length > 0 || Object.keys(dimensions).length > 0 || batch !== 1 || saveOutputs !== undefined;
}

function skipRun(structure: Report, reason: string): Report {
	const run = interruptedRun(structure.run, { status: 'skipped', reason });
	return endRun(structure, run, 'Not checked: the model was not run.');
}
