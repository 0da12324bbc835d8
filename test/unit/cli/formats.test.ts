/** The built command line: every format to a file and to a pipe. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { parseReport } from '../../../src/core/report/json.js';
import { buildModel } from '../support/model-builder.js';

const cli = path.resolve('dist', 'cli.js');

let folder: string;
before(async () => {
	folder = await mkdtemp(path.join(tmpdir(), 'bnl-formats-'));
	const values = { g: [0, 1, 1], b: [0, 0, 1], m: [1, 2, 3], v: [1, 0, 2] };
	const initializers = Object.entries(values).map(([name, numbers]) => ({ name, values: numbers }));
	const nodes = [{ op: 'BatchNormalization', name: 'a,b "bn"', inputs: ['x', 'g', 'b', 'm', 'v'], outputs: ['y'] }];
	const graph = { inputs: [{ name: 'x', shape: [1, 3] }], outputs: ['y'], nodes, initializers };
	await writeFile(path.join(folder, 'two words.onnx'), buildModel({ graph }));
});
after(() => rm(folder, { recursive: true }));

/** Structure only: what is tested is how a report leaves, not what is in it. */
function inspect(...args: string[]) {
	return spawnSync(process.execPath, [cli, 'inspect', 'two words.onnx', '--no-run', '--fail-on', 'never', ...args], {
		encoding: 'utf8',
		cwd: folder,
		timeout: 60_000,
		maxBuffer: 16e6,
	});
}

const BEGINNINGS = {
	json: /^\{"format":"batchnorm-lens\.report"/,
	csv: /^layer,index,channel,/,
	markdown: /^# BatchNorm report\n/,
	sarif: /^\{\n\t"\$schema": /,
	junit: /^<\?xml version="1\.0" encoding="UTF-8"\?>\n<testsuites tests="2"/,
	html: /^<!DOCTYPE html>\n/,
};

for (const [format, beginning] of Object.entries(BEGINNINGS)) {
	test(`--format ${format}: the same to a pipe and to a file`, async () => {
		const piped = inspect('--format', format);
		assert.deepEqual([piped.status, piped.stderr], [0, '']);
		assert.match(piped.stdout.slice(0, 200), beginning);
		const file = path.join(folder, `out.${format}`);
		const written = inspect('--format', format, '-o', file);
		assert.deepEqual([written.status, written.stdout, written.stderr], [0, '', '']);
		assert.equal(await readFile(file, 'utf8'), piped.stdout);
	});
}

test('--json is --format json, and text goes to a file without color', async () => {
	assert.equal(parseReport(JSON.parse(inspect('--json').stdout)).layers[0]?.name, 'a,b "bn"');
	assert.equal(inspect('-o', 'out.txt').stdout, '');
	const text = await readFile(path.join(folder, 'out.txt'), 'utf8');
	assert.match(text, /the BatchNorm layer/i);
	assert.ok(!text.includes('\u001b'));
});

test('SARIF names the model relative to the working directory, so that CI finds it in its checkout', () => {
	const { runs } = JSON.parse(inspect('--format', 'sarif').stdout);
	assert.equal(runs[0].results[0].locations[0].physicalLocation.artifactLocation.uri, 'two%20words.onnx');
	assert.match(runs[0].tool.driver.semanticVersion, /^\d+\.\d+\.\d+$/);
});

test('a file that cannot be written gives exit 2 and one line that names it', () => {
	const { status, stderr, stdout } = inspect('--format', 'csv', '-o', path.join('no', 'such', 'folder.csv'));
	assert.deepEqual([status, stdout], [2, '']);
	assert.match(stderr, /^[^\n]*folder\.csv cannot be written: the folder [^\n]*such does not exist\.\n$/);
});
