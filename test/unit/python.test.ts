/** The Python of the README, run by the Python of this machine on the built command line. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { root } from '../workbench/paths.mjs';
import { foldedModel } from './support/folded.js';

const python = ['/usr/bin/python3', 'python3', 'python'].find((name) => spawnSync(name, ['--version']).status === 0);
const readme = readFileSync(path.join(root, 'README.md'), 'utf8');
const [, section = ''] = /## From Python\n(.*?)\n## /s.exec(readme) ?? [];
const [script = '', table = '', pytest = ''] = [...section.matchAll(/```python\n(.*?)```/gs)].map(([, code]) => code);
const models = path.join(root, 'test', 'fixtures', 'models');

let folder = '';
before(() => {
	folder = mkdtempSync(path.join(tmpdir(), 'bnl-python-'));
	copyFileSync(path.join(models, 'plain_cnn.onnx'), path.join(folder, 'model.onnx'));
});
after(() => rmSync(folder, { recursive: true }));

/** Runs blocks of the README with this repository's command line in place of an installed package. */
function run(...code: readonly string[]) {
	const lens = JSON.stringify([process.execPath, path.join(root, 'dist', 'cli.js')]);
	const source = code.join('\n').replace(/^LENS = .*$/m, `LENS = ${lens}`);
	const file = path.join(folder, 'script.py');
	writeFileSync(file, source);
	return spawnSync(python ?? '', [file], { cwd: folder, encoding: 'utf8', timeout: 120_000 });
}

describe('Python in the README', { skip: python === undefined && 'there is no Python' }, () => {
	it('a script reads the report', () => {
		const { status, stdout, stderr } = run(script);
		assert.equal(status, 0, stderr);
		const lines = stdout.trim().split(/\r?\n/);
		assert.ok(lines.length > 1);
		for (const line of lines) {
			assert.match(line, /^\S+ match \[.*\]$/);
		}
	});

	it('a table has the columns that pandas is asked for', () => {
		// The standard library reads the same file, so that pandas need not be installed.
		const pandas = [
			'class pandas:',
			'    def read_csv(name):',
			'        import csv',
			'        rows = list(csv.DictReader(open(name, encoding="utf-8")))',
			'        class Table(list):',
			'            def nsmallest(self, n, key): return Table(sorted(self, key=lambda row: float(row[key]))[:n])',
			'            def __getitem__(self, names): return [[row[name] for name in names] for row in self]',
			'        return Table(rows)',
		].join('\n');
		const definitions = script.slice(0, script.indexOf('\n\nfor '));
		const { status, stdout, stderr } = run(definitions, table.replace('import pandas\n', `${pandas}\n`));
		assert.equal(status, 0, stderr);
		assert.match(stdout, /^\[\['\S+', '\d+', '[\d.e-]+', '[\d.e-]+'\]/);
	});

	it('the test for pytest passes a right fold and fails a wrong one with its evidence', async () => {
		const definitions = script.slice(0, script.indexOf('\n\nfor '));
		const call = pytest.slice(4, pytest.indexOf('(')).trim();
		const original = readFileSync(path.join(folder, 'model.onnx'));
		const runOn = async (epsilons: Readonly<Record<number, number>>) => {
			writeFileSync(path.join(folder, 'deployed.onnx'), await foldedModel(original, epsilons));
			return run(definitions, pytest, `${call}()`);
		};
		const right = await runOn({});
		assert.equal(right.status, 0, right.stderr);
		const { status, stderr } = await runOn({ 1: 0.1 });
		assert.equal(status, 1);
		assert.match(stderr, /AssertionError: \/4\/BatchNormalization: .*epsilon/);
	});
});
