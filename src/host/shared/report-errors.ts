import * as vscode from 'vscode';
import { describeError } from './describe-error.js';
import { showMessage } from './messages.js';

/** Runs a handler, and shows and logs its error. Never rejects. */
export async function reportErrors(log: vscode.LogOutputChannel, task: () => unknown): Promise<void> {
	try {
		await task();
	} catch (error) {
		log.error(error instanceof Error ? error : String(error));
		offerLog(log, describeError(error));
	}
}

/** Returns at once: the message stays until the user closes it. */
function offerLog(log: vscode.LogOutputChannel, message: string): void {
	const showLog = vscode.l10n.t('Show Log');
	showMessage('error', message, showLog).then((choice) => {
		if (choice === showLog) {
			log.show();
		}
	});
}
