import type { EngineEvent } from '../../../protocol/host-engine.js';
import type { LayerChecker } from '../check/layer-checker.js';
import { symbolsOf } from '../inputs/dimensions.js';
import { runWithGuessedSizes } from '../inputs/guessed-sizes.js';
import type { Feeds, InputPlan } from '../inputs/inputs.js';
import type { OpenedModel } from '../model/opened-model.js';
import { requiredInputs } from '../model/required-inputs.js';
import type { CapturedLayers, Known, ModelRun, Run, RunContext, RunEvent, RunEvents } from './run-events.js';

/** Sends progress and reports of layers. */
export type EmitProgress = (event: Omit<ProgressEvent, 'id'> | Omit<LayerEvent, 'id'>) => void;
type ProgressEvent = Extract<EngineEvent, { type: 'progress' }>;
type LayerEvent = Extract<EngineEvent, { type: 'layer' }>;

/** Minimum interval between progress messages, in ms. A message per layer takes longer than verifying a small layer. */
const PROGRESS_MS = 50;

export interface RunnerSetup {
	readonly model: OpenedModel;
	readonly plan: InputPlan;
	/** Runs layers in bodies, after the graph around them. */
	readonly bodies: Run;
	readonly checker: LayerChecker;
	readonly emit: EmitProgress;
	readonly run: RunContext;
}

/** Runs a model on all inputs and checks each layer. */
export class Runner {
	readonly #setup: RunnerSetup;
	/** Time when reports of layers were last sent, in ms. */
	#lastSent = 0;

	constructor(setup: RunnerSetup) {
		this.#setup = setup;
	}

	/** @returns the feeds of the first run. @throws {RuntimeError | InputError} */
	async runAll(run: ModelRun): Promise<Feeds> {
		const { plan, checker, model } = this.#setup;
		const first = async (guess: Feeds) => {
			checker.restart(guess, run.unreached);
			await this.#runOnce(run, guess, 0);
		};
		const { feeds, unknownSize } = await runWithGuessedSizes(plan, first, model.model);
		for (let number = 1; number < plan.runs; number++) {
			await this.#runOnce(run, await plan.feeds(number, unknownSize), number);
		}
		return feeds;
	}

	/**
	 * Handles all events of a run. Reports of layers are sent during the last run only, since a later run changes them.
	 * They are sent before the run goes on, because the runtime may crash the process.
	 * @param number of the run, from 0
	 */
	async #runOnce(run: ModelRun, { tensors }: Feeds, number: number): Promise<void> {
		const { model, plan, checker, emit } = this.#setup;
		const { runs } = plan;
		const isLast = number === runs - 1;
		checker.startRun(number);
		emit({ type: 'progress', stage: 'running', done: number, total: runs });
		const symbols = symbolsOf(requiredInputs(model.model), tensors);
		let isVerifying = false;
		for await (const event of this.#events(run, { tensors, symbols })) {
			if (event.type === 'layers' && isLast && !isVerifying) {
				isVerifying = true;
				this.#emitVerifying(0);
			}
			await this.#handle(event, { number, isLast });
			if (isLast) {
				this.#sendChanged('run');
			}
		}
		if (isLast) {
			this.#sendChanged('ever');
		}
	}

	async *#events(run: ModelRun, known: Known): RunEvents {
		const { bodies, run: context } = this.#setup;
		yield* run.run(known, context);
		yield* bodies.run(known, context);
	}

	async #handle(event: RunEvent, run: { readonly number: number; readonly isLast: boolean }): Promise<void> {
		const { checker } = this.#setup;
		switch (event.type) {
			case 'unreached':
				checker.miss(event.index, event.why);
				break;
			case 'remark':
				checker.remark(event.index, event.text);
				break;
			case 'layers':
				await this.#check(event, run);
				break;
		}
	}

	/** Checks a group of layers while their tensors are valid. */
	async #check(
		{ layers, tensors }: CapturedLayers,
		{ number, isLast }: { readonly number: number; readonly isLast: boolean },
	): Promise<void> {
		const { checker, plan, run } = this.#setup;
		const folder = plan.runs === 1 ? '' : String(number);
		this.#lastSent = performance.now();
		await run.watch.time('verify', async () => {
			for (const { index, alone } of layers) {
				const prepared = checker.check(index, tensors, alone?.reason);
				if (prepared) {
					await checker.save(index, prepared, folder);
					alone?.provideOutput(checker.recompute(prepared));
				}
				if (isLast && performance.now() - this.#lastSent >= PROGRESS_MS) {
					this.#emitVerifying(index);
					this.#sendChanged('run');
				}
			}
		});
		// After all layers, because a person waits for the verdicts.
		await run.watch.time('judge', () => checker.judgeNormalizations());
	}

	#emitVerifying(done: number): void {
		const { model, emit } = this.#setup;
		emit({ type: 'progress', stage: 'verifying', done, total: model.layers.length });
	}

	/** Sends changed reports, of this run or of all. */
	#sendChanged(since: 'run' | 'ever'): void {
		const { checker, emit } = this.#setup;
		for (const index of checker.takeChanged(since)) {
			emit({ type: 'layer', index, layer: checker.report(index) });
		}
		this.#lastSent = performance.now();
	}
}
