import { readFile } from 'node:fs/promises';
import { MergeError } from '../core/inspection/merge-reports.js';
import { ReportError } from '../core/report/decode.js';
import { reasonOf } from '../platform/file-source.js';
import { decodeText } from './decode-text.js';

/** Reads a JSON document that a command of this program wrote. @throws {MergeError} one sentence that names the file. */
export async function readDocument(file: string): Promise<unknown> {
	let bytes: Uint8Array;
	try {
		bytes = await readFile(file);
	} catch (error) {
		throw new MergeError(`${file} cannot be read: ${reasonOf(error)}.`);
	}
	try {
		return JSON.parse(decodeText(bytes));
	} catch {
		throw new MergeError(
			bytes.length === 0
				? `${file} is empty: write it again.`
				: `${file} is not JSON, or only the beginning of it: write it again with inspect --json or reestimate --statistics-only.`,
		);
	}
}

/** Returns a parsed document. @throws {MergeError} one sentence that names the file. */
export function parseDocument<T>(file: string, parse: (value: unknown) => T, value: unknown, kind: string): T {
	try {
		return parse(value);
	} catch (error) {
		if (error instanceof ReportError) {
			throw new MergeError(`${file} is not ${kind}: ${error.message}`);
		}
		throw error;
	}
}
