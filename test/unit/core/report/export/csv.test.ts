import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { reportCsvPieces, toCsv } from '../../../../../src/core/report/export/csv.js';
import { DANGEROUS, HOSTILE_NAMES, hostileReport } from '../../../support/hostile.js';
import { sampleLayer, sampleReport } from '../../../support/sample-report.js';

const rows = (csv: string) =>
	csv
		.trimEnd()
		.split('\r\n')
		.map((line) => line.split(','));

test('a row a channel, with every number in full', () => {
	const report = sampleReport({
		layers: [
			sampleLayer({
				findings: [
					{ code: 'dead-channel', severity: 'warning', channels: [1], message: 'Dead.' },
					{ code: 'training-mode', severity: 'warning', channels: [], message: 'Training.' },
				],
			}),
		],
	});
	const [header, first, second, ...rest] = rows(toCsv(report));
	assert.equal(
		header.join(' '),
		'layer index channel gamma beta mean variance scale shift batch_mean batch_variance max_abs_error bound findings',
	);
	assert.deepEqual(first, 'features.1,0,0,1,0,0.25,1,0.999995,-0.25,0.2,0.9,1e-7,0.000004,training-mode'.split(','));
	assert.equal(Number(second[5]), Math.fround(0.1), 'no digit is lost');
	assert.equal(second.at(-1), 'dead-channel training-mode');
	assert.deepEqual(rest, []);
});

test('an unknown value is empty, a value that is not finite has its name', () => {
	const bare = sampleLayer({ parameters: null, affine: null, batch: null, recompute: { status: 'pending' } });
	const infinite = sampleLayer({
		affine: { scale: Float64Array.of(Number.NaN, Number.NEGATIVE_INFINITY), shift: new Float64Array(2) },
	});
	const [, empty, nan, minus] = rows(toCsv(sampleReport({ layers: [bare, infinite] })));
	assert.deepEqual(
		empty.slice(2),
		Array.from({ length: 12 }, () => ''),
	);
	assert.deepEqual([nan[7], minus[7]], ['NaN', '-Infinity']);
});

test('a layer with statistics for each activation has a row for each, without the statistics of the batch', () => {
	const values = Float64Array.of(1, 2, 3, 4, 5, 6);
	const layer = sampleLayer({
		axes: 'activation',
		parameters: { gamma: values, beta: values, mean: values, variance: values },
		affine: { scale: values, shift: values },
	});
	const [, ...lines] = rows(toCsv(sampleReport({ layers: [layer] })));
	assert.equal(lines.length, 6);
	assert.deepEqual(lines[5].slice(2, 4), ['5', '6']);
	assert.deepEqual(lines[5].slice(9, 11), ['', '']);
});

test('hostile names need no quotes, start no formula and stay in their cell', () => {
	const csv = toCsv(hostileReport());
	const [header, ...lines] = rows(csv);
	assert.equal(lines.length, 2 * HOSTILE_NAMES.length);
	for (const cells of lines) {
		assert.equal(cells.length, header.length);
		assert.ok(
			cells.every((cell) => !/["#;\n]/.test(cell) && !DANGEROUS.test(cell)),
			cells[0],
		);
		assert.doesNotMatch(cells[0], /^\s*[=+\-@]/);
		assert.ok(cells[0].length < 3000);
	}
	assert.ok(lines.some(([name]) => name.startsWith("'=HYPERLINK(\\u0022https")));
});

const READ = `
import json, sys, numpy
rows = numpy.genfromtxt(sys.argv[1], delimiter=",", names=True, dtype=None, encoding="utf-8")
print(json.dumps([rows.dtype.names, len(rows), rows["mean"].tolist()]))
`;

test('numpy reads it, hostile names included', (context) => {
	const python = ['/usr/bin/python3', 'python3', 'python'].find(
		(name) => spawnSync(name, ['-c', 'import numpy']).status === 0,
	);
	if (!python) {
		context.skip('numpy is not installed');
		return;
	}
	const folder = mkdtempSync(path.join(tmpdir(), 'batchnorm-lens-csv-'));
	try {
		const file = path.join(folder, 'report.csv');
		const csv = toCsv(hostileReport());
		writeFileSync(file, csv);
		const { stdout, stderr } = spawnSync(python, ['-c', READ, file], { encoding: 'utf8' });
		assert.equal(stderr, '');
		const [names, count, means] = JSON.parse(stdout);
		assert.deepEqual(names, rows(csv)[0]);
		assert.equal(count, 2 * HOSTILE_NAMES.length);
		assert.deepEqual(means.slice(0, 2), [0.25, Math.fround(0.1)]);
	} finally {
		rmSync(folder, { recursive: true });
	}
});

test('a layer that claims 2^31 channels without a value has one row', () => {
	const claim = sampleLayer({
		channels: 2 ** 31,
		parameters: null,
		affine: null,
		batch: null,
		recompute: { status: 'pending' },
		findings: [{ code: 'training-mode', severity: 'warning', channels: [], message: 'Training.' }],
	});
	const [, ...lines] = rows(toCsv(sampleReport({ layers: [claim] })));
	assert.deepEqual([lines.length, lines[0].slice(2).join('')], [1, 'training-mode']);
});

test('a large report comes in pieces of bounded length', () => {
	const values = new Float64Array(25_000);
	const layer = sampleLayer({
		parameters: { gamma: values, beta: values, mean: values, variance: values },
		affine: { scale: values, shift: values },
		channels: values.length,
	});
	const report = sampleReport({ layers: [layer] });
	const pieces = [...reportCsvPieces(report)];
	assert.ok(pieces.length >= 25 && pieces.every(({ length }) => length < 200_000), `${pieces.length} pieces`);
	assert.equal(pieces.join(''), toCsv(report));
});
