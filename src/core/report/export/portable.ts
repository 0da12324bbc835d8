import { baseName } from '../../text/names.js';
import type { Report } from '../types.js';

/** Folders of an absolute POSIX or Windows path within a sentence. */
const FOLDERS = /(?<![\w.])(?:[A-Za-z]:)?[\\/](?:[^\\/:"…\n]+[\\/])+/g;

/** Returns a report without the folders of this machine, for documents that people pass on. */
export function portable(report: Report): Report {
	const { model, run } = report;
	return {
		...report,
		model: { ...model, path: baseName(model.path) },
		run: {
			...run,
			inputs: run.inputs.map((input) => ({ ...input, from: withoutFolders(input.from) })),
		} as Report['run'],
	};
}

/** Returns a sentence with the base names of the absolute paths in it. */
export function withoutFolders(sentence: string): string {
	return sentence.replace(FOLDERS, '');
}
