import { allOf, capitalize, count } from '../../text/sentences.js';
import { type BaselineResult, baselineSentence } from '../baseline.js';
import { isAtLeast, type Severity } from '../severity.js';
import { code, joinBlocks, markdownTable, prose } from './text/markdown-text.js';

/** Result of checking several models and pairs of models. */
export const CHECK_FORMAT = 'batchnorm-lens.check';
export const CHECK_VERSION = 1;

/** A finding of a checked model or pair. */
export interface CheckedFinding {
	readonly code: string;
	readonly severity: Severity;
	/** Name of the layer; '' for the model. */
	readonly layer: string;
	/** Sentence. */
	readonly message: string;
	/** True if the baseline holds it. */
	readonly known?: true;
}

/** Result for a model, or for a deployed model against its original. */
export interface CheckedItem {
	/** Path from the working directory, with forward slashes. */
	readonly model: string;
	/** Present for a comparison. */
	readonly original?: string;
	/** Exit status: 0 right, 1 a finding that fails, 2 not judged. */
	readonly status: number;
	/** Sentence: the conclusion, or the reason why there is none. */
	readonly answer: string;
	readonly findings: readonly CheckedFinding[];
	readonly baseline?: BaselineResult;
}

export interface CheckResult {
	readonly format: typeof CHECK_FORMAT;
	readonly version: typeof CHECK_VERSION;
	/** 1 if an item has a finding that fails, else 2 if an item was not judged, else 0. */
	readonly status: number;
	readonly items: readonly CheckedItem[];
}

export function checkResult(items: readonly CheckedItem[]): CheckResult {
	const statuses = new Set(items.map(({ status }) => status));
	const status = statuses.has(1) ? 1 : Math.max(0, ...statuses);
	return { format: CHECK_FORMAT, version: CHECK_VERSION, status, items };
}

/** Returns the conclusion: "2 of 5 checks failed, 1 was not judged." */
export function checkAnswer({ items }: CheckResult): string {
	const failed = items.filter(({ status }) => status === 1).length;
	const unjudged = items.filter(({ status }) => status > 1).length;
	if (failed + unjudged === 0) {
		return items.length === 1 ? 'The check passed.' : `${capitalize(allOf(items.length))} checks passed.`;
	}
	const parts = [
		...(failed > 0 ? [`${failed} failed`] : []),
		...(unjudged > 0 ? [`${unjudged} could not be judged`] : []),
	];
	return `Of ${count(items.length, 'check')}, ${parts.join(' and ')}.`;
}

/** Returns "passed", "failed" or "not judged". */
export function statusWord(status: number): string {
	return status === 0 ? 'passed' : status === 1 ? 'failed' : 'not judged';
}

/** Returns the findings of an item that make it fail. */
export function failingFindings({ findings }: CheckedItem, failOn: Severity | 'never'): CheckedFinding[] {
	return findings.filter(({ severity, known }) => !known && isAtLeast(severity, failOn));
}

/** Maximum number of findings of an item in the summary. A job summary holds 1 MB. */
const MAX_LISTED = 50;
/** Maximum number of items described below the summary's table. */
const MAX_DESCRIBED = 50;

/** Renders the result as GitHub-flavored Markdown for a job summary: conclusion, table of items, findings that fail. */
export function checkMarkdown(result: CheckResult, failOn: Severity | 'never'): string {
	const { items } = result;
	const hasBaseline = items.some(({ baseline }) => baseline !== undefined);
	const columns = [
		...['Model', 'Result', 'Conclusion'].map((title) => ({ title, align: 'left' as const })),
		...(hasBaseline ? ['New', 'Known', 'Gone'].map((title) => ({ title, align: 'right' as const })) : []),
	];
	const rows = items.map(({ model, original, status, answer, baseline }) => [
		original === undefined ? code(model) : `${code(model)} against ${code(original)}`,
		status === 0 ? statusWord(status) : `**${statusWord(status)}**`,
		prose(answer),
		...(hasBaseline
			? [baseline?.fresh, baseline?.known, baseline?.vanished.length].map((number) => String(number ?? ''))
			: []),
	]);
	const described = items.filter(
		(item) => failingFindings(item, failOn).length > 0 || (item.baseline?.vanished.length ?? 0) > 0,
	);
	const text = joinBlocks(
		'## BatchNorm Lens',
		prose(checkAnswer(result)),
		items.length === 0 ? '' : markdownTable(columns, rows),
		...described.slice(0, MAX_DESCRIBED).map((item) => describeItem(item, failOn)),
	);
	return `${text}\n`;
}

function describeItem(item: CheckedItem, failOn: Severity | 'never'): string {
	const failing = failingFindings(item, failOn);
	const more = failing.length - MAX_LISTED;
	const lines = failing.slice(0, MAX_LISTED).map(({ severity, code: rule, layer, message }) => {
		return `- **${severity}** ${code(rule)}: ${layer === '' ? '' : `${code(layer)}: `}${prose(message)}`;
	});
	return joinBlocks(
		`### ${code(item.model)}`,
		[...lines, ...(more > 0 ? [`- ${count(more, 'more finding')}.`] : [])].join('\n'),
		item.baseline && item.baseline.vanished.length > 0 ? prose(baselineSentence(item.baseline)) : '',
	);
}
