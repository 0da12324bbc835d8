import * as vscode from 'vscode';
import { EngineError } from '../../engine/client.js';
import { showProgress } from '../shared/messages.js';
import { stageName } from './run-progress.js';

/** Progress of an engine task. */
type Show = (event: {
	readonly type: string;
	readonly stage?: Parameters<typeof stageName>[0];
	readonly done?: number;
	readonly total?: number;
}) => void;

/**
 * Shows a task of the engine in a notification with a button that cancels it.
 * @returns undefined when the user cancels.
 */
export async function withEngineProgress<T>(
	title: string,
	work: (signal: AbortSignal, show: Show) => Promise<T>,
): Promise<T | undefined> {
	return showProgress(title, async (report, token) => {
		const abort = new AbortController();
		const cancelled = token.onCancellationRequested(() => abort.abort());
		try {
			return await work(abort.signal, ({ stage, done = 0, total = 0 }) => {
				if (stage) {
					const words = stageName(stage);
					report(total > 1 ? vscode.l10n.t('{0}: {1} of {2}', words, done, total) : words);
				}
			});
		} catch (error) {
			if (error instanceof EngineError && error.code === 'cancelled') {
				return undefined;
			}
			throw error;
		} finally {
			cancelled.dispose();
		}
	});
}
