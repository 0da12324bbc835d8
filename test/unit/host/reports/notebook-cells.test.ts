import assert from 'node:assert/strict';
import { type SpawnSyncReturns, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, it, type TestContext } from 'node:test';
import { reportFromParameters } from '../../../../src/core/inspection/parameters-report.js';
import { MIME_TYPE } from '../../../../src/core/report/export/mime-type.js';
import { parsePayload } from '../../../../src/core/report/payload.js';
import {
	CELL_KINDS,
	type CellKind,
	pathInNotebook,
	withModelPath,
	withProgram,
} from '../../../../src/host/reports/notebook-cells.js';
import { root } from '../../../workbench/paths.mjs';
import { HOSTILE_NAMES } from '../../support/hostile.js';

const cell = (kind: CellKind) => readFileSync(path.join(root, 'media', 'cells', `${kind}.py`), 'utf8');

/** Stands in for frameworks: what the cells use of them, with names and numbers that are hard to write down. */
const STAND_IN = `
import math

class Values:
    def __init__(self, *values): self.values = list(values)
    def reshape(self, size): return self
    def tolist(self): return self.values
    def __array__(self, dtype=None, copy=None):
        import numpy
        return numpy.array(self.values, dtype=dtype)

class Layer:
    def __init__(self, **fields): self.__dict__.update(fields)

class InstanceNorm2d(Layer): pass

statistics = dict(running_mean=Values(0.1, 0.5), running_var=Values(1.0, math.inf), eps=1e-5)
names = ${JSON.stringify(HOSTILE_NAMES.filter((name) => !name.includes('\ud800')))}

class Module:
    def named_modules(self):
        yield "", self
        for name in names:
            yield name, Layer(weight=Values(1.0, math.nan), bias=None, **statistics)
        yield "untracked", Layer(weight=None, bias=None, running_mean=None, running_var=None, eps=1e-5)
        yield "other", InstanceNorm2d(weight=None, bias=None, **statistics)

moving = dict(moving_mean=Values(0.1, 0.5), moving_variance=Values(1.0, math.inf), epsilon=1e-3)

class Model:
    inner = Layer(name="block", layers=[Layer(name=name, gamma=Values(1.0, math.nan), **moving) for name in names])
    layers = [Layer(name="conv"), inner, Layer(name="last", gamma=None, beta=Values(0.25, 0.0), **moving)]
`;

const DEFINE_MODEL: Readonly<Record<CellKind, string>> = {
	pytorch: `${STAND_IN}\nmodel = Module()\n`,
	keras: `${STAND_IN}\nmodel = Model()\n`,
	onnx: '',
	compare: '',
	reestimate: '',
};

/** A framework's own layers, where it is installed: in training mode once, so that the statistics moved. */
const TORCH = `
import torch
model = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.InstanceNorm2d(4), torch.nn.BatchNorm2d(4, affine=False))
model(torch.randn(2, 3, 8, 8))
`;

let folder: string;
before(() => {
	folder = mkdtempSync(path.join(tmpdir(), 'batchnorm-lens-cells-'));
	// Apart from the scripts: a real kernel, started beside them, must find its own.
	mkdirSync(path.join(folder, 'stand-in', 'IPython'), { recursive: true });
	writeFileSync(path.join(folder, 'stand-in', 'IPython', '__init__.py'), '');
	writeFileSync(
		path.join(folder, 'stand-in', 'IPython', 'display.py'),
		'import json\ndef display(data, raw):\n    assert raw is True\n    print(json.dumps(data, allow_nan=False))\n',
	);
});
after(() => rmSync(folder, { recursive: true }));

function python(args: readonly string[], env: NodeJS.ProcessEnv = {}): SpawnSyncReturns<string> {
	return spawnSync(interpreter, args, {
		encoding: 'utf8',
		cwd: folder,
		env: { ...process.env, PYTHONIOENCODING: 'utf-8', ...env },
		timeout: 120_000,
	});
}

/** The first on the PATH need not be the one that the system's packages belong to. */
const interpreters = ['/usr/bin/python3', 'python3', 'python'].filter(
	(name) => spawnSync(name, ['-c', 'import sys; assert sys.version_info >= (3, 8)']).status === 0,
);
let interpreter = interpreters[0] ?? 'python3';

/** Whether an interpreter has the modules; it is used from then on. */
function has(...modules: readonly string[]): boolean {
	const found = interpreters.find((name) => spawnSync(name, ['-c', `import ${modules.join(', ')}`]).status === 0);
	interpreter = found ?? interpreter;
	return found !== undefined;
}

