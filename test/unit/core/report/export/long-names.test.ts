/** Names and numbers at the limits of what a file may hold, in every output. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { renderReport } from '../../../../../src/cli/render/report.js';
import { exportReport, FORMATS } from '../../../../../src/core/report/export/index.js';
import { encodeReport, parseReport } from '../../../../../src/core/report/json.js';
import { problemsOf } from '../../../../../src/host/reports/problem-list.js';
import { treeRow } from '../../../../../src/host/reports/tree-rows.js';
import { inspectBytes } from '../../../support/inspect.js';
import { buildModel } from '../../../support/model-builder.js';
import { smallModel } from '../../../support/small-model.js';

/** Length of a name that the reader accepts. */
const LONGEST = 60_000;
/** Seconds of processor time. All outputs of a name take 0.05 s; a pattern of quadratic time takes minutes. */
const LIMIT = 5;

const PARTS = { script: '', style: '', plotly: '', scriptHashes: [], styleHash: '' };
const OPTIONS = { failOn: 'error', uri: 'model.onnx', version: '0', pageParts: async () => PARTS } as const;

test('a name of 60,000 signs that patterns look for takes no time beyond its length, in any output', async () => {
	const signs = [
		'/',
		'.',
		'\\',
		' ',
		'_',
		'`',
		'|',
		'&',
		'\n',
		'<',
		'[(',
		'$(',
		'a/',
		'a.',
		'::',
		'BatchNormalization',
	];
	for (const sign of signs) {
		const name = `${sign.repeat(Math.floor(LONGEST / sign.length))}!`;
		const start = process.cpuUsage();
		const { report } = await inspectBytes(smallModel(name), { run: false });
		assert.equal(report.layers[0]?.name, name);
		for (const format of FORMATS) {
			await exportReport(report, format, OPTIONS);
		}
		renderReport(report, {});
		problemsOf(report);
		report.layers.map(treeRow);
		const { user, system } = process.cpuUsage(start);
		assert.ok((user + system) / 1e6 < LIMIT, `${JSON.stringify(sign)} took ${(user + system) / 1e6} s`);
	}
});

test('a report with the smallest and the largest numbers of float64 is read again by its own reader', async () => {
	const shape = [1, 2, 3];
	for (const value of [5e-324, Number.MAX_VALUE, -Number.MAX_VALUE, Number.NaN, Number.POSITIVE_INFINITY]) {
		const names = ['gamma', 'beta', 'mean', 'variance'];
		const { report } = await inspectBytes(
			buildModel({
				graph: {
					inputs: [{ name: 'x', dtype: 'float64', shape }],
					outputs: [{ name: 'y', dtype: 'float64', shape }],
					initializers: names.map((name) => ({ name, dtype: 'float64', values: [value, 1] })),
					nodes: [{ op: 'BatchNormalization', inputs: ['x', ...names], outputs: ['y'] }],
				},
			}),
		);
		const read = parseReport(JSON.parse(JSON.stringify(encodeReport(report))));
		assert.deepEqual(encodeReport(read), encodeReport(report), `${value}`);
	}
});
