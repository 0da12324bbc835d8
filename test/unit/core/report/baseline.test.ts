import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { hasFinding } from '../../../../src/cli/fail-on.js';
import {
	type BaselineEntry,
	baselineSentence,
	baselineText,
	EMPTY_BASELINE,
	findEntry,
	parseBaseline,
	withEntry,
} from '../../../../src/core/report/baseline.js';
import { toJunit } from '../../../../src/core/report/export/junit.js';
import { toMarkdown } from '../../../../src/core/report/export/markdown.js';
import { toSarif } from '../../../../src/core/report/export/sarif.js';
import { Fingerprint } from '../../../../src/core/report/fingerprint/fingerprint.js';
import { acceptedFindings, applyBaseline, findingIds } from '../../../../src/core/report/fingerprint/known-findings.js';
import { encodeReport, parseReport } from '../../../../src/core/report/json.js';
import type { Finding, LayerReport, Report, RunSummary } from '../../../../src/core/report/types.js';
import { sampleLayer, sampleReport, sampleRun, sampleVerdict } from '../../support/sample-report.js';

const dead: Finding = { code: 'dead-channel', severity: 'warning', channels: [1], message: 'Channel 1 is dead.' };
const training: Finding = { code: 'training-mode', severity: 'error', channels: [], message: 'In training mode.' };

/** A layer with values of its own. */
function layerOf(name: string, mean: number, ...findings: readonly Finding[]): LayerReport {
	const { parameters } = sampleLayer();
	return sampleLayer({
		name,
		findings,
		parameters: parameters && { ...parameters, mean: Float64Array.of(mean, 0.5) },
		recompute: sampleVerdict('match'),
	});
}

const reportOf = (...layers: readonly LayerReport[]): Report => sampleReport({ layers });
const entryOf = (report: Report, model = 'net.onnx'): BaselineEntry => ({
	model,
	findings: acceptedFindings(report, undefined),
});
const ids = (report: Report): readonly string[] => findingIds(report).layers.flat();

test('a known finding does not fail, a new one does', () => {
	const before = reportOf(layerOf('a', 1, dead));
	assert.ok(hasFinding(before, 'warning'));
	const known = applyBaseline(before, entryOf(before));
	assert.ok(!hasFinding(known, 'info'));
	assert.deepEqual(known.baseline, { known: 1, fresh: 0, vanished: [] });
	const after = applyBaseline(reportOf(layerOf('a', 1, dead, training), layerOf('b', 2, dead)), entryOf(before));
	assert.deepEqual(
		after.layers.map(({ findings }) => findings.map((finding) => finding.known === true)),
		[[true, false], [false]],
	);
	assert.ok(hasFinding(after, 'error'));
	assert.equal(baselineSentence(after.baseline ?? assert.fail()), 'Against the baseline: 2 new findings, 1 known.');
});

test('identifiers do not depend on names, order, measured numbers or channels, but on values and structure', () => {
	const report = reportOf(layerOf('a', 1, dead), layerOf('b', 2, dead, training));
	const [a, b, c] = ids(report);
	assert.equal(new Set([a, b, c]).size, 3);
	const renamed = {
		...layerOf('x/2', 2, { ...dead, channels: [0], message: 'Gamma is 1e-9.' }, training),
		graph: 'if',
	};
	assert.deepEqual(ids(reportOf(renamed, layerOf('x/1', 1, dead))), [b, c, a]);
	const changed: readonly Partial<LayerReport>[] = [
		{ epsilon: 0.001 },
		{ mode: 'training' },
		{ axes: 'activation' },
		{ channels: 3 },
		{ parameters: layerOf('a', Math.fround(1.0000001), dead).parameters },
	];
	for (const change of changed) {
		assert.notEqual(ids(reportOf({ ...layerOf('a', 1, dead), ...change }))[0], a, JSON.stringify(change));
	}
	assert.notEqual(ids(reportOf(layerOf('a', 1, { ...dead, code: 'constant-channel', meaning: 'never-cut' })))[0], a);
});

