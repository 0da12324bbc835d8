import { escapeMarkup, shorten, visible } from '../../../text/names.js';
import type { Severity } from '../../severity.js';

export interface JunitOptions {
	/** Least severity of a finding that fails its test case. */
	readonly failOn: Severity | 'never';
}

const MAX_NAME = 300;
const MAX_MESSAGE = 2000;

export interface JunitFinding {
	readonly severity: Severity;
	readonly code: string;
	/** Sentence. */
	readonly message: string;
	/** True if the baseline holds the finding. */
	readonly known?: true;
}

export interface JunitCase {
	readonly group: string;
	readonly name: string;
	/** Findings that fail the case. */
	readonly failed: readonly JunitFinding[];
	/** Findings that do not. */
	readonly noted: readonly JunitFinding[];
	/** Sentence: the reason for a check that could not be made. Such a case never passes. */
	readonly reason: string | undefined;
	/** Sentence for the output of the case. */
	readonly remark?: string;
}

/** Renders test cases as JUnit XML in the dialect common to CI systems. */
export function junitXml(name: string, seconds: number, cases: readonly JunitCase[]): string {
	const rendered = cases.map(testcase);
	const count = (outcome: Rendered['outcome']) => rendered.filter((one) => one.outcome === outcome).length;
	const totals = `tests="${cases.length}" failures="${count('failure')}" errors="0" skipped="${count('skipped')}" time="${seconds.toFixed(3)}"`;
	return [
		'<?xml version="1.0" encoding="UTF-8"?>',
		`<testsuites ${totals}>`,
		`<testsuite name="${attribute(name || 'model', MAX_NAME)}" ${totals}>`,
		...rendered.map(({ xml }) => xml),
		'</testsuite>',
		'</testsuites>',
		'',
	].join('\n');
}

interface Rendered {
	readonly xml: string;
	readonly outcome: 'passed' | 'failure' | 'skipped';
}

function testcase({ group, name, failed, noted, reason, remark }: JunitCase): Rendered {
	const lines = [...(remark === undefined ? [] : [attribute(remark, MAX_MESSAGE)]), ...noted.map(findingText)];
	const notes = lines.length === 0 ? '' : `<system-out>${lines.join('\n')}</system-out>`;
	const [first] = failed;
	const outcome = first ? 'failure' : reason === undefined ? 'passed' : 'skipped';
	const skipped = reason === undefined ? '' : `<skipped message="${attribute(reason, MAX_MESSAGE)}"/>`;
	const verdict = first
		? `<failure type="${first.code}" message="${attribute(first.message, MAX_MESSAGE)}">${failed.map(findingText).join('\n')}</failure>`
		: skipped;
	return {
		outcome,
		xml: `<testcase classname="${group}" name="${attribute(name, MAX_NAME)}">${verdict}${notes}</testcase>`,
	};
}

function findingText({ severity, code, message, known }: JunitFinding): string {
	return `${known ? 'known ' : ''}${severity} ${code}: ${attribute(message, MAX_MESSAGE)}`;
}

function attribute(text: string, length: number): string {
	return escapeMarkup(visible(shorten(text, length)));
}
