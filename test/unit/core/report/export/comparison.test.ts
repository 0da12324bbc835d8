import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LayerBehavior } from '../../../../../src/core/report/comparison/behavior.js';
import { parseComparison } from '../../../../../src/core/report/comparison/json.js';
import { comparisonToCsv } from '../../../../../src/core/report/export/comparison/csv.js';
import { comparisonToJunit } from '../../../../../src/core/report/export/comparison/junit.js';
import { comparisonToMarkdown } from '../../../../../src/core/report/export/comparison/markdown.js';
import { comparisonToSarif } from '../../../../../src/core/report/export/comparison/sarif.js';
import { exportComparison, FORMATS } from '../../../../../src/core/report/export/index.js';
import { portableComparison } from '../../../../../src/core/report/export/portable.js';
import { DANGEROUS, HOSTILE_NAMES, hostileComparison } from '../../../support/hostile.js';
import { comparedLayer, emptyLayer, sampleComparison, wrongEpsilon } from '../../../support/sample-comparison.js';
import { activeMarkdown, wellFormedXml } from '../../../support/well-formed.js';

const behavior: LayerBehavior = { status: 'match', tensor: 't', snrDb: 131.25, maxAbs: 1e-7, bound: 1e-6 };
const layers = [
	comparedLayer({ name: 'right', channels: 2 }, { behavior }),
	wrongEpsilon('wrong', 4),
	emptyLayer({ name: 'gone', status: 'unmatched', evidence: 'No operator has its shape and place.' }),
	emptyLayer({ name: 'zero', status: 'not-identifiable', cause: 'not-identifiable', evidence: 'Gamma is 0.' }),
	comparedLayer({ name: 'half', channels: 2 }, { cause: 'rounding-fp16', causes: ['rounding-fp16'] }),
];
const outputs = { status: 'mismatch', maxAbs: 0.02, maxRel: 0.003, bound: 8e-6, milliseconds: 214 } as const;
const comparison = sampleComparison(layers, { outputs, notes: ['A note.'] });
const SARIF = { uri: 'deployed.onnx', version: '1.2.3' };

test('CSV: a row a layer, then a row a channel', () => {
	const [header, ...lines] = comparisonToCsv(comparison)
		.trimEnd()
		.split('\r\n')
		.map((line) => line.split(','));
	assert.equal(
		header.join(' '),
		'layer index channel status cause confidence into max_abs_error bound values snr_db expected_scale found_scale residual expected_bias found_bias bias_error bias_bound error_over_bound',
	);
	assert.ok(lines.every((cells) => cells.length === header.length));
	const ofLayers = lines.filter((cells) => cells[2] === '');
	assert.deepEqual(
		ofLayers.map((cells) => cells.slice(0, 5).join(' ').trim()),
		[
			'right 0  match',
			'wrong 1  mismatch wrong-epsilon',
			'gone 2  unmatched',
			'zero 3  not-identifiable not-identifiable',
			'half 4  match rounding-fp16',
		],
	);
	assert.deepEqual(ofLayers[0].slice(9, 12), ['match', '131.25', '']);
	const channels = lines.filter((cells) => cells[0] === 'wrong' && cells[2] !== '');
	assert.deepEqual(
		channels.map((cells) => Number(cells[12])),
		[...layers[1].perChannel.weightRatio],
	);
	assert.equal(lines.length, layers.length + 2 + 4 + 2);
});

