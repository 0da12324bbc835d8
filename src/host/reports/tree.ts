import * as vscode from 'vscode';
import { severityRank, worstSeverity } from '../../core/report/severity.js';
import { inert } from '../../core/text/names.js';
import type { ModelDocument } from '../model/model-document.js';
import type { OpenReports } from './open-reports.js';
import { type TreeRow, treeMessage, treeRow } from './tree-rows.js';

/** A layer of a model; `index` is its index in the report. */
export interface LayerNode {
	readonly document: ModelDocument;
	readonly index: number;
}

/** Icon and color; the tooltip has the words. */
const ICONS: Readonly<Record<TreeRow['state'], vscode.ThemeIcon>> = {
	error: new vscode.ThemeIcon('error', new vscode.ThemeColor('list.errorForeground')),
	warning: new vscode.ThemeIcon('warning', new vscode.ThemeColor('list.warningForeground')),
	info: new vscode.ThemeIcon('info'),
	match: new vscode.ThemeIcon('pass', new vscode.ThemeColor('testing.iconPassed')),
	skipped: new vscode.ThemeIcon('circle-slash'),
	pending: new vscode.ThemeIcon('circle-outline'),
};

/** Maximum attempts to select a row. A new view ignores selections until its tree is built. */
const MAX_ATTEMPTS = 10;
const ATTEMPT_MILLISECONDS = 100;

/**
 * Lists the layers of the current model in the explorer. A click opens the layer on its page; a layer opened on the
 * page is selected here.
 */
export class LayerTree implements vscode.TreeDataProvider<LayerNode>, vscode.Disposable {
	readonly #reports: OpenReports;
	readonly #changed = new vscode.EventEmitter<LayerNode[] | undefined>();
	readonly onDidChangeTreeData = this.#changed.event;
	readonly view: vscode.TreeView<LayerNode>;
	readonly #disposables: vscode.Disposable[];
	/**
	 * One object for each layer, created once. To reveal an unknown object, VS Code rebuilds all rows, and clicks on the
	 * old rows fail.
	 */
	readonly #nodes = new WeakMap<ModelDocument, LayerNode[]>();
	/** Rows that VS Code has requested; undefined before the first request and before a rebuild. */
	#listed: readonly LayerNode[] | undefined;
	/** Content of each row when VS Code requested it. */
	readonly #sentRows = new WeakMap<LayerNode, string>();

	constructor(reports: OpenReports) {
		this.#reports = reports;
		this.view = vscode.window.createTreeView('batchnormLens.layers', { treeDataProvider: this });
		this.#disposables = [
			this.view,
			this.#changed,
			reports.onDidSwitch(() => this.#update()),
			reports.onDidChange((document) => document === reports.current && this.#update()),
			reports.editors.onDidChangeActive(() => void this.#follow()),
			reports.editors.onDidChooseLayer((document) => document === reports.current && void this.#follow()),
			this.view.onDidChangeVisibility(() => void this.#follow()),
		];
	}

	getChildren(node?: LayerNode): LayerNode[] {
		const document = this.#reports.current;
		const layers = document?.session.report?.layers ?? [];
		if (node || !document) {
			return [];
		}
		const nodes = layers.map((_, index) => this.#nodeOf(document, index));
		this.#listed = nodes;
		return nodes;
	}

	/** Required for revealing a row. All rows are top-level. */
	getParent(): undefined {
		return undefined;
	}

	getTreeItem(node: LayerNode): vscode.TreeItem {
		const { document, index } = node;
		const layer = document.session.report?.layers[index];
		// The file was replaced by a model with fewer layers; the tree is about to be redrawn.
		if (!layer) {
			return new vscode.TreeItem('');
		}
		const row = treeRow(layer);
		this.#sentRows.set(node, JSON.stringify(row));
		const item = new vscode.TreeItem(row.label);
		item.id = `${index} ${document.uri.toString()}`;
		item.description = row.description;
		item.tooltip = row.tooltip;
		item.iconPath = ICONS[row.state];
		item.command = {
			command: 'batchnormLens.revealLayer',
			title: vscode.l10n.t('Show Layer'),
			arguments: [document.uri, layer.name],
		};
		return item;
	}

	dispose(): void {
		vscode.Disposable.from(...this.#disposables).dispose();
	}

	#update(): void {
		const document = this.#reports.current;
		const report = document?.session.report;
		const found =
			report?.layers.filter((layer) => severityRank(worstSeverity(layer.findings)) >= severityRank('warning')).length ??
			0;
		// Not a badge: on the explorer's icon it looks like unsaved files.
		const marked = found > 0 ? vscode.l10n.t('{0} with warnings or errors', found) : '';
		const description = document ? inert(vscode.workspace.asRelativePath(document.uri)) : '';
		this.view.description = [description, marked].filter((part) => part !== '').join(' · ');
		this.view.message =
			report?.layers.length === 0
				? vscode.l10n.t('No BatchNorm layer in this model.')
				: report
					? treeMessage(report)
					: '';
		this.#refresh(document);
		void this.#follow();
	}

	/**
	 * Rebuilds only rows with a changed text. A click during a rebuild ends in "Actual command not found", and a run
	 * changes rows many times per second.
	 */
	#refresh(document: ModelDocument | undefined): void {
		const layers = document?.session.report?.layers ?? [];
		const listed = this.#listed ?? [];
		if (listed.length === 0 || listed.length !== layers.length || listed[0]?.document !== document) {
			this.#listed = undefined;
			this.#changed.fire(undefined);
			return;
		}
		const changed = listed.filter(
			(node, i) => layers[i] && this.#sentRows.get(node) !== JSON.stringify(treeRow(layers[i])),
		);
		if (changed.length > 0) {
			this.#changed.fire(changed);
		}
	}

	/** Selects the layer open on the page and leaves the focus. */
	async #follow(): Promise<void> {
		for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
			const node = this.#nodeToSelect();
			if (!node) {
				return;
			}
			if (this.#listed) {
				// Rejects if the tree has changed meanwhile; that change calls this method again.
				await this.view.reveal(node, { select: true, focus: false }).then(undefined, () => undefined);
			}
			await new Promise((resolve) => setTimeout(resolve, ATTEMPT_MILLISECONDS));
		}
	}

	/** Returns the layer to select. Returns undefined for a hidden tree, because revealing would open its view. */
	#nodeToSelect(): LayerNode | undefined {
		const document = this.#reports.current;
		const index = document ? this.#reports.editors.chosenLayer(document) : null;
		if (!this.view.visible || !document || index === null || !document.session.report?.layers[index]) {
			return undefined;
		}
		const node = this.#nodeOf(document, index);
		return this.view.selection[0] === node ? undefined : node;
	}

	#nodeOf(document: ModelDocument, index: number): LayerNode {
		const nodes = this.#nodes.get(document) ?? [];
		this.#nodes.set(document, nodes);
		nodes[index] ??= { document, index };
		return nodes[index];
	}
}
