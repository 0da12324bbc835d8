import type { BatchNormLayer } from '../../../core/batchnorm/layer.js';
import { DEFAULT_MEMORY_BUDGET } from '../../../core/report/run-choices.js';
import type { Stage as Progress } from '../../../core/report/stages.js';
import type { RunInput } from '../../../core/report/types.js';
import type { Kernel } from '../../../kernel/types.js';
import type { InspectOptions } from '../../../protocol/host-engine.js';
import type { LayerChecker } from '../check/layer-checker.js';
import { symbolsOf } from '../inputs/dimensions.js';
import { type Feeds, type InputPlan, planInputs } from '../inputs/inputs.js';
import type { OpenedModel } from '../model/opened-model.js';
import { requiredInputs } from '../model/required-inputs.js';
import { type OptimizationLevel, type Runtime, RuntimeError } from '../runtime/runtime.js';
import type { RuntimeTensor } from '../tensors/tensor.js';
import { ControlFlow } from './control-flow.js';
import type { ModelRun, RunPorts } from './model-run.js';
import { findReach } from './obstacles.js';
import { PartialRun } from './partial-run.js';
import { WholeRun } from './whole-run.js';

/** What running a model left behind, beside what the checker has collected. */
export interface Execution {
	/** Of the first run. */
	readonly feeds: Feeds;
	readonly inputs: readonly RunInput[];
	/** Level at which the runtime took the model. */
	readonly level: OptimizationLevel;
	/** Only a part of the model could be run. */
	readonly partial: boolean;
	readonly remark: string | undefined;
	/** The model's own outputs in the first run, where the whole model ran at once. */
	readonly outputs: ReadonlyMap<string, RuntimeTensor>;
	/** Stage -> milliseconds. */
	readonly milliseconds: Readonly<Record<string, number>>;
}

export interface ExecutePorts {
	readonly runtime: Runtime;
	readonly kernel: Kernel;
	readonly checker: LayerChecker;
	readonly progress: (stage: Progress, done?: number, total?: number) => void;
	/** A layer's report is complete. */
	readonly onLayer: (index: number) => void;
}

/**
 * Sizes tried for unknown dimensions, one after the other, until the model runs: 1 is cheapest, and enough for most
 * graphs; convolutions without padding and fully connected heads need more, and 224 is what image networks are made for.
 */
const UNKNOWN_SIZES = [1, 64, 224] as const;

/** Between two tellings of which layers are verified: each layer is a message, which takes longer than a small one does. */
const PROGRESS_MS = 50;

/**
 * Runs the model, or as much of it as the runtime takes, and hands every layer's tensors to the checker.
 * @throws {RuntimeError | InputError | OnnxError} one sentence: what the runtime or the input lacks.
 */
export async function execute(open: OpenedModel, options: InspectOptions, ports: ExecutePorts): Promise<Execution> {
	const milliseconds: Record<string, number> = {};
	const plan = await planInputs(requiredInputs(open.model), {
		...options,
		files: options.inputs,
		positive: varianceInputs(open.layers),
	});
	const inner = new ControlFlow(open, ports.runtime);
	const runner = new Runner(open, options, ports, { plan, milliseconds, inner });
	ports.progress('loading');
	const whole = new WholeRun(open, ports.runtime);
	try {
		for (const why of plan.unfed.values()) {
			throw new RuntimeError(why);
		}
		const feeds = await runner.runAll(whole);
		return { ...describe(whole, feeds, plan), partial: false, outputs: whole.outputs, milliseconds };
	} catch (refusal) {
		if (!(refusal instanceof RuntimeError)) {
			throw refusal;
		}
		const { part, feeds } = await runInPart(open, ports.runtime, { runner, plan, refusal });
		if (!part.reachesAny && !ports.checker.hasResults) {
			throw refusal;
		}
		return { ...describe(part, feeds, plan), partial: true, outputs: new Map(), milliseconds };
	} finally {
		await whole.dispose();
		await inner.dispose();
	}
}

