import type { RunnableInput } from '../../core/report/run-choices.js';
import type { Report, RunSummary } from '../../core/report/types.js';
import { EngineError, type EngineProgress, type RequestHooks } from '../../engine/client.js';
import type { HostToWebview } from '../../protocol/host-webview.js';
import { describeError } from '../shared/describe-error.js';
import { withLayer, withoutResults, withRun } from './report-update.js';
import { fitPlan, NO_PLAN, type RunDefaults, type RunPlan, runForm } from './run-plan.js';

/** What is known of a model from its file alone. */
export interface LoadedModel {
	/** Structure only: its run is "pending". */
	readonly report: Report;
	/** The inputs that a run needs values for. */
	readonly inputs: readonly RunnableInput[];
	/** Files in the model's folder that hold its external data. */
	readonly externalFiles: readonly string[];
}

/** What a session asks of its surroundings. */
export interface SessionPorts {
	/** Reads the structure. Rejections are shown to the user as they are. */
	load(): Promise<LoadedModel>;
	/** Runs and checks the model in the engine. */
	inspect(plan: RunPlan, hooks: RequestHooks): Promise<Report>;
	/** What is used where a plan says nothing. */
	defaults(): RunDefaults;
	/** Why the model must not be run now, in one sentence; undefined: it may. */
	refusal(): string | undefined;
	/** Receives what went wrong beyond what the page says. */
	log(line: string): void;
}

type Progress = Extract<HostToWebview, { type: 'progress' }>['progress'];

/**
 * The state of one open model: its report as far as it is known, the run under way, and what is wrong with the file.
 * Every change is announced as the message that pages need; {@link snapshot} serves a page that comes later.
 */
export class ModelSession {
	readonly #ports: SessionPorts;
	readonly #listeners = new Set<(message: HostToWebview) => void>();
	#loaded: LoadedModel | undefined;
	#report: Report | undefined;
	#problem: string | undefined;
	#progress: Progress = null;
	#run: AbortController | undefined;
	#plan: RunPlan;
	/** Counts loads, so that a slow one cannot overwrite what came after it. */
	#generation = 0;
	#disposed = false;

	/** @param plan of an earlier time. */
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

	/** How every run from now on is made. */
	get plan(): RunPlan {
		return this.#plan;
	}

	set plan(plan: RunPlan) {
		this.#plan = plan;
		this.showForm();
	}

	/** What is wrong with the file, when something is. */
	get problem(): string | undefined {
		return this.#problem;
	}

	get running(): boolean {
		return this.#run !== undefined;
	}

	/** @returns a function that ends the subscription. */
	onMessage(listener: (message: HostToWebview) => void): () => void {
		this.#listeners.add(listener);
		return () => this.#listeners.delete(listener);
	}

	/** Everything a page needs that starts to listen now. */
	snapshot(): HostToWebview[] {
		const messages: HostToWebview[] = [];
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
	 * Reads the file, anew if it was read before. Never rejects: a file that cannot be read leaves the last good report
	 * in place, with `problem` set.
	 * @returns true when the structure is now shown.
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

	/** The file itself is the problem (deleted, invalid): the page keeps what it shows, under a banner. */
	fail(message: string): void {
		this.#stop();
		this.#generation += 1;
		this.#problem = message;
		this.skip(message);
		this.#emit({ type: 'failure', message });
	}

	/** Runs the model as planned, ending the run before it. Never rejects: how it ended is in the report's `run`. */
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
				this.#show(report);
			}
		} catch (error) {
			if (this.#finish(abort)) {
				const reason = describeError(error);
				ports.log(error instanceof EngineError ? `${error.code}: ${reason}` : reason);
				this.#end('failed', reason);
			}
		}
	}

	/** Ends the run under way, if any; what it has found so far stays. */
	cancel(): void {
		if (this.#stop()) {
			this.skip('The run was cancelled.');
		}
	}

	/** Announces the form anew: after a change of the plan, of the settings or of trust. */
	showForm(): void {
		if (this.#loaded && !this.#disposed) {
			this.#emit(this.#createForm(this.#loaded));
		}
	}

	/** Says why the layers that still wait for a verdict will not get one. */
	skip(reason: string): void {
		if (this.#report?.run.status === 'pending') {
			this.#end('skipped', reason);
		}
	}

	/** Ends the run under way, and says so: who shows its progress outside the page has to take it away. */
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
			case 'layer': {
				const report = withLayer(this.#report, event.index, event.layer);
				if (report) {
					this.#report = report;
					this.#emit({ type: 'layer', index: event.index, layer: event.layer });
				}
				return;
			}
			case 'run':
				this.#report = withRun(this.#report, event.run);
				this.#emit({ type: 'run', run: event.run });
				return;
			case 'structure':
				// The page has it already: the host reads the structure itself, before the engine is up.
				return;
			default:
				event satisfies never;
		}
	}

	/** @returns false when this run is no longer the one under way. */
	#finish(run: AbortController): boolean {
		if (this.#run !== run) {
			return false;
		}
		this.#run = undefined;
		this.#setProgress(null);
		return true;
	}

	/** @returns true when a run was under way. */
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
			const run: RunSummary = { ...this.#report.run, status, reason };
			this.#show(withoutResults(withRun(this.#report, run), reason));
		}
	}

	#show(report: Report): void {
		this.#report = report;
		this.#emit({ type: 'report', report });
	}

	#createForm({ inputs }: LoadedModel): HostToWebview {
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

	#setProgress(progress: Progress): void {
		this.#progress = progress;
		this.#emit({ type: 'progress', progress });
	}

	#emit(message: HostToWebview): void {
		for (const listener of this.#listeners) {
			listener(message);
		}
	}
}
