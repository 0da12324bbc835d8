import * as vscode from 'vscode';
import { EngineClient } from './engine/client.js';
import { registerAssistantTools } from './host/assistant/assistant-tools.js';
import { registerComparisonCommands } from './host/comparison/comparison-commands.js';
import { Comparisons } from './host/comparison/comparisons.js';
import { registerCommands } from './host/model/commands.js';
import { DefaultEditor } from './host/model/default-editor.js';
import { MODEL_VIEW_TYPE, ModelEditors } from './host/model/model-editors.js';
import { prepareEngine } from './host/model/prepare-engine.js';
import { RunMemory } from './host/model/run-memory.js';
import { NotebookInspector } from './host/notebook/notebook.js';
import { OpenReports } from './host/reports/open-reports.js';
import { Problems } from './host/reports/problems.js';
import { registerReportCommands } from './host/reports/report-commands.js';
import { ReportText } from './host/reports/report-text.js';
import { LayerTree } from './host/reports/tree.js';

/** API for tests inside VS Code, which cannot look into a webview. No other code may use it. */
export interface TestApi {
	readonly editors: ModelEditors;
	readonly engine: EngineClient;
	readonly tree: LayerTree;
	readonly comparisons: Comparisons;
}

export function activate(context: vscode.ExtensionContext): TestApi | undefined {
	const log = vscode.window.createOutputChannel('BatchNorm Lens', { log: true });
	const engine = new EngineClient({
		entry: vscode.Uri.joinPath(context.extensionUri, 'dist', 'engine', 'main.js').fsPath,
		onLog: (line) => log.info(`engine: ${line}`),
	});
	const services = { engine, log };
	const memory = new RunMemory(context.workspaceState);
	const editors = new ModelEditors({ ...services, memory }, context.extensionUri);
	const comparisons = new Comparisons(services, context.extensionUri);
	const reports = new OpenReports(editors);
	const tree = new LayerTree(reports);
	const text = new ReportText(reports);
	const source = {
		dist: vscode.Uri.joinPath(context.extensionUri, 'dist').fsPath,
		version: String(context.extension.packageJSON.version),
	};
	// Disposed in this order: parts that use the engine and the log before both.
	context.subscriptions.push(
		registerCommands(editors, new DefaultEditor(context, MODEL_VIEW_TYPE), log),
		registerComparisonCommands({ editors, comparisons, source }, services),
		comparisons,
		registerReportCommands({
			reports,
			text,
			source,
			cells: vscode.Uri.joinPath(context.extensionUri, 'media', 'cells'),
			log,
		}),
		tree,
		text,
		new Problems(reports),
		prepareEngine(engine, editors),
		reports,
		registerAssistantTools(services),
		new NotebookInspector(services, vscode.notebooks.createRendererMessaging('batchnorm-lens-renderer')),
		editors,
		engine,
		log,
	);
	return context.extensionMode === vscode.ExtensionMode.Test ? { editors, engine, tree, comparisons } : undefined;
}