/** @throws {RuntimeError} the refusal of the whole model, which is the reason to tell, where no part of it runs */
async function runInPart(
	open: OpenedModel,
	runtime: Runtime,
	{ runner, plan, refusal }: { readonly runner: Runner; readonly plan: InputPlan; readonly refusal: RuntimeError },
) {
	const question = { refusal, unfed: new Set(plan.unfed.keys()) };
	const attempt = async (feeds?: Feeds['tensors']) => {
		const reach = await findReach(open, runtime, { ...question, ...(feeds && { feeds }) });
		const part = new PartialRun(open, runtime, reach, refusal.message);
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

function varianceInputs(layers: readonly BatchNormLayer[]): Set<string> {
	const origins = layers.map(({ variance }) => variance.origin);
	return new Set(origins.flatMap((origin) => (origin.kind === 'graph-input' ? [origin.name] : [])));
}

function describe({ level, remark }: ModelRun, feeds: Feeds, { runs }: InputPlan) {
	const times = runs === 1 ? '' : `, in ${runs} runs`;
	return { feeds, level, remark, inputs: feeds.summary.map((input) => ({ ...input, from: `${input.from}${times}` })) };
}

/** Runs a model on all of its inputs, layer by layer into the checker. */
class Runner {
	readonly #open: OpenedModel;
	readonly #options: InspectOptions;
	readonly #ports: ExecutePorts;
	readonly #plan: InputPlan;
	readonly #inner: ControlFlow;
	readonly #milliseconds: Record<string, number>;
	/** Time when changed layers were last reported, in ms. */
	#lastReport = Number.NEGATIVE_INFINITY;

	constructor(
		open: OpenedModel,
		options: InspectOptions,
		ports: ExecutePorts,
		work: {
			readonly plan: InputPlan;
			readonly milliseconds: Record<string, number>;
			/** Runs what is in bodies, after the graph around them. */
			readonly inner: ControlFlow;
		},
	) {
		this.#open = open;
		this.#options = options;
		this.#ports = ports;
		this.#plan = work.plan;
		this.#inner = work.inner;
		this.#milliseconds = work.milliseconds;
	}

	/** @returns the feeds of the first run. @throws {RuntimeError | InputError} */
	async runAll(run: ModelRun): Promise<Feeds> {
		const { runs } = this.#plan;
		const { feeds, unknownSize } = await this.#firstRun(run);
		for (let number = 1; number < runs; number++) {
			await this.#runOnce(run, await this.#plan.feeds(number, unknownSize), number);
		}
		return feeds;
	}

	/** Finds the size of unknown dimensions on the way. */
	async #firstRun(run: ModelRun): Promise<{ feeds: Feeds; unknownSize: number }> {
		let failure: unknown;
		for (const unknownSize of this.#plan.guesses ? UNKNOWN_SIZES : UNKNOWN_SIZES.slice(0, 1)) {
			const feeds = await this.#plan.feeds(0, unknownSize);
			this.#ports.checker.restart(feeds, run.unreached);
			try {
				await this.#runOnce(run, feeds, 0);
				return { feeds, unknownSize };
			} catch (error) {
				failure ??= error;
				if (!(error instanceof RuntimeError) || error.phase === 'load') {
					break;
				}
			}
		}
		throw failure;
	}

	async #runOnce(run: ModelRun, { tensors }: Feeds, number: number): Promise<void> {
		const { kernel, checker, progress } = this.#ports;
		const { runs } = this.#plan;
		checker.startRun(number);
		const total = this.#open.layers.length;
		const isLast = number === runs - 1;
		let isVerifying = false;
		const reportChanged = () => isLast && this.#reportChanged('run');
		progress('running', number, runs);
		const symbols = symbolsOf(requiredInputs(this.#open.model), tensors);
		const ports: RunPorts = {
			kernel,
			budget: this.#options.memoryBudget ?? DEFAULT_MEMORY_BUDGET,
			timed: (name, work) => {
				if (name !== 'judge') {
					// The runtime may take the whole process down; and who waits for verification hears of the first layers in 50 ms.
					reportChanged();
				}
				if (name === 'verify' && isLast && !isVerifying) {
					isVerifying = true;
					progress('verifying', 0, total);
				}
				return this.#timed(name, work);
			},
			unreached: (index, reason, cause) => {
				checker.miss(index, { reason, ...(cause && { cause }) });
			},
			remark: (index, text) => {
				checker.remark(index, text);
			},
			judge: () => checker.judgeNormalizations(),
			recompute: (prepared) => checker.recompute(prepared),
			check: async (index, captured, alone) => {
				const prepared = checker.check(index, captured, alone);
				if (prepared) {
					await checker.save(index, prepared, runs === 1 ? '' : String(number));
				}
				if (isLast) {
					if (performance.now() - this.#lastReport >= PROGRESS_MS) {
						progress('verifying', index, total);
						reportChanged();
					}
				}
				return prepared;
			},
		};
		await run.run({ tensors, symbols }, ports);
		await this.#inner.run({ tensors, symbols }, ports);
		if (isLast) {
			this.#reportChanged('ever');
		}
	}

	/** Sends the layers whose reports changed. */
	#reportChanged(since: 'run' | 'ever'): void {
		for (const index of this.#ports.checker.takeChanged(since)) {
			this.#ports.onLayer(index);
		}
		this.#lastReport = performance.now();
	}

	async #timed<T>(name: string, work: () => Promise<T>): Promise<T> {
		const start = performance.now();
		try {
			return await work();
		} finally {
			this.#milliseconds[name] = (this.#milliseconds[name] ?? 0) + performance.now() - start;
		}
	}
}