test('identifiers are these on every machine, also after a report was written and read', () => {
	const print = new Fingerprint().text('é').values([1, -0, Number.NaN, 1e-300]).digits();
	assert.equal(print, '8b661b06b9f570b8');
	const report = reportOf(layerOf('a', -0, dead), layerOf('b', Number.NaN, dead));
	assert.deepEqual(ids(parseReport(JSON.parse(JSON.stringify(encodeReport(report))))), ids(report));
});

test('fingerprints of numbers that differ in any bit differ', () => {
	const print = (values: readonly number[]) => new Fingerprint().values(values).digits();
	const numbers = fc.array(fc.double({ noNaN: true }), { maxLength: 6 });
	fc.assert(
		fc.property(numbers, numbers, (a, b) => {
			const isSame = a.length === b.length && a.every((value, index) => value === b[index]);
			assert.equal(print(a) === print(b), isSame);
		}),
	);
});

test('findings of equal layers count separately', () => {
	const before = reportOf(layerOf('a', 1, dead), layerOf('b', 1, dead));
	assert.match(ids(before)[1] ?? '', /^[0-9a-f]{16}-2$/);
	const more = reportOf(layerOf('a', 1, dead), layerOf('b', 1, dead), layerOf('c', 1, dead));
	assert.deepEqual(applyBaseline(more, entryOf(before)).baseline, { known: 2, fresh: 1, vanished: [] });
	const fewer = applyBaseline(reportOf(layerOf('b', 1, dead)), entryOf(before)).baseline;
	assert.deepEqual([fewer?.known, fewer?.fresh, fewer?.vanished.length], [1, 0, 1]);
});

test('a finding that became graver is new, a milder one is known', () => {
	const warning = entryOf(reportOf(layerOf('a', 1, dead)));
	const graver = applyBaseline(reportOf(layerOf('a', 1, { ...dead, severity: 'error' })), warning);
	assert.deepEqual([graver.baseline?.known, graver.baseline?.fresh, graver.baseline?.vanished.length], [0, 1, 0]);
	const milder = applyBaseline(reportOf(layerOf('a', 1, { ...dead, severity: 'info' })), warning);
	assert.equal(milder.baseline?.known, 1);
});

test('a finding without a layer with readable parameters is known by the structure', () => {
	const unread = (name: string, op: string) => ({
		...layerOf(name, 1, training),
		parameters: null,
		affine: null,
		source: { op, name },
	});
	assert.deepEqual(ids(reportOf(unread('a', 'Conv'))), ids(reportOf(unread('b', 'Conv'))));
	assert.notDeepEqual(ids(reportOf(unread('a', 'Conv'))), ids(reportOf(unread('a', 'Gemm'))));
});

test('vanished findings are named, and those that were not looked for are kept', () => {
	const mismatch: Finding = { ...training, code: 'recompute-mismatch' };
	const drift: Finding = { ...dead, code: 'statistics-drift' };
	const layers = [layerOf('a', 1, dead, mismatch, drift), layerOf('b', 2, training)];
	const before = entryOf(reportOf(...layers));
	const clean = (run: RunSummary) => ({ ...reportOf(layerOf('a', 1), layerOf('b', 2)), run });
	const gone = (run: RunSummary) =>
		applyBaseline(clean(run), before).baseline?.vanished.map(({ code, layer }) => `${code} of ${layer}`);
	assert.deepEqual(gone(sampleRun('skipped')), ['dead-channel of a', 'training-mode of b']);
	const random = ['dead-channel of a', 'recompute-mismatch of a', 'training-mode of b'];
	assert.deepEqual(gone(sampleRun('ok')), random);
	const data = { verdict: 'fits', images: 9, sentence: 'They fit.' } as const;
	const { runtime, inputs, milliseconds } = sampleRun('ok');
	const onFiles: RunSummary = { status: 'ok', runtime, inputs, milliseconds, data };
	assert.equal(gone(onFiles)?.length, 4);
	assert.deepEqual(
		acceptedFindings(clean(sampleRun('ok')), before).map(({ code }) => code),
		['statistics-drift'],
	);
	const result = applyBaseline(clean(sampleRun('ok')), before).baseline ?? assert.fail();
	assert.equal(
		baselineSentence(result),
		'Against the baseline: 0 new findings, 0 known, 3 gone: dead-channel of a, recompute-mismatch of a and training-mode of b. Record this with --update-baseline.',
	);
});

