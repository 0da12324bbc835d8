import { CHECKPOINT_RUN, isCheckpoint } from '../../core/report/formats.js';
import type { RunnableInput } from '../../core/report/run-choices.js';
import type { Report } from '../../core/report/types.js';
import { applyEvent, endRun, interruptedRun } from '../../core/report/update.js';
import { EngineError, type EngineProgress, type RequestHooks } from '../../engine/client.js';
import type { HostToWebview } from '../../protocol/host-webview.js';
import type { PageProgress } from '../../protocol/page.js';
import { describeError } from '../shared/describe-error.js';
import { fitPlan, NO_PLAN, type RunDefaults, type RunPlan, runForm } from './run-plan.js';

/** A model as read from its file, without a run. */
export interface LoadedModel {
	/** Report of the structure; the status of its run is "pending". */
	readonly report: Report;
	/** Inputs that need values in a run. */
	readonly inputs: readonly RunnableInput[];
	/** Files in the model's folder that hold its external data. */
	readonly externalFiles: readonly string[];
}

/** Message of a session to its listeners. */
export type SessionMessage =
	| Exclude<HostToWebview, { readonly type: 'changes' }>
	/** A later state of the last report, with the same layers. */
	| { readonly type: 'update'; readonly report: Report };

/** Functions that a session calls; fakes replace them in tests. */
export interface SessionPorts {
	/** Reads the structure. Rejections are shown to the user unchanged. */
	load(): Promise<LoadedModel>;
	/** Runs and checks the model in the engine. */
	inspect(plan: RunPlan, hooks: RequestHooks): Promise<Report>;
	/** Values for all settings that a plan leaves open. */
	defaults(): RunDefaults;
	/** Returns the reason why the model must not be run now, as a sentence; undefined if it may run. */
	refusal(): string | undefined;
	/** Writes a line about a failure to the log. */
	log(line: string): void;
}

/**
 * State of an open model: its report, the run under way, and the problem with its file. Sends every change to the
 * listeners. {@link snapshot} brings a new page up to date.
 */
export class ModelSession {
	readonly #ports: SessionPorts;
	readonly #listeners = new Set<(message: SessionMessage) => void>();
	#loaded: LoadedModel | undefined;
	#report: Report | undefined;
	#problem: string | undefined;
	#progress: PageProgress | null = null;
	#run: AbortController | undefined;
	#plan: RunPlan;
	/** Number of loads. A load with an outdated number is discarded. */
	#generation = 0;
	#disposed = false;

	/** @param plan Plan stored for this model. */
	constructor(ports: SessionPorts, plan: RunPlan = NO_PLAN) {
		this.#ports = ports;
		this.#plan = plan;
	}

	get report(): Report | undefined {
		return this.#report;
	}

	get model(): LoadedModel | undefined {
		return this.#loaded;
	}

	/** Plan of all later runs. */
	get plan(): RunPlan {
		return this.#plan;
	}

	set plan(plan: RunPlan) {
		this.#plan = plan;
		this.showForm();
	}

	/** Problem with the file, as a sentence; undefined without a problem. */
	get problem(): string | undefined {
		return this.#problem;
	}

	get running(): boolean {
		return this.#run !== undefined;
	}

	/** @returns A function that ends the subscription. */
	onMessage(listener: (message: SessionMessage) => void): () => void {
		this.#listeners.add(listener);
		return () => this.#listeners.delete(listener);
	}

