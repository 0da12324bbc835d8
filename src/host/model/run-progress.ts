import * as vscode from 'vscode';
import { STAGES, type Stage } from '../../core/report/stages.js';
import { showProgress } from '../shared/messages.js';
import type { ModelSession, SessionMessage } from './model-session.js';

/** Duration of a run, in ms, after which a notification appears. The page shows progress at once. */
const PATIENCE_MILLISECONDS = 2000;

/** Shows a notification with a cancel button for every long run. */
export function showRunProgress(session: ModelSession, model: vscode.Uri): vscode.Disposable {
	let timer: NodeJS.Timeout | undefined;
	const unsubscribe = session.onMessage((message) => {
		if (message.type !== 'progress') {
			return;
		}
		if (message.progress === null) {
			clearTimeout(timer);
			timer = undefined;
		} else {
			timer ??= setTimeout(() => notify(session, model), PATIENCE_MILLISECONDS);
		}
	});
	return new vscode.Disposable(() => {
		clearTimeout(timer);
		unsubscribe();
	});
}

function notify(session: ModelSession, model: vscode.Uri): void {
	const title = vscode.l10n.t('Checking {0}', vscode.workspace.asRelativePath(model));
	void showProgress(title, (report, token) => {
		const cancelled = token.onCancellationRequested(() => session.cancel());
		return new Promise<void>((resolve) => {
			const show = (message: SessionMessage) => {
				if (message.type === 'progress' && message.progress) {
					report(progressText(message.progress));
				} else if (message.type === 'progress') {
					unsubscribe();
					cancelled.dispose();
					resolve();
				}
			};
			const unsubscribe = session.onMessage(show);
			session.snapshot().forEach(show);
		});
	});
}

function progressText({ stage, done, total }: { stage: Stage; done: number; total: number }): string {
	return total > 1 ? vscode.l10n.t('{0}: {1} of {2}', stageName(stage), done, total) : stageName(stage);
}

/** Returns the words for a stage, translated. */
export function stageName(stage: Stage): string {
	return vscode.l10n.t(STAGES[stage]);
}