/** What the cell shows, with a module in place of Jupyter's that prints it. */
function runPlain(setup: string, source: string): Readonly<Record<string, unknown>> {
	const script = path.join(folder, 'cell.py');
	writeFileSync(script, `${setup}\n${source}`);
	const { status, stdout, stderr } = python([script], { PYTHONPATH: path.join(folder, 'stand-in') });
	assert.equal(status, 0, stderr);
	return JSON.parse(stdout);
}

type Cell = readonly [setup: string, source: string];

/** What each cell shows when a real kernel executes them all; starting one takes seconds. */
function runInKernel(pairs: readonly Cell[]): readonly Readonly<Record<string, unknown>>[] {
	const code = (text: string) => ({
		cell_type: 'code',
		metadata: {},
		execution_count: null,
		outputs: [],
		source: text,
	});
	const notebook = { cells: pairs.flat().map(code), metadata: {}, nbformat: 4, nbformat_minor: 4 };
	const file = path.join(folder, 'executed.ipynb');
	writeFileSync(file, JSON.stringify(notebook));
	const args = ['-m', 'nbconvert', '--to', 'notebook', '--execute', '--inplace', '--allow-errors', file];
	const { status, stderr } = python(args, { IPYTHONDIR: path.join(folder, 'ipython'), JUPYTER_CONFIG_DIR: folder });
	assert.equal(status, 0, stderr);
	const { cells }: { cells: { outputs: { output_type: string; data: Record<string, unknown> }[] }[] } = JSON.parse(
		readFileSync(file, 'utf8'),
	);
	return pairs.map((_, index) => {
		const outputs = cells[2 * index + 1]?.outputs ?? [];
		assert.equal(outputs[0]?.output_type, 'display_data', JSON.stringify(cells[2 * index]?.outputs.concat(outputs)));
		return outputs[0].data;
	});
}

function checkParameters(data: Readonly<Record<string, unknown>>, count: number) {
	assert.deepEqual(Object.keys(data).sort(), [MIME_TYPE, 'text/html', 'text/plain'].sort());
	const payload = parsePayload(data[MIME_TYPE]);
	assert.ok(payload.kind === 'parameters');
	assert.equal(payload.layers.length, count);
	assert.equal(reportFromParameters(payload.layers).layers.length, count);
	const html = [data['text/html']].flat().join('');
	assert.deepEqual([...new Set(html.match(/<\/?[a-z]+/g))].sort(), [
		'</p',
		'</table',
		'</td',
		'</th',
		'</tr',
		'<p',
		'<table',
		'<td',
		'<th',
		'<tr',
	]);
	return payload.layers;
}

const names = HOSTILE_NAMES.length - 1;

describe('cells for notebooks', { skip: interpreters.length === 0 && 'there is no Python 3.8 or newer' }, () => {
	it('PyTorch: layers with running statistics, whatever their names and numbers', () => {
		const [layer] = checkParameters(runPlain(DEFINE_MODEL.pytorch, cell('pytorch')), names);
		assert.deepEqual(layer, {
			name: HOSTILE_NAMES[0],
			gamma: Float64Array.of(1, Number.NaN),
			beta: null,
			mean: Float64Array.of(0.1, 0.5),
			variance: Float64Array.of(1, Number.POSITIVE_INFINITY),
			epsilon: 1e-5,
		});
	});

	it('Keras: layers of nested models, by their path', (context) => {
		if (!has('numpy')) {
			return context.skip('numpy is not installed');
		}
		const layers = checkParameters(runPlain(DEFINE_MODEL.keras, cell('keras')), names + 1);
		assert.equal(layers[0]?.name, `block/${HOSTILE_NAMES[0]}`);
		assert.deepEqual(layers.at(-1), {
			name: 'last',
			gamma: null,
			beta: Float64Array.of(0.25, 0),
			mean: Float64Array.of(0.1, 0.5),
			variance: Float64Array.of(1, Number.POSITIVE_INFINITY),
			epsilon: 1e-3,
		});
	});

	it('ONNX: Python reads the very path that was meant', () => {
		const paths = [
			'models/net.onnx',
			'C:\\new\\table.onnx',
			'a"b\'c$&.onnx',
			'right\u202eto\nleft \u{e0041}.onnx',
			'Größe/層.onnx',
		];
		for (const model of paths) {
			const source = withModelPath(cell('onnx'), model);
			assert.doesNotMatch(source, /[\u202e\u{e0041}]/u);
			const data = runPlain('', source);
			assert.deepEqual(parsePayload(data[MIME_TYPE]), { kind: 'model', path: model });
		}
	});

	it('a plain script without IPython prints the text', () => {
		const script = path.join(folder, 'script.py');
		const plain: readonly Cell[] = [
			[DEFINE_MODEL.pytorch, cell('pytorch')],
			['', withModelPath(cell('onnx'), 'net.onnx')],
		];
		for (const [setup, source] of plain) {
			// Stands for an interpreter in which IPython is not installed.
			writeFileSync(script, `import sys\nsys.modules["IPython"] = None\n${setup}\n${source}`);
			const { status, stdout, stderr } = python([script]);
			assert.equal(status, 0, stderr);
			assert.match(stdout, /^(\d+ BatchNorm layers with running statistics\.|net\.onnx: ).*\n$/);
		}
	});

	it('a real kernel executes each of them', (context: TestContext) => {
		if (!has('ipykernel', 'nbconvert', 'numpy')) {
			return context.skip('Jupyter is not installed (Debian: python3-ipykernel, jupyter-nbconvert)');
		}
		const torch = has('ipykernel', 'nbconvert', 'numpy', 'torch');
		const [pytorch, keras, onnx, real] = runInKernel([
			[DEFINE_MODEL.pytorch, cell('pytorch')],
			[DEFINE_MODEL.keras, cell('keras')],
			['', withModelPath(cell('onnx'), 'net.onnx')],
			...(torch ? [[TORCH, cell('pytorch')] satisfies Cell] : []),
		]);
		checkParameters(pytorch, names);
		checkParameters(keras, names + 1);
		assert.deepEqual(parsePayload(onnx[MIME_TYPE]), { kind: 'model', path: 'net.onnx' });
		if (!torch) {
			context.diagnostic('PyTorch is not installed: only what stands in for it was shown.');
			return;
		}
		const [first, second] = checkParameters(real, 2);
		assert.deepEqual([first?.name, second?.name], ['1', '3']);
		assert.deepEqual([first?.gamma, second?.gamma], [Float64Array.of(1, 1, 1, 1), null]);
		assert.ok(first?.mean.some((value) => value !== 0));
	});
});

