import * as vscode from 'vscode';
import type { EngineClient } from '../engine/client.js';
import type { InputFile } from '../protocol/host-engine.js';
import { inspectModel, loadModel } from './load-model.js';
import { ModelSession } from './model-session.js';
import { ModelWatcher } from './model-watcher.js';
import { showRunProgress } from './run-progress.js';
import { readSettings } from './settings.js';

/** What the parts of the extension host share. */
export interface HostServices {
	readonly engine: EngineClient;
	readonly log: vscode.LogOutputChannel;
}

/** Settings that change what a report says. */
const READ_SETTINGS = ['runOnOpen', 'batch', 'seed', 'health', 'drift'];

/**
 * How long the first run waits for a page to show the table. Both want all the processors there are: started together
 * on two cores, the table came 150 ms later (0.60 instead of 0.75 s after the click) and the verdicts hardly earlier.
 */
const TABLE_PATIENCE_MILLISECONDS = 800;

/** One open model, however many tabs show it: its session, and what makes the session start over. */
export class ModelDocument implements vscode.CustomDocument {
	readonly uri: vscode.Uri;
	readonly session: ModelSession;
	private readonly disposed = new vscode.EventEmitter<void>();
	readonly onDidDispose = this.disposed.event;
	/** To be called when a page has the table on screen. */
	readonly tableShown: () => void;
	private readonly firstTable: Promise<void>;
	private readonly watcher: ModelWatcher;
	private readonly disposables: vscode.Disposable[];
	private closed = false;

	constructor(uri: vscode.Uri, { engine, log }: HostServices) {
		this.uri = uri;
		let tableShown = () => {};
		this.firstTable = new Promise((resolve) => {
			const timer = setTimeout(resolve, TABLE_PATIENCE_MILLISECONDS);
			tableShown = () => {
				clearTimeout(timer);
				resolve();
			};
		});
		this.tableShown = tableShown;
		this.session = new ModelSession({
			load: () => loadModel(uri),
			inspect: (inputs, hooks) => inspectModel(engine, uri, inputs, hooks),
			refusal: trustRefusal,
			log: (line) => log.error(line),
		});
		this.watcher = new ModelWatcher(uri, (change) => this.fileChanged(change));
		this.disposables = [
			this.watcher,
			vscode.workspace.onDidGrantWorkspaceTrust(() => this.runIfWanted()),
			vscode.workspace.onDidChangeConfiguration((event) => {
				if (READ_SETTINGS.some((name) => event.affectsConfiguration(`batchnormLens.${name}`, uri))) {
					void this.open();
				}
			}),
			showRunProgress(this.session, uri),
		];
	}

	/** Shows the structure and, where settings and trust allow, runs the model. Never rejects. */
	async open(): Promise<void> {
		await this.watcher.remember();
		if (await this.session.load()) {
			await this.watcher.setExternalFiles(this.session.model?.externalFiles ?? []);
			await this.firstTable;
			if (!this.closed && !this.session.running) {
				this.runIfWanted();
			}
		}
	}

	/**
	 * Runs the model; one that could not be read is tried again first.
	 * @param inputs files to feed; default: those of the last run.
	 */
	async run(inputs?: readonly InputFile[]): Promise<void> {
		if (this.session.problem === undefined || (await this.session.load())) {
			await this.session.run(inputs);
		}
	}

	dispose(): void {
		this.closed = true;
		this.tableShown();
		this.session.dispose();
		vscode.Disposable.from(...this.disposables).dispose();
		this.disposed.fire();
		this.disposed.dispose();
	}

	private runIfWanted(): void {
		if (readSettings(this.uri).runOnOpen) {
			void this.session.run();
		} else {
			this.session.skip(vscode.l10n.t('Running a model when it is opened is switched off in the settings.'));
		}
	}

	private fileChanged(change: 'changed' | 'deleted'): void {
		if (change === 'changed') {
			void this.open();
		} else {
			this.session.fail(vscode.l10n.t('{0} was deleted.', vscode.workspace.asRelativePath(this.uri)));
		}
	}
}

/** Running a model hands its file to native code: only with the user's trust in where it comes from. */
export function trustRefusal(): string | undefined {
	return vscode.workspace.isTrusted
		? undefined
		: vscode.l10n.t('The model was not run because this workspace is not trusted; its structure is shown as read.');
}
