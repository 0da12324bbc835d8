import { once } from 'node:events';
import { readFile, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import path from 'node:path';
import type { Comparison } from '../core/report/comparison/comparison.js';
import { comparisonCsvPieces } from '../core/report/export/comparison/csv.js';
import { reportCsvPieces } from '../core/report/export/csv.js';
import {
	type ExportFormat,
	type ExportOptions,
	exportComparison,
	exportReport,
	FORMATS,
} from '../core/report/export/index.js';
import { relocated, relocatedComparison } from '../core/report/export/portable.js';
import type { JunitOptions } from '../core/report/export/text/junit-xml.js';
import type { Report } from '../core/report/types.js';
import { readPageParts } from '../platform/page-parts.js';
import { identities, replaceFile } from '../platform/replace-file.js';
import { asWriteError } from '../platform/write-error.js';
import { interruptible } from './interrupt.js';
import { renderComparison } from './render/comparison.js';
import { renderReport } from './render/report.js';
import type { Destination } from './render/text.js';
import { UsageError } from './usage.js';

/** "text": tables for people. */
export type OutputFormat = ExportFormat | 'text';

/** Options for the output: `--format`, `--json` for short, and `-o`. */
export interface OutputOptions {
	readonly format: OutputFormat;
	/** undefined: standard output. */
	readonly file: string | undefined;
	/** True to explain the axes with formulas in text. */
	readonly isExplained?: boolean;
}

/** @throws {UsageError} */
export function parseOutputOptions(values: { json?: boolean; format?: string; output?: string }): OutputOptions {
	const format = values.format ?? (values.json ? 'json' : 'text');
	const known: readonly string[] = ['text', ...FORMATS];
	if (!known.includes(format)) {
		throw new UsageError(`--format takes one of ${known.join(', ')}, not "${format}".`);
	}
	if (values.json && format !== 'json') {
		throw new UsageError(`--json and --format ${format} contradict each other.`);
	}
	const file = values.output === undefined ? undefined : path.resolve(values.output);
	return { format: format as OutputFormat, file };
}

interface WriteOptions extends JunitOptions {
	/** Files that the command has read, which are never replaced. */
	readonly inputs: readonly string[];
}

/** Writes a report to its file or to standard output. @throws {WriteError} */
export async function writeOutput(found: Report, output: OutputOptions, options: WriteOptions): Promise<void> {
	const { format } = output;
	const report = relocated(found, pathsFor(output, options.inputs));
	const content =
		format === 'text'
			? renderReport(report, destination(output), output)
			: format === 'csv'
				? reportCsvPieces(report)
				: await exportReport(report, format, await exportOptions(found.model.path, options));
	await writeText(content, output.file, options.inputs);
}

/** Writes a comparison to its file or to standard output. @throws {WriteError} */
export async function writeComparison(found: Comparison, output: OutputOptions, options: WriteOptions): Promise<void> {
	const { format } = output;
	const comparison = relocatedComparison(found, pathsFor(output, options.inputs));
	const content =
		format === 'text'
			? renderComparison(comparison, destination(output))
			: format === 'csv'
				? comparisonCsvPieces(comparison)
				: await exportComparison(comparison, format, await exportOptions(found.deployed.path, options));
	await writeText(content, output.file, options.inputs);
}

/** Returns a function that shortens the paths in a text: for people at this machine, or for documents that travel. */
function pathsFor({ format, file }: OutputOptions, inputs: readonly string[]): (text: string) => string {
	return format === 'text' && file === undefined ? terminalPaths(inputs) : relativePaths(inputs);
}

const destination = ({ file }: OutputOptions): Destination => (file === undefined ? process.stdout : {});

/**
 * Writes text to a file, or to standard output if `file` is undefined.
 * @param inputs files that the command has read, which are never replaced
 * @throws {WriteError}
 */
export async function writeText(
	content: string | Iterable<string>,
	file: string | undefined,
	inputs: readonly string[],
): Promise<void> {
	if (file === undefined) {
		await writeAll(process.stdout, content);
	} else {
		const protectedFiles = await identities(inputs);
		await interruptible(() => replaceFile(file, content, { inputs: protectedFiles }));
	}
}

/** Writes pieces no faster than the stream takes them. */
async function writeAll(stream: NodeJS.WriteStream, content: string | Iterable<string>): Promise<void> {
	for (const piece of typeof content === 'string' ? [content] : content) {
		if (!stream.write(piece)) {
			await once(stream, 'drain');
		}
	}
}

/** @param model path of the model that findings concern */
async function exportOptions(model: string, { failOn }: JunitOptions): Promise<ExportOptions> {
	return {
		failOn,
		version: await ownVersion(),
		uri: uriReference(model),
		pageParts: () => readPageParts(__dirname),
	};
}

/** Checks the folder of a file to write before the work. The message names the file. @throws {WriteError} */
export async function requireFolder(file: string): Promise<void> {
	await stat(path.dirname(file)).catch((error) => {
		throw asWriteError(file, error);
	});
}

/** Returns the version of this program. */
export async function ownVersion(): Promise<string> {
	const { version } = JSON.parse(await readFile(path.join(__dirname, '..', 'package.json'), 'utf8'));
	return version;
}

/**
 * Returns a function that replaces the absolute paths of files within a text by paths from the working directory, because
 * reports travel to other machines.
 */
export function relativePaths(
	files: readonly string[],
	from = process.cwd(),
	system: path.PlatformPath = path,
): (text: string) => string {
	return replacedPaths(files, (file) => shownPath(file, from, system));
}

/** Returns a function that replaces the absolute paths of files within a text by {@link terminalPath}. */
function terminalPaths(files: readonly string[]): (text: string) => string {
	return replacedPaths(files, (file) => terminalPath(file));
}

function replacedPaths(files: readonly string[], show: (file: string) => string): (text: string) => string {
	const longestFirst = [...new Set(files)].sort((a, b) => b.length - a.length);
	return (text) => longestFirst.reduce((moved, file) => moved.replaceAll(file, show(file)), text);
}

/** Maximum number of folders that a path climbs. A longer way up says more about this machine than about the file. */
const MAX_CLIMB = 2;

/**
 * Returns a path from the working directory with forward slashes, or only the name of a file that is far outside of it or
 * on another drive.
 */
export function shownPath(file: string, from = process.cwd(), system: path.PlatformPath = path): string {
	const relative = system.relative(from, file);
	const steps = relative.split(system.sep);
	const isFar = system.isAbsolute(relative) || steps.filter((step) => step === '..').length > MAX_CLIMB;
	return isFar ? system.basename(file) : steps.join('/') || '.';
}

/** Returns the path that {@link shownPath} would shorten to a name in full: from the home folder or the root if shorter. */
export function terminalPath(
	file: string,
	from = process.cwd(),
	system: path.PlatformPath = path,
	home = homedir(),
): string {
	const relative = system.relative(from, file);
	const isFar = system.isAbsolute(relative) || relative.split(system.sep)[MAX_CLIMB] === '..';
	if (!isFar) {
		return shownPath(file, from, system);
	}
	const inHome = system.relative(home, file);
	const isInHome = !system.isAbsolute(inHome) && inHome.split(system.sep)[0] !== '..';
	const whole = isInHome ? system.join('~', inHome) : file;
	return !system.isAbsolute(relative) && relative.length < whole.length ? relative : whole;
}

/**
 * Returns a task's result with the paths of files shortened in every text: for people at this machine, or for a document
 * that travels.
 */
export function withShortPaths<T>(result: T, files: readonly string[], { json }: { readonly json: boolean }): T {
	const move = json ? relativePaths(files) : terminalPaths(files);
	const moveAll = (value: unknown): unknown => {
		if (typeof value === 'string') {
			return move(value);
		}
		if (Array.isArray(value)) {
			return value.map(moveAll);
		}
		return typeof value === 'object' && value !== null && !ArrayBuffer.isView(value)
			? Object.fromEntries(Object.entries(value).map(([key, child]) => [key, moveAll(child)]))
			: value;
	};
	return moveAll(result) as T;
}

/**
 * Returns a relative reference to a file, because CI systems resolve it against the checkout.
 * @param from the working directory
 * @param system paths of the system, for tests
 */
export function uriReference(file: string, from = process.cwd(), system: path.PlatformPath = path): string {
	return shownPath(file, from, system).split('/').map(encodeURIComponent).join('/');
}