test('the file holds an entry for each model, sorted by path, and reads back', () => {
	const report = reportOf(layerOf('a', 1, dead));
	const [z, a] = [entryOf(report, 'z.onnx'), entryOf(report, 'a.onnx')];
	const pair: BaselineEntry = { ...a, original: 'original.onnx' };
	const both = [z, pair, a].reduce((baseline, entry) => withEntry(baseline, entry, undefined), EMPTY_BASELINE);
	assert.deepEqual(both.entries, [a, z, pair]);
	const text = baselineText(both);
	assert.deepEqual(parseBaseline(JSON.parse(text)), both);
	assert.equal(baselineText(withEntry(both, a, a)), text);
	assert.ok(text.split('\n').every((line) => line.length < 200));
	for (const file of [
		null,
		[],
		{},
		{ ...both, version: 2 },
		{ ...both, entries: [a, a] },
		{ ...both, entries: [{}] },
	]) {
		assert.throws(() => parseBaseline(file), { name: 'ReportError', message: /\.$/ });
	}
});

test('a moved model keeps its entry, a copy of it has none', () => {
	const report = reportOf(layerOf('a', 1, dead));
	const entry = entryOf(report, 'old/net.onnx');
	const other = entryOf(reportOf(layerOf('b', 2, dead)), 'other.onnx');
	const baseline = [other, entry].reduce((all, one) => withEntry(all, one, undefined), EMPTY_BASELINE);
	const find = (isGone: boolean) =>
		findEntry(baseline, { place: { model: 'new/net.onnx' }, ids: ids(report), isGone: () => isGone });
	assert.deepEqual(find(true), entry);
	assert.equal(find(false), undefined);
	const shouted = { place: { model: 'OLD/Net.onnx' }, ids: [], isGone: () => false };
	assert.equal(findEntry(baseline, shouted), undefined);
	assert.deepEqual(findEntry(baseline, { ...shouted, ignoresCase: true }), entry);
	const unlike = { place: { model: 'new.onnx' }, ids: ['0'], isGone: () => true };
	assert.equal(findEntry(baseline, unlike), undefined);
});

test('SARIF, JUnit and Markdown show known findings as known, and name vanished ones', () => {
	const before = reportOf(layerOf('a', 1, dead), layerOf('gone', 3, training));
	const after = applyBaseline(reportOf(layerOf('a', 1, dead), layerOf('b', 2, dead)), entryOf(before));
	const [run] = JSON.parse(JSON.stringify(toSarif(after, { uri: 'net.onnx', version: '1.2.3' }))).runs;
	assert.deepEqual(
		run.results.map((result: { baselineState: string }) => result.baselineState),
		['unchanged', 'new'],
	);
	const prints = run.results.map((result: { partialFingerprints: object }) =>
		Object.values(result.partialFingerprints),
	);
	assert.deepEqual(
		prints.flat(),
		ids(after).map((id) => `${id}:1`),
	);
	const notes = run.invocations[0].toolExecutionNotifications.map(
		(one: { message: { text: string } }) => one.message.text,
	);
	assert.match(notes.join(), /1 gone: training-mode of gone\. Record/);
	const xml = toJunit(after, { failOn: 'warning' });
	assert.match(xml, /tests="3" failures="1"/);
	assert.match(xml, /<system-out>known warning dead-channel: /);
	assert.match(toMarkdown(after), /^- known \*\*warning\*\* `dead-channel`: `a`: /m);
	assert.match(toMarkdown(after), /^Against the baseline: 1 new finding, 1 known, 1 gone: /m);
});
