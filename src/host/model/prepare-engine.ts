import * as vscode from 'vscode';
import type { EngineClient } from '../../engine/client.js';
import { readSettings } from '../shared/settings.js';
import type { ModelEditors } from './model-editors.js';

/** Delay after the activation, in ms. A model that opens meanwhile needs the processors itself. */
const DELAY = 1000;

/**
 * Makes an engine ready for the first model, if opening a model runs it. The extension is activated early in a workspace
 * with models, so that the engine is ready when the user opens one.
 */
export function prepareEngine(
	engine: Pick<EngineClient, 'prepare'>,
	editors: Pick<ModelEditors, 'onDidOpen'>,
	delay = DELAY,
): vscode.Disposable {
	const timer = setTimeout(() => {
		if (vscode.workspace.isTrusted && readSettings().runOnOpen) {
			engine.prepare();
		}
	}, delay);
	const opened = editors.onDidOpen(() => clearTimeout(timer));
	return new vscode.Disposable(() => {
		clearTimeout(timer);
		opened.dispose();
	});
}
