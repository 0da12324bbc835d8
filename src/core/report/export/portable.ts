import { baseName } from '../../text/names.js';
import type { Comparison } from '../comparison/comparison.js';
import type { OutputComparison } from '../output-comparison.js';
import type { Report } from '../types.js';

/** Folders of an absolute POSIX or Windows path within a sentence. */
const FOLDERS = /(?<![\w.])(?:[A-Za-z]:)?[\\/](?:[^\\/:"…\n]+[\\/])+/g;

/**
 * Returns a report with other paths.
 * @param move returns a path, or a sentence with paths in it, with the paths to write
 */
export function relocated(report: Report, move: (text: string) => string): Report {
	const { model, run } = report;
	return {
		...report,
		model: { ...model, path: move(model.path) },
		run: {
			...run,
			inputs: run.inputs.map((input) => ({ ...input, from: move(input.from) })),
			...(run.reason !== undefined && { reason: move(run.reason) }),
		} as Report['run'],
	};
}

/** Returns a comparison likewise. */
export function relocatedComparison(comparison: Comparison, move: (text: string) => string): Comparison {
	const { original, deployed, notes, outputs } = comparison;
	return {
		...comparison,
		original: { ...original, path: move(original.path) },
		deployed: { ...deployed, path: move(deployed.path) },
		notes: notes.map(move),
		...(outputs && { outputs: movedOutputs(outputs, { from: move, reason: move }) }),
	};
}

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

/**
 * Returns a comparison likewise. Sentences lose the folders of the two models only, because names of layers look like
 * paths.
 */
export function portableComparison(comparison: Comparison): Comparison {
	const { original, deployed, notes, outputs } = comparison;
	const paths = [original.path, deployed.path].filter((path) => path !== '').sort((a, b) => b.length - a.length);
	const strip = (sentence: string) => paths.reduce((text, path) => text.replaceAll(path, baseName(path)), sentence);
	return {
		...comparison,
		original: { ...original, path: baseName(original.path) },
		deployed: { ...deployed, path: baseName(deployed.path) },
		notes: notes.map(strip),
		...(outputs && { outputs: movedOutputs(outputs, { from: withoutFolders, reason: strip }) }),
	};
}

function movedOutputs(
	outputs: OutputComparison,
	move: Readonly<Record<'from' | 'reason', (text: string) => string>>,
): OutputComparison {
	const { inputs, reason } = outputs;
	return {
		...outputs,
		...(inputs && { inputs: inputs.map((input) => ({ ...input, from: move.from(input.from) })) }),
		...(reason !== undefined && { reason: move.reason(reason) }),
	} as OutputComparison;
}

/** Returns a sentence with the base names of the absolute paths in it. */
export function withoutFolders(sentence: string): string {
	return sentence.replace(FOLDERS, '');
}