test('JUnit: only judged layers pass', () => {
	const xml = comparisonToJunit(comparison, { failOn: 'error' });
	assert.match(xml, /tests="6" failures="2" errors="0" skipped="2" time="0\.214"/);
	assert.match(xml, /classname="models" name="outputs"><failure type="outputs-differ" message="The outputs differ by/);
	assert.match(xml, /name="1 right"><\/testcase>/);
	assert.match(xml, /name="2 wrong"><failure type="wrong-epsilon" message="The weights fit epsilon 1e-3/);
	assert.match(xml, /name="3 gone"><skipped message="No operator[^"]+"\/><system-out>warning unmatched: /);
	assert.match(xml, /name="4 zero"><skipped message="Gamma is 0\."\/>/);
	assert.match(xml, /name="5 half"><system-out>info rounding-fp16: /);
	assert.match(comparisonToJunit(comparison, { failOn: 'warning' }), /failures="3" errors="0" skipped="1"/);
	assert.match(comparisonToJunit(comparison, { failOn: 'never' }), /failures="0" errors="0" skipped="2"/);
	const { outputs: _, ...notRun } = comparison;
	assert.match(comparisonToJunit(notRun, { failOn: 'error' }), /name="outputs"><skipped message="The outputs were not/);
});

interface SarifRun {
	readonly tool: { readonly driver: { readonly rules: readonly { readonly id: string }[] } };
	readonly invocations: readonly {
		readonly executionSuccessful: boolean;
		readonly toolExecutionNotifications?: readonly { readonly level: string; readonly message: { text: string } }[];
	}[];
	readonly results: readonly { readonly ruleId: string; readonly ruleIndex: number; readonly level: string }[];
}

const sarifRun = (shown = comparison): SarifRun => {
	const { runs } = comparisonToSarif(shown, SARIF) as unknown as { readonly runs: readonly SarifRun[] };
	return runs[0];
};

test('SARIF: a result for each layer that is not simply right, a notification for each check that was not made', () => {
	const { tool, results, invocations } = sarifRun();
	assert.deepEqual(
		results.map(({ ruleId, level }) => [ruleId, level]),
		[
			['outputs-differ', 'error'],
			['wrong-epsilon', 'error'],
			['unmatched', 'warning'],
			['not-identifiable', 'note'],
			['rounding-fp16', 'note'],
		],
	);
	assert.ok(results.every(({ ruleId, ruleIndex }) => tool.driver.rules[ruleIndex].id === ruleId));
	const [{ executionSuccessful, toolExecutionNotifications = [] }] = invocations;
	assert.equal(executionSuccessful, true);
	assert.deepEqual(
		toolExecutionNotifications.map(({ message }) => message.text.slice(0, 20)),
		['gone was not judged:', 'zero was not judged:'],
	);
	const refused = { status: 'skipped', reason: 'It does not load.', refused: 'deployed' } as const;
	const [failed] = sarifRun(sampleComparison([layers[0]], { outputs: refused })).invocations;
	assert.equal(failed.executionSuccessful, false);
	assert.equal(failed.toolExecutionNotifications?.[0].level, 'error');
	assert.equal(sarifRun(sampleComparison([layers[2]])).invocations[0].executionSuccessful, false);
});

test('Markdown: the wrong layers first, with evidence and advice', () => {
	const text = comparisonToMarkdown(comparison);
	const rows = text.split('\n').filter((line) => /^\| \d/.test(line));
	assert.deepEqual(
		rows.map((row) => row.split(' | ').slice(0, 2).join(' ').slice(2)),
		['2 `wrong`', '3 `gone`', '4 `zero`', '1 `right`', '5 `half`'],
	);
	assert.match(rows[0], /\| \*\*mismatch\*\* \| different epsilon \| 99 % \| 0\.031 \| 2\.4e-6 \| {2}\|$/);
	assert.match(rows[3], / \| 131 \|$/);
	assert.match(text, /^- `wrong`: The weights fit epsilon 1e-3.*give it to the converter/m);
	assert.match(text, /^- A note\.$/m);
	assert.match(text, /\n\nThe outputs differ by up to 0\.3 % of the largest value/);
	assert.equal(comparisonToMarkdown(sampleComparison([], { notes: ['Nothing.'] })).match(/Nothing\./g)?.length, 1);
});

test('hostile names stay inert in every format', () => {
	const hostile = hostileComparison();
	const csv = comparisonToCsv(hostile);
	assert.ok(csv.split('\r\n').every((line) => !/["#;\n]/.test(line) && !DANGEROUS.test(line)));
	const columns = csv
		.trimEnd()
		.split('\r\n')
		.map((line) => line.split(',').length);
	assert.equal(new Set(columns).size, 1);
	const markdown = comparisonToMarkdown(hostile);
	assert.doesNotMatch(markdown, DANGEROUS);
	assert.doesNotMatch(activeMarkdown(markdown), /[<>[\]`!&~]|:\/\/|www\.|@|\w\.example|javascript:/);
	const xml = comparisonToJunit(hostile, { failOn: 'error' });
	assert.doesNotMatch(xml, DANGEROUS);
	assert.equal(wellFormedXml(xml).filter((name) => name === 'testcase').length, HOSTILE_NAMES.length + 1);
	const { results } = sarifRun(hostile);
	assert.equal(results.length, HOSTILE_NAMES.length);
	assert.doesNotMatch(JSON.stringify(results), DANGEROUS);
});

test('documents that people pass on hold no folder of this machine', () => {
	const reason = '/models/mobilenet_v2.deployed.onnx does not run: /conv1/Conv failed.';
	const { original } = comparison;
	const skipped = sampleComparison(layers, {
		outputs: { status: 'skipped', reason },
		notes: [`${original.path} was named.`],
	});
	const portable = portableComparison(skipped);
	for (const text of [comparisonToMarkdown(skipped), JSON.stringify(portable)]) {
		assert.doesNotMatch(text, /\/models\//);
		assert.match(text, /\/conv1\/Conv/);
	}
	assert.deepEqual(portable.notes, ['mobilenet_v2.onnx was named.']);
});

test('every format is rendered', async () => {
	const parts = { script: 'run()', style: '', plotly: '', scriptHashes: [], styleHash: '' };
	const options = { ...SARIF, failOn: 'error', pageParts: async () => parts } as const;
	const texts = new Map<string, string>();
	for (const format of FORMATS) {
		texts.set(format, await exportComparison(comparison, format, options));
	}
	assert.equal(texts.size, 6);
	assert.deepEqual(parseComparison(JSON.parse(texts.get('json') ?? '')).summary, comparison.summary);
	const html = texts.get('html') ?? '';
	assert.match(html, /<title>mobilenet_v2\.onnx → mobilenet_v2\.deployed\.onnx – BatchNorm Lens<\/title>/);
	const [, json = ''] = /<script type="application\/json" id="report">(.*)<\/script>\n<script type/.exec(html) ?? [];
	assert.equal(parseComparison(JSON.parse(json)).layers.length, layers.length);
});
