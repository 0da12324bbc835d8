import type { BatchNormLayer } from '../../../core/batchnorm/layer.js';
import { DEFAULT_MEMORY_BUDGET } from '../../../core/report/run-choices.js';
import type { RunInput } from '../../../core/report/types.js';
import type { InspectOptions } from '../../../protocol/host-engine.js';
import type { LayerChecker } from '../check/layer-checker.js';
import { UNKNOWN_SIZES } from '../inputs/guessed-sizes.js';
import type { ImageThreads } from '../inputs/image-threads.js';
import { type Feeds, type InputPlan, planInputs } from '../inputs/inputs.js';
import { withImpliedSizes } from '../model/guessed-sizes.js';
import type { OpenedModel } from '../model/opened-model.js';
import { requiredInputs } from '../model/required-inputs.js';
import { type OptimizationLevel, type Runtime, RuntimeError } from '../runtime/runtime.js';
import type { Tensors } from '../tensors/tensor.js';
import type { CaptureMemory } from './capture-memory.js';
import { ControlFlow } from './control-flow.js';
import { findReach } from './obstacles.js';
import { PartialRun } from './partial-run.js';
import type { ModelRun } from './run-events.js';
import { type EmitProgress, Runner } from './runner.js';
import { Stopwatch } from './stopwatch.js';
import { WholeRun } from './whole-run.js';

/** Results of running a model, beside those in the checker. */
export interface Execution {
	/** Feeds of the first run. */
	readonly feeds: Feeds;
	/** Inputs of the run, for the report. */
	readonly inputs: readonly RunInput[];
	/** Level at which the runtime took the model. */
	readonly level: OptimizationLevel;
	/** True if only a part of the model could be run. */
	readonly partial: boolean;
	/** A sentence for the user about the run. */
	readonly remark: string | undefined;
	/** The model's own outputs in the first run; empty if the model did not run whole and at once. */
	readonly outputs: Tensors;
	/** Part of the run -> time, in ms. */
	readonly milliseconds: Readonly<Record<string, number>>;
}

export interface ExecuteContext {
	readonly runtime: Runtime;
	readonly memory: CaptureMemory;
	/** Receives the tensors of every layer. */
	readonly checker: LayerChecker;
	/** Threads that read images. */
	readonly threads: ImageThreads | undefined;
	/** Sends progress, and reports of layers as they change. */
	readonly emit: EmitProgress;
}

/**
 * Runs the model, or the largest part that the runtime takes, and has every layer checked.
 * @throws {RuntimeError | InputError | OnnxError} a sentence about the runtime or the input.
 */
export async function execute(
	model: OpenedModel,
	options: InspectOptions,
	context: ExecuteContext,
): Promise<Execution> {
	const { runtime, checker, emit } = context;
	const plan = await planInputs(requiredInputs(model.model), {
		...options,
		dimensions: await withImpliedSizes(model, options.dimensions),
		files: options.inputs,
		threads: context.threads,
		positive: varianceInputs(model.layers),
	});
	const watch = new Stopwatch();
	const { memoryBudget: budget = DEFAULT_MEMORY_BUDGET } = options;
	const bodies = new ControlFlow(model, runtime);
	const runner = new Runner({ model, plan, bodies, checker, emit, run: { memory: context.memory, budget, watch } });
	emit({ type: 'progress', stage: 'loading', done: 0, total: 1 });
	const whole = new WholeRun(model, runtime);
	try {
		const [unfed] = plan.unfed.values();
		if (unfed !== undefined) {
			throw new RuntimeError(unfed);
		}
		const feeds = await runner.runAll(whole);
		const { milliseconds } = watch;
		return { ...describe(whole, feeds, plan), partial: false, outputs: whole.outputs, milliseconds };
	} catch (refusal) {
		if (!(refusal instanceof RuntimeError)) {
			throw refusal;
		}
		const { part, feeds } = await runInPart(model, runtime, { runner, plan, refusal });
		if (!part.reachesAny && !checker.hasResults) {
			throw refusal;
		}
		const { milliseconds } = watch;
		return { ...describe(part, feeds, plan), partial: true, outputs: new Map(), milliseconds };
	} finally {
		await whole.dispose();
		await bodies.dispose();
	}
}

/**
 * Runs the nodes in front of the layers. Finds nodes that do not load; if the rest does not run, also nodes that do not run.
 * @throws {RuntimeError} the refusal of the whole model if no part of it runs
 */
async function runInPart(
	model: OpenedModel,
	runtime: Runtime,
	{ runner, plan, refusal }: { readonly runner: Runner; readonly plan: InputPlan; readonly refusal: RuntimeError },
) {
	const question = { refusal, unfed: new Set(plan.unfed.keys()) };
	const attempt = async (feeds?: Tensors) => {
		const reach = await findReach(model, runtime, { ...question, ...(feeds && { feeds }) });
		const part = new PartialRun(model, runtime, reach, refusal.message);
		return { part, feeds: await runner.runAll(part) };
	};
	try {
		return await attempt().catch(async (error) => {
			if (!(error instanceof RuntimeError) || error.phase === 'load') {
				throw error;
			}
			return attempt((await plan.feeds(0, UNKNOWN_SIZES[0])).tensors);
		});
	} catch (error) {
		throw error instanceof RuntimeError ? refusal : error;
	}
}

/** Returns the inputs of the graph that are variances of layers, and so must not be negative. */
function varianceInputs(layers: readonly BatchNormLayer[]): Set<string> {
	const origins = layers.map(({ variance }) => variance.origin);
	return new Set(origins.flatMap((origin) => (origin.kind === 'graph-input' ? [origin.name] : [])));
}

function describe({ level, remark }: ModelRun, feeds: Feeds, plan: InputPlan) {
	const { runs } = plan;
	const times = runs === 1 ? '' : `, in ${runs} runs`;
	const inputs = feeds.summary.map((input) => {
		// The feeds of a run know only its own files.
		const from = runs === 1 ? input.from : wholeOrigin(plan.origin(input.name), input.from);
		return { ...input, from: `${from}${times}` };
	});
	return { feeds, level, remark, inputs };
}

/** Returns the origin of all runs, with the remark on reading that the first run's origin has in parentheses. */
function wholeOrigin(all: string | undefined, first: string): string {
	const [remark = ''] = / \([^()]*\)/.exec(first) ?? [];
	return all === undefined ? first : `${all}${remark}`;
}
