import * as vscode from 'vscode';
import { describeError } from './describe-error.js';

/** Runs a handler whose outcome nobody waits for: whatever it throws is shown to the user and logged. Never rejects. */
export async function reportErrors(log: vscode.LogOutputChannel, task: () => unknown): Promise<void> {
	try {
		await task();
	} catch (error) {
		log.error(error instanceof Error ? error : String(error));
		offerLog(log, describeError(error));
	}
}

/** Not awaited by anyone: the message may stay on screen for as long as the user likes. */
function offerLog(log: vscode.LogOutputChannel, message: string): void {
	const showLog = vscode.l10n.t('Show Log');
	vscode.window.showErrorMessage(message, showLog).then((choice) => {
		if (choice === showLog) {
			log.show();
		}
	});
}
