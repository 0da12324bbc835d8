import { structureReport } from '../../core/inspection/structure-report.js';
import { DEFAULT_MEMORY_BUDGET } from '../../core/report/run-choices.js';
import type { Stage } from '../../core/report/stages.js';
import type { LayerReport, Report, RunSummary } from '../../core/report/types.js';
import type { Kernel } from '../../kernel/types.js';
import type { InspectOptions, ModelLocation } from '../../protocol/host-engine.js';
import { LayerChecker } from './check/layer-checker.js';
import { makeFolder } from './check/saved-outputs.js';
import { inlineFunctions } from './model/inline-functions.js';
import { type OpenedModel, openModel } from './model/opened-model.js';
import { checkOptimized } from './optimized/check-optimized.js';
import { type Execution, execute } from './run/execute.js';
import { type Runtime, RuntimeError } from './runtime/runtime.js';
import type { TaskPorts } from './task-ports.js';
import { InputError } from './tensors/errors.js';

/**
 * Inspects a model end to end: structure, then a run, then each layer recomputed and compared.
 *
 * A run that fails (the runtime refuses the model, an input does not fit) leaves the structure as the result, with
 * `run.status` "failed" and the reason.
 * @throws {OnnxError} when the file cannot be read as a model.
 */
export async function inspect(location: ModelLocation, options: InspectOptions, ports: TaskPorts): Promise<Report> {
	const start = performance.now();
	ports.emit({ type: 'progress', stage: 'opening', done: 0, total: 1 });
	const open = await openModel(location);
	try {
		const structure = await structureReport(open, options.thresholds && { thresholds: options.thresholds });
		ports.emit({ type: 'structure', report: structure });
		if (!options.run || open.layers.length === 0) {
			const reason = options.run ? 'The model has no BatchNormalization to check.' : 'Running was switched off.';
			return withoutRun(structure, reason);
		}
		return await new Inspection(structure, open, options, ports).run(start);
	} finally {
		await open.close();
	}
}

/** The second half of an inspection: what a run adds to the structure. */
class Inspection {
	readonly #structure: Report;
	readonly #open: OpenedModel;
	readonly #options: InspectOptions;
	readonly #ports: TaskPorts;

	constructor(structure: Report, open: OpenedModel, options: InspectOptions, ports: TaskPorts) {
		this.#structure = structure;
		this.#open = open;
		this.#options = options;
		this.#ports = ports;
	}

	async run(start: number): Promise<Report> {
		const opened = performance.now();
		const kernel = await this.#ports.kernel();
		const runnable = (await inlineFunctions(this.#open)) ?? this.#open;
		const setup = { structure: this.#structure, layers: runnable.layers, kernel, options: this.#options };
		const checker = new LayerChecker(setup);
		let runtime: Runtime | undefined;
		try {
			if (this.#options.saveOutputs !== undefined) {
				// What cannot be written is told before the model has run.
				await makeFolder(this.#options.saveOutputs);
			}
			runtime = this.#ports.runtime();
			const execution = await this.#execute(runnable, { runtime, kernel, checker });
			const { model, remarks, compare } = await this.#compareOptimized(
				runnable,
				{ runtime, kernel, checker },
				execution,
			);
			const times = { open: opened - start, ...execution.milliseconds, ...compare, total: performance.now() - start };
			const run: RunSummary = {
				status: 'ok',
				...(remarks.length > 0 && { reason: remarks.join(' ') }),
				runtime: runtime.version,
				inputs: execution.inputs,
				milliseconds: times,
			};
			this.#ports.emit({ type: 'run', run });
			return { ...this.#structure, layers: this.#layers(checker), run, findings: model };
		} catch (error) {
			if (!(error instanceof RuntimeError || error instanceof InputError)) {
				throw error;
			}
			const failedAt = error instanceof InputError && asksForInput(this.#options) ? 'input' : 'model';
			const failure = { status: 'failed', reason: error.message, failedAt, runtime: runtime?.version ?? '' } as const;
			const layers = this.#layers(checker, 'Not checked: the run failed.');
			return { ...this.#structure, layers, run: { inputs: [], milliseconds: {}, ...failure } };
		}
	}

	#execute(open: OpenedModel, ports: { runtime: Runtime; kernel: Kernel; checker: LayerChecker }): Promise<Execution> {
		const progress = (stage: Stage, done = 0, total = 1) => this.#progress(stage, done, total);
		const onLayer = (index: number) => this.#emitLayer(ports.checker, index);
		return execute(open, this.#options, { ...ports, progress, onLayer });
	}

	/** After the verdicts, which are what a person waits for. */
	async #compareOptimized(
		open: OpenedModel,
		{ runtime, kernel, checker }: { runtime: Runtime; kernel: Kernel; checker: LayerChecker },
		execution: Execution,
	) {
		const { compareOptimized = true, memoryBudget: budget = DEFAULT_MEMORY_BUDGET, temporary } = this.#options;
		const remarks = execution.remark === undefined ? [] : [execution.remark];
		if (!compareOptimized || execution.partial || execution.level !== 'disabled') {
			return { model: [], remarks, compare: {} };
		}
		const start = performance.now();
		this.#progress('comparing', 0, 1);
		const { outputs, feeds } = execution;
		const check = await checkOptimized(open, runtime, {
			outputs,
			feeds: feeds.tensors,
			memory: { kernel, budget },
			temporary,
		});
		for (const [index, finding] of check.layers) {
			checker.addFusionFinding(index, finding);
		}
		for (const index of checker.takeChanged('ever')) {
			this.#emitLayer(checker, index);
		}
		const compare = { compare: performance.now() - start };
		return { model: check.model, remarks: [...remarks, ...(check.remark ? [check.remark] : [])], compare };
	}

	#layers(checker: LayerChecker, unknown?: string): LayerReport[] {
		return this.#structure.layers.map((_, index) => checker.report(index, unknown));
	}

	#emitLayer(checker: LayerChecker, index: number): void {
		this.#ports.emit({ type: 'layer', index, layer: checker.report(index) });
	}

	#progress(stage: Stage, done: number, total: number): void {
		this.#ports.emit({ type: 'progress', stage, done, total });
	}
}

/** Whether anything of what the model is fed, and of where its outputs go, was said rather than left to the defaults. */
function asksForInput({ inputs, dimensions = {}, batch, saveOutputs }: InspectOptions): boolean {
	return inputs.length > 0 || Object.keys(dimensions).length > 0 || batch !== 1 || saveOutputs !== undefined;
}

function withoutRun(structure: Report, reason: string): Report {
	const recompute = { status: 'skipped', reason: 'Not checked: the model was not run.' } as const;
	return {
		...structure,
		layers: structure.layers.map((layer) => ({ ...layer, recompute })),
		run: { status: 'skipped', reason, runtime: '', inputs: [], milliseconds: {} },
	};
}