	/** Returns the messages that bring a new page up to date. */
	snapshot(): SessionMessage[] {
		const messages: SessionMessage[] = [];
		if (this.#report) {
			messages.push({ type: 'report', report: this.#report });
		}
		if (this.#loaded) {
			messages.push(this.#createForm(this.#loaded));
		}
		if (this.#problem !== undefined) {
			messages.push({ type: 'failure', message: this.#problem });
		}
		if (this.#progress) {
			messages.push({ type: 'progress', progress: this.#progress });
		}
		return messages;
	}

	/**
	 * Reads the file. Never rejects. An unreadable file sets `problem` and keeps the last valid report.
	 * @returns true if the structure is now shown.
	 */
	async load(): Promise<boolean> {
		if (this.#disposed) {
			return false;
		}
		this.#stop();
		this.#generation += 1;
		const generation = this.#generation;
		try {
			const loaded = await this.#ports.load();
			if (generation === this.#generation) {
				this.#loaded = loaded;
				this.#recover();
				this.#show(loaded.report);
				this.showForm();
				return true;
			}
		} catch (error) {
			if (generation === this.#generation) {
				this.fail(describeError(error));
			}
		}
		return false;
	}

	/** Reports a problem with the file itself (deleted, invalid). The page keeps its content under a banner. */
	fail(message: string): void {
		this.#stop();
		this.#generation += 1;
		this.#problem = message;
		this.skip(message);
		this.#emit({ type: 'failure', message });
	}

	/** Ends the run under way and runs the model as planned. Never rejects; the report's `run` holds the result. */
	async run(): Promise<void> {
		this.#stop();
		const loaded = this.#loaded;
		const ports = this.#ports;
		if (!loaded || this.#problem !== undefined || this.#disposed) {
			return;
		}
		const refusal =
			loaded.report.layers.length === 0
				? 'The model has no BatchNormalization layer, so there is nothing to run it for.'
				: isCheckpoint(loaded.report.model)
					? CHECKPOINT_RUN
					: ports.refusal();
		if (refusal !== undefined) {
			this.#show(loaded.report);
			this.skip(refusal);
			return;
		}
		const abort = new AbortController();
		this.#run = abort;
		if (this.#report !== loaded.report) {
			this.#show(loaded.report);
		}
		this.#setProgress({ stage: 'opening', done: 0, total: 1 });
		try {
			const onEvent = (event: EngineProgress) => this.#follow(abort, event);
			const plan = fitPlan(this.#plan, loaded.inputs);
			const report = await ports.inspect(plan, { signal: abort.signal, onEvent });
			if (this.#finish(abort)) {
				this.#update(report);
			}
		} catch (error) {
			if (this.#finish(abort)) {
				const reason = describeError(error);
				ports.log(error instanceof EngineError ? `${error.code}: ${reason}` : reason);
				this.#end('failed', reason);
			}
		}
	}

	/** Ends the current run. Earlier results stay. */
	cancel(): void {
		if (this.#stop()) {
			this.skip('The run was cancelled.');
		}
	}

	/** Sends the form after a change of plan, settings or trust. */
	showForm(): void {
		if (this.#loaded && !this.#disposed) {
			this.#emit(this.#createForm(this.#loaded));
		}
	}

	/** Gives layers without a verdict a reason for its absence. */
	skip(reason: string): void {
		if (this.#report?.run.status === 'pending') {
			this.#end('skipped', reason);
		}
	}

	/** Ends the run under way, and announces its end, so that notifications outside the page close. */
	dispose(): void {
		this.#stop();
		this.#listeners.clear();
		this.#generation += 1;
		this.#disposed = true;
	}

	#follow(run: AbortController, event: EngineProgress): void {
		if (this.#run !== run || !this.#report) {
			return;
		}
		switch (event.type) {
			case 'progress':
				this.#setProgress({ stage: event.stage, done: event.done, total: event.total });
				return;
			case 'layer':
			case 'run': {
				const report = applyEvent(this.#report, event);
				if (report !== this.#report) {
					this.#update(report);
				}
				return;
			}
			case 'structure':
				// The page has the structure: the host reads it before the run.
				return;
			default:
				event satisfies never;
		}
	}

	/** @returns false if another run has replaced this run. */
	#finish(run: AbortController): boolean {
		if (this.#run !== run) {
			return false;
		}
		this.#run = undefined;
		this.#setProgress(null);
		return true;
	}

	/** @returns true if a run was under way. */
	#stop(): boolean {
		const run = this.#run;
		if (!run) {
			return false;
		}
		this.#finish(run);
		run.abort();
		return true;
	}

	#end(status: 'failed' | 'skipped', reason: string): void {
		if (this.#report) {
			this.#show(endRun(this.#report, interruptedRun(this.#report.run, { status, reason }), reason));
		}
	}

	#show(report: Report): void {
		this.#report = report;
		this.#emit({ type: 'report', report });
	}

	#update(report: Report): void {
		this.#report = report;
		this.#emit({ type: 'update', report });
	}

	#createForm({ inputs }: LoadedModel): SessionMessage {
		const ports = this.#ports;
		const form = runForm(this.#plan, inputs, {
			defaults: ports.defaults(),
			trusted: ports.refusal() === undefined,
		});
		return { type: 'form', form };
	}

	#recover(): void {
		if (this.#problem !== undefined) {
			this.#problem = undefined;
			this.#emit({ type: 'recovered' });
		}
	}

	#setProgress(progress: PageProgress | null): void {
		this.#progress = progress;
		this.#emit({ type: 'progress', progress });
	}

	#emit(message: SessionMessage): void {
		for (const listener of this.#listeners) {
			listener(message);
		}
	}
}
