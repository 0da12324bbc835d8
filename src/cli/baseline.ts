import { existsSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import {
	type Baseline,
	type BaselineEntry,
	type BaselineResult,
	baselineSentence,
	baselineText,
	EMPTY_BASELINE,
	findEntry,
	type KnownFinding,
	parseBaseline,
	withEntry,
} from '../core/report/baseline.js';
import type { Comparison } from '../core/report/comparison/comparison.js';
import { ReportError } from '../core/report/decode.js';
import { acceptedFindings, applyBaseline, findingIds } from '../core/report/fingerprint/known-findings.js';
import {
	acceptedMismatches,
	applyBaselineToComparison,
	mismatchIds,
} from '../core/report/fingerprint/known-mismatches.js';
import type { Report } from '../core/report/types.js';
import { visible } from '../core/text/names.js';
import { reasonOf } from '../platform/file-source.js';
import { identities, replaceFile } from '../platform/replace-file.js';
import { decodeText } from './decode-text.js';
import type { OutputOptions } from './output.js';
import { UsageError } from './usage.js';

/** Options `--baseline` and `--update-baseline`. */
export const BASELINE_OPTIONS = {
	baseline: { type: 'string' },
	'update-baseline': { type: 'boolean' },
} as const;

/** Windows and macOS find a file by a name in any case. */
const IGNORES_CASE = process.platform === 'win32' || process.platform === 'darwin';

/** The baseline file of a command, and whether the command writes it. */
export interface BaselineChoice {
	readonly file: string;
	readonly isUpdate: boolean;
}

/** The baseline file cannot be used. The message is a sentence that names it. */
export class BaselineError extends Error {
	override readonly name = 'BaselineError';
}

/** @throws {UsageError} */
export function parseBaselineOptions(values: {
	readonly baseline?: string;
	readonly 'update-baseline'?: boolean;
}): BaselineChoice | undefined {
	if (values.baseline === undefined) {
		if (values['update-baseline']) {
			throw new UsageError('--update-baseline needs the file to write: --baseline FILE.');
		}
		return undefined;
	}
	return { file: path.resolve(values.baseline), isUpdate: values['update-baseline'] ?? false };
}

/** Findings of a command, and the files that they are about. */
export interface BaselineSubject {
	readonly model: string;
	readonly original?: string;
	readonly ids: readonly string[];
	/** Returns the findings to accept, some of them perhaps from the earlier entry. */
	readonly accepted: (earlier: BaselineEntry | undefined) => readonly KnownFinding[];
}

/** A baseline file, read before the work starts, so that a wrong file costs no run. */
export class BaselineFile {
	readonly #file: string;
	readonly #isUpdate: boolean;
	#baseline: Baseline;

	private constructor({ file, isUpdate }: BaselineChoice, baseline: Baseline) {
		this.#file = file;
		this.#isUpdate = isUpdate;
		this.#baseline = baseline;
	}

	/** @throws {BaselineError} if the file cannot be read, or is missing and not to be written */
	static async read(choice: BaselineChoice): Promise<BaselineFile> {
		return new BaselineFile(choice, await readBaseline(choice));
	}

	/**
	 * Returns the entry that the findings are judged by; undefined if the baseline has none. For an update, writes the
	 * file first and returns the new entry.
	 * @param inputs files that the command has read, which are never replaced
	 * @throws {WriteError}
	 */
	async entryFor(subject: BaselineSubject, inputs: readonly string[]): Promise<BaselineEntry | undefined> {
		const place = {
			model: relativePath(this.#file, subject.model),
			...(subject.original !== undefined && { original: relativePath(this.#file, subject.original) }),
		};
		const isGone = ({ model, original }: BaselineEntry) =>
			[model, original].some((name) => name !== undefined && !existsSync(this.#resolve(name)));
		const earlier = findEntry(this.#baseline, { place, ids: subject.ids, isGone, ignoresCase: IGNORES_CASE });
		if (!this.#isUpdate) {
			return earlier;
		}
		const entry = { ...place, findings: subject.accepted(earlier) };
		this.#baseline = withEntry(this.#baseline, entry, earlier);
		await replaceFile(this.#file, baselineText(this.#baseline), { inputs: await identities(inputs) });
		return entry;
	}

	#resolve(name: string): string {
		return path.resolve(path.dirname(this.#file), name);
	}
}

/** Prints the result to stderr if the command's output does not show it to a person. */
export function announceBaseline(result: BaselineResult | undefined, { format, file }: OutputOptions): void {
	if (result && (format !== 'text' || file !== undefined)) {
		process.stderr.write(`${visible(baselineSentence(result))}\n`);
	}
}

/** Returns the report with its known findings marked. @param inputs files that were read, the model first */
export async function judgeReport(report: Report, file: BaselineFile, inputs: readonly string[]): Promise<Report> {
	const { model, layers } = findingIds(report);
	const subject = {
		model: inputs[0],
		ids: [...model, ...layers.flat()],
		accepted: (earlier: BaselineEntry | undefined) => acceptedFindings(report, earlier),
	};
	return applyBaseline(report, await file.entryFor(subject, inputs));
}

/** Returns the comparison with its known findings marked. @param inputs files that were read, the original and the deployed model first */
export async function judgeComparison(
	comparison: Comparison,
	file: BaselineFile,
	inputs: readonly string[],
): Promise<Comparison> {
	const [original, model] = inputs;
	const subject = {
		model,
		original,
		ids: mismatchIds(comparison).all,
		accepted: (earlier: BaselineEntry | undefined) => acceptedMismatches(comparison, earlier),
	};
	return applyBaselineToComparison(comparison, await file.entryFor(subject, inputs));
}

/**
 * Returns the path from the folder of the baseline file, with forward slashes, so that the file is the same on every system.
 * @param system paths of the system, for tests
 */
export function relativePath(baseline: string, file: string, system: path.PlatformPath = path): string {
	return system.relative(system.dirname(baseline), file).split(system.sep).join('/');
}

async function readBaseline({ file, isUpdate }: BaselineChoice): Promise<Baseline> {
	let bytes: Uint8Array;
	try {
		// Checked first, because reading a device may never end.
		const stats = await stat(file);
		if (!stats.isFile() && !stats.isDirectory()) {
			throw new BaselineError(`The baseline ${file} cannot be used: it is a device or pipe, not a file.`);
		}
		bytes = await readFile(file);
	} catch (error) {
		if (error instanceof BaselineError) {
			throw error;
		}
		const isMissing = error instanceof Error && 'code' in error && error.code === 'ENOENT';
		if (isMissing && isUpdate) {
			return EMPTY_BASELINE;
		}
		throw new BaselineError(
			isMissing
				? `The baseline ${file} does not exist: write it with --update-baseline.`
				: `The baseline ${file} cannot be read: ${reasonOf(error)}.`,
		);
	}
	try {
		return parseBaseline(JSON.parse(decodeText(bytes)));
	} catch (error) {
		const problem =
			error instanceof ReportError ? error.message : error instanceof SyntaxError ? 'It is not JSON.' : undefined;
		if (problem === undefined) {
			throw error;
		}
		throw new BaselineError(
			`The baseline ${file} cannot be used: ${problem} Name another file, and write it with --update-baseline.`,
		);
	}
}