describe('paths in a notebook', () => {
	it('every kind of cell has its file', () => {
		for (const kind of CELL_KINDS) {
			assert.match(cell(kind), /^# BatchNorm Lens: /);
		}
	});

	it('are relative beside and below it, and absolute elsewhere', () => {
		assert.equal(pathInNotebook('/work/net.onnx', 'net.onnx'), 'net.onnx');
		assert.equal(pathInNotebook('C:\\work\\models\\net.onnx', 'models\\net.onnx'), 'models/net.onnx');
		assert.equal(pathInNotebook('/work/net.onnx', '../net.onnx'), '../net.onnx');
		assert.equal(pathInNotebook('/data/net.onnx', '../../data/net.onnx'), '/data/net.onnx');
		assert.equal(pathInNotebook('D:\\net.onnx', 'D:\\net.onnx'), 'D:\\net.onnx');
		assert.equal(pathInNotebook('/work/net.onnx', undefined), '/work/net.onnx');
	});
});

/** Stands in for PyTorch: a module that is saved as the bytes of a checkpoint. */
const SAVED_MODULE = `
import shutil, sys, types
torch = types.ModuleType("torch")
torch.save = lambda module, path: shutil.copy(module, path)
sys.modules["torch"] = torch
`;

describe('the cell that compares a module with its export', () => {
	it('shows the comparison that the command line makes, and leaves no file', () => {
		const [checkpoint, deployed] = ['conv1d.full.pt', 'conv1d.kept.onnx'].map((name) =>
			path.join(root, 'test', 'fixtures', 'checkpoints', name),
		);
		const printed = { summary: { match: 2 }, layers: [{ name: '<1>', status: 'match', evidence: 'It arrived.' }] };
		const program = path.join(folder, 'program.js');
		writeFileSync(
			program,
			`const { readFileSync } = require('node:fs');
			const [command, original, deployed] = process.argv.slice(2);
			if (command !== 'compare' || readFileSync(original).length !== ${readFileSync(checkpoint ?? '').length}) process.exit(2);
			console.log(JSON.stringify({ ...${JSON.stringify(printed)}, original, deployed }));`,
		);
		const source = withProgram(withModelPath(cell('compare'), deployed ?? ''), [process.execPath, program]);
		const shown = runPlain(`${SAVED_MODULE}\nmodel = ${JSON.stringify(checkpoint)}`, source);
		const { kind, comparison } = shown[MIME_TYPE] as { kind: string; comparison: Record<string, unknown> };
		assert.deepEqual([kind, comparison.deployed, comparison.summary], ['comparison', deployed, { match: 2 }]);
		assert.throws(() => readFileSync(String(comparison.original)), /ENOENT/);
		assert.match(String(shown['text/html']), /<td>&lt;1&gt;<\/td><td>match<\/td>/);
	});
});
