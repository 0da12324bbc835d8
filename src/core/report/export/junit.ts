import { escapeMarkup, shorten, visible } from '../../text/names.js';
import { coverage, describeGaps } from '../coverage.js';
import { type Severity, severityRank } from '../severity.js';
import type { Finding, LayerReport, Report } from '../types.js';

export interface JunitOptions {
	/** Least severity of a finding that fails its layer. */
	readonly failOn: Severity | 'never';
}

const MAX_NAME = 300;
const MAX_MESSAGE = 2000;

interface Case {
	readonly xml: string;
	readonly outcome: 'passed' | 'failure' | 'skipped';
}

/**
 * Renders the layers as JUnit XML in the dialect common to CI systems: a testcase per layer, failed by findings from
 * `failOn` on, skipped if it could not be recomputed and has no such finding; and a testcase for the model as a whole,
 * which passes only if every layer was judged.
 */
export function toJunit(report: Report, { failOn }: JunitOptions): string {
	const fails = ({ severity }: Finding) => failOn !== 'never' && severityRank(severity) >= severityRank(failOn);
	const cases = [modelCase(report, fails), ...report.layers.map((layer, index) => layerCase(layer, index, fails))];
	const count = (outcome: Case['outcome']) => cases.filter((one) => one.outcome === outcome).length;
	const seconds = (report.run.milliseconds.total ?? 0) / 1000;
	const totals = `tests="${cases.length}" failures="${count('failure')}" errors="0" skipped="${count('skipped')}" time="${seconds.toFixed(3)}"`;
	return [
		'<?xml version="1.0" encoding="UTF-8"?>',
		`<testsuites ${totals}>`,
		`<testsuite name="${attribute(report.model.path || 'model', MAX_NAME)}" ${totals}>`,
		...cases.map(({ xml }) => xml),
		'</testsuite>',
		'</testsuites>',
		'',
	].join('\n');
}

function modelCase(report: Report, fails: (finding: Finding) => boolean): Case {
	const { run, layers, findings } = report;
	const reason = run.status === 'skipped' ? run.reason : describeGaps(coverage(report), layers.length);
	return testcase('model', 'run', {
		failed: findings.filter(fails),
		noted: findings.filter((one) => !fails(one)),
		reason,
	});
}

function layerCase(layer: LayerReport, index: number, fails: (finding: Finding) => boolean): Case {
	const { recompute, findings } = layer;
	const reason = recompute.status === 'skipped' ? recompute.reason : undefined;
	// The index distinguishes cases whose shortened names are equal.
	return testcase('layers', `${index} ${layer.name}`, {
		failed: findings.filter(fails),
		noted: findings.filter((one) => !fails(one)),
		reason,
	});
}

interface Outcome {
	readonly failed: readonly Finding[];
	readonly noted: readonly Finding[];
	/** Reason for a skipped check. */
	readonly reason: string | undefined;
}

function testcase(group: string, name: string, { failed, noted, reason }: Outcome): Case {
	const notes = noted.length === 0 ? '' : `<system-out>${noted.map(findingText).join('\n')}</system-out>`;
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

function findingText({ severity, code, message }: Finding): string {
	return `${severity} ${code}: ${attribute(message, MAX_MESSAGE)}`;
}

function attribute(text: string, length: number): string {
	return escapeMarkup(visible(shorten(text, length)));
}
