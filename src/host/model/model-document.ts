import * as vscode from 'vscode';
import type { EngineClient, RequestHooks } from '../../engine/client.js';
import { readSettings } from '../shared/settings.js';
import { inspectModel, loadModel } from './load-model.js';
import { ModelSession } from './model-session.js';
import { ModelWatcher } from './model-watcher.js';
import type { RunMemory } from './run-memory.js';
import type { RunPlan } from './run-plan.js';
import { showRunProgress } from './run-progress.js';

/** Services that all parts of the extension host share. */
export interface HostServices {
	readonly engine: EngineClient;
	readonly log: vscode.LogOutputChannel;
}

export interface ModelServices extends HostServices {
	/** The last run plan of each model. */
	readonly memory: RunMemory;
}

/** Settings that change the content of a report. */
const READ_SETTINGS = ['runOnOpen', 'batch', 'seed', 'memoryBudget', 'health', 'drift'];

/**
 * Maximum delay of the first run until a page shows the table, in ms. Table and run both use all processors. On two
 * cores, running at once delayed the table by 150 ms (0.75 instead of 0.60 s after the click), and the verdicts came
 * hardly earlier.
 */
const MAX_TABLE_MILLISECONDS = 800;

/** An open model, shown in at least one tab. Restarts its session when the file, the settings or trust change. */
export class ModelDocument implements vscode.CustomDocument {
	readonly uri: vscode.Uri;
	readonly session: ModelSession;
	readonly #disposed = new vscode.EventEmitter<void>();
	readonly onDidDispose = this.#disposed.event;
	/** Call this when a page shows the table. */
	readonly tableShown: () => void;
	readonly #firstTable: Promise<void>;
	readonly #watcher: ModelWatcher;
	readonly #disposables: vscode.Disposable[];
	readonly #services: ModelServices;
	#closed = false;
	#begun: Promise<void> | undefined;

	constructor(uri: vscode.Uri, services: ModelServices) {
		const { engine, log, memory } = services;
		this.uri = uri;
		this.#services = services;
		let tableShown = () => {};
		this.#firstTable = new Promise((resolve) => {
			const timer = setTimeout(resolve, MAX_TABLE_MILLISECONDS);
			tableShown = () => {
				clearTimeout(timer);
				resolve();
			};
		});
		this.tableShown = tableShown;
		const ports = {
			load: () => loadModel(uri),
			inspect: (plan: RunPlan, hooks: RequestHooks) => inspectModel(engine, uri, plan, hooks),
			defaults: () => readSettings(uri),
			refusal: trustRefusal,
			log: (line: string) => log.error(line),
		};
		this.session = new ModelSession(ports, memory.get(uri.toString()));
		this.#watcher = new ModelWatcher(uri, (change) => this.#fileChanged(change));
		this.#disposables = [
			this.#watcher,
			vscode.workspace.onDidGrantWorkspaceTrust(() => {
				this.session.showForm();
				this.#runIfWanted();
			}),
			vscode.workspace.onDidChangeConfiguration((event) => {
				if (READ_SETTINGS.some((name) => event.affectsConfiguration(`batchnormLens.${name}`, uri))) {
					void this.open();
				}
			}),
			showRunProgress(this.session, uri),
		];
	}

	/** Opens the file for the first page; later calls do nothing. Never rejects. */
	begin(): Promise<void> {
		this.#begun ??= this.open();
		return this.#begun;
	}

	/** Shows the structure, then runs the model if settings and trust allow it. Never rejects. */
	async open(): Promise<void> {
		await this.#watcher.remember();
		if (await this.session.load()) {
			await this.#watcher.setExternalFiles(this.session.model?.externalFiles ?? []);
			await this.#firstTable;
			if (!this.#closed && !this.session.running) {
				this.#runIfWanted();
			}
		}
	}

	/** Sets the plan of later runs, and stores it for the next opening of the model. */
	async plan(plan: RunPlan): Promise<void> {
		this.session.plan = plan;
		await this.#services.memory.set(this.uri.toString(), plan);
	}

	/** Runs the model as planned. Reads the file again first if the last read failed. */
	async run(): Promise<void> {
		if (this.session.problem === undefined || (await this.session.load())) {
			await this.session.run();
		}
	}

	dispose(): void {
		this.#closed = true;
		this.tableShown();
		this.session.dispose();
		vscode.Disposable.from(...this.#disposables).dispose();
		this.#disposed.fire();
		this.#disposed.dispose();
	}

	#runIfWanted(): void {
		if (readSettings(this.uri).runOnOpen) {
			void this.session.run();
		} else {
			this.session.skip(vscode.l10n.t('The model was not run because the setting batchnormLens.runOnOpen is off.'));
		}
	}

	#fileChanged(change: 'changed' | 'deleted'): void {
		if (change === 'changed') {
			void this.open();
		} else {
			this.session.fail(vscode.l10n.t('{0} was deleted.', vscode.workspace.asRelativePath(this.uri)));
		}
	}
}

/** Returns why the model must not be run. Running passes the file to native code, so it needs the user's trust. */
export function trustRefusal(): string | undefined {
	return vscode.workspace.isTrusted
		? undefined
		: vscode.l10n.t('The model was not run because this workspace is not trusted. The page shows its structure.');
}
