import { once } from 'node:events';
import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { csvPieces } from '../core/report/export/csv.js';
import { type ExportFormat, exportReport, FORMATS } from '../core/report/export/index.js';
import type { JunitOptions } from '../core/report/export/junit.js';
import type { Report } from '../core/report/types.js';
import { readPageParts } from '../platform/page-parts.js';
import { identities, replaceFile } from '../platform/replace-file.js';
import { asWriteError } from '../platform/write-error.js';
import { interruptible } from './interrupt.js';
import { renderReport } from './render-report.js';
import { UsageError } from './usage.js';

/** "text": tables for people. */
export type OutputFormat = ExportFormat | 'text';

/** Options for the output: `--format`, `--json` for short, and `-o`. */
export interface OutputOptions {
	readonly format: OutputFormat;
	/** undefined: standard output. */
	readonly file: string | undefined;
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

/**
 * Writes a report to its file or to standard output.
 * @param inputs files that the command has read, which are never replaced
 * @throws {WriteError}
 */
export async function writeOutput(
	report: Report,
	{ format, file }: OutputOptions,
	{ inputs, ...junit }: JunitOptions & { readonly inputs: readonly string[] },
): Promise<void> {
	const content =
		format === 'text'
			? renderReport(report, file === undefined ? process.stdout : {})
			: format === 'csv'
				? csvPieces(report)
				: await exported(report, format, junit);
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

async function exported(report: Report, format: ExportFormat, junit: JunitOptions): Promise<string> {
	return exportReport(report, format, {
		...junit,
		version: await ownVersion(),
		uri: uriReference(report.model.path),
		pageParts: () => readPageParts(__dirname),
	});
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
 * Returns a relative reference for a file below the working directory, because CI systems resolve it against the
 * checkout.
 */
function uriReference(file: string): string {
	const relative = path.relative(process.cwd(), file);
	return relative.startsWith('..') || path.isAbsolute(relative)
		? pathToFileURL(file).href
		: relative.split(path.sep).map(encodeURIComponent).join('/');
}
