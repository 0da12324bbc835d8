/** Folds models whose external data have hostile locations: no location decides where a file is written. */
import assert from 'node:assert/strict';
import {
	chmodSync,
	existsSync,
	linkSync,
	lstatSync,
	mkdirSync,
	mkdtempSync,
	readdirSync,
	readFileSync,
	rmSync,
	statSync,
	symlinkSync,
	writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, beforeEach, test } from 'node:test';
import { externalTensors } from '../../../../../src/core/onnx/graph/external-tensors.js';
import { readModel } from '../../../../../src/core/onnx/read/reader.js';
import { memorySource } from '../../../../../src/core/onnx/source.js';
import { readTensor } from '../../../../../src/core/onnx/tensor/tensor.js';
import { fold } from '../../../../../src/engine/child/fold.js';
import { openModel } from '../../../../../src/engine/child/model/opened-model.js';
import { loadRuntime } from '../../../../../src/engine/child/runtime/runtime.js';
import { rawElements } from '../../../support/elements.js';
import { buildModel, type GraphSpec, type TensorSpec } from '../../../support/model-builder.js';

const root = mkdtempSync(path.join(tmpdir(), 'bnl-written-'));
after(() => rmSync(root, { recursive: true }));

let from: string;
let to: string;
beforeEach(() => {
	const folder = mkdtempSync(path.join(root, 'case-'));
	[from, to] = [path.join(folder, 'from'), path.join(folder, 'to')];
	mkdirSync(from);
	mkdirSync(to);
});

const ports = { runtime: loadRuntime, emit: () => {} };
const foldTo = (model: string, output: string) =>
	fold({ path: model }, { output, temporary: `${output}.part`, batch: 1, seed: 0 }, ports);

const WEIGHTS = [1, 2, 3, 4];

/** Two convolutions; a layer folds into the first. Each weight is an external tensor, as is a constant in an If. */
function graphOf(...external: NonNullable<TensorSpec['external']>[]): GraphSpec {
	const [first, second = first, inner = first] = external;
	const value = { name: 'v', dims: [1], external: inner };
	const branch = {
		nodes: [
			{ op: 'Constant', outputs: ['k'], attributes: { value: { t: value } } },
			{ op: 'Add', inputs: ['z', 'k'], outputs: ['r'] },
		],
		outputs: [{ name: 'r' }],
	};
	return {
		inputs: [{ name: 'x', shape: [1, 1, 2, 2] }],
		outputs: [{ name: 'y', shape: [1, 1, 2, 2] }],
		initializers: [
			{ name: 'w1', dims: [1, 1, 1, 1], external: first },
			{ name: 'w2', dims: [1, 1, 1, 1], external: second },
			{ name: 'p', values: [1] },
			{ name: 'yes', dtype: 'bool', dims: [], values: [1] },
		],
		nodes: [
			{ op: 'Conv', inputs: ['x', 'w1'], outputs: ['h'] },
			{ op: 'BatchNormalization', name: 'bn', inputs: ['h', 'p', 'p', 'p', 'p'], outputs: ['b'] },
			{ op: 'Relu', inputs: ['b'], outputs: ['c'] },
			{ op: 'Conv', inputs: ['c', 'w2'], outputs: ['z'] },
			{
				op: 'If',
				inputs: ['yes'],
				outputs: ['y'],
				attributes: { then_branch: { g: branch }, else_branch: { g: branch } },
			},
		],
	};
}

function write(folder: string, location: string, mode = 0o644): void {
	const file = path.join(folder, location);
	mkdirSync(path.dirname(file), { recursive: true });
	writeFileSync(file, rawElements('float32', WEIGHTS));
	chmodSync(file, mode);
}

function everything(folder: string): string[] {
	return readdirSync(folder, { recursive: true }).map(String).sort();
}

test('external data get one file that is named after the output, and every location says so', async () => {
	for (const location of ['.git/hooks/post-commit', '.vscode/tasks.json', '.bashrc', 'sub/w.data']) {
		write(from, location, 0o755);
	}
	const ranges = ['.git/hooks/post-commit', '.vscode/tasks.json', '.bashrc'].map((location, index) => ({
		location,
		offset: 4 * index,
		length: 4,
	}));
	const model = path.join(from, 'm.onnx');
	writeFileSync(model, buildModel({ graph: graphOf(...ranges) }));
	const before = everything(from);
	const result = await foldTo(model, path.join(to, 'out.onnx'));
	assert.deepEqual([result.folded.length, result.outputs.status], [1, 'match']);
	assert.deepEqual([everything(to), everything(from)], [['out.onnx', 'out.onnx.data'], before]);
	assert.equal(statSync(path.join(to, 'out.onnx.data')).mode & 0o777, 0o644);
	const written = await openModel({ path: path.join(to, 'out.onnx') });
	const tensors = externalTensors(written.model);
	// The first weight is folded, and the model holds it.
	assert.equal(tensors.length, 3);
	assert.deepEqual(new Set(tensors.map(({ range }) => range.location)), new Set(['out.onnx.data']));
	const values = await Promise.all(tensors.map(({ record }) => readTensor(record, written.access)));
	assert.deepEqual(
		values.map(({ data }) => data[0]),
		[2, 3, 3],
	);
	await written.close();
});

test('in the folder of the model no data are copied, and its bytes stay', async () => {
	write(from, 'sub/w.data');
	const model = path.join(from, 'm.onnx');
	writeFileSync(model, buildModel({ graph: graphOf({ location: 'sub/w.data', offset: 0, length: 4 }) }));
	const { outputs } = await foldTo(model, path.join(from, 'out.onnx'));
	assert.equal(outputs.status, 'match');
	assert.deepEqual(everything(from), ['m.onnx', 'out.onnx', 'sub', 'sub/w.data']);
	const { graph } = await readModel(memorySource(readFileSync(path.join(from, 'out.onnx')), 'out.onnx'));
	const storage = graph.initializers.get('w2')?.storage;
	assert.equal(storage?.kind === 'external' && storage.location, 'sub/w.data');
});

test('locations outside of the folder, links and absolute paths are refused, and nothing is created', async () => {
	write(path.dirname(from), 'secret');
	symlinkSync(path.join(path.dirname(from), 'secret'), path.join(from, 'link'));
	symlinkSync(path.dirname(from), path.join(from, 'up'));
	const hostile = ['../secret', path.join(path.dirname(from), 'secret'), 'link', 'up/secret', 'a/../../secret', ''];
	for (const location of hostile) {
		const model = path.join(from, 'm.onnx');
		writeFileSync(model, buildModel({ graph: graphOf({ location, offset: 0, length: 4 }) }));
		await assert.rejects(foldTo(model, path.join(to, 'out.onnx')), /location ".*" is refused/, location);
		assert.deepEqual(everything(to), [], location);
	}
});

test('impossible offsets and lengths are refused, and nothing is created', async () => {
	write(from, 'w.data');
	for (const range of [
		{ offset: -4 },
		{ offset: 2 ** 60 },
		{ offset: Number.NaN },
		{ length: -4 },
		{ length: 2 ** 40 },
	]) {
		const model = path.join(from, 'm.onnx');
		const good = { location: 'w.data', offset: 0, length: 4 };
		writeFileSync(model, buildModel({ graph: graphOf(good, { ...good, ...range }) }));
		await assert.rejects(foldTo(model, path.join(to, 'out.onnx')), { name: /OnnxError/ }, JSON.stringify(range));
		assert.deepEqual(everything(to), []);
	}
});

test('an existing file is never replaced by external data; the same content serves', async () => {
	write(from, 'w.data');
	const model = path.join(from, 'm.onnx');
	writeFileSync(model, buildModel({ graph: graphOf({ location: 'w.data', offset: 0, length: 4 }) }));
	const [output, data] = [path.join(to, 'out.onnx'), path.join(to, 'out.onnx.data')];
	await foldTo(model, output);
	const content = readFileSync(data);
	chmodSync(output, 0o640);
	await foldTo(model, output);
	assert.deepEqual([everything(to), statSync(output).mode & 0o777], [['out.onnx', 'out.onnx.data'], 0o640]);
	assert.deepEqual(readFileSync(data), content);
	const folded = readFileSync(output);
	writeFileSync(data, 'precious');
	await assert.rejects(foldTo(model, output), /out\.onnx\.data is needed .* exists: choose another output/);
	assert.equal(readFileSync(data, 'utf8'), 'precious');
	// A link would lead the data elsewhere.
	const elsewhere = path.join(path.dirname(to), 'elsewhere');
	for (const target of [elsewhere, path.join(path.dirname(from), 'missing')]) {
		rmSync(data);
		writeFileSync(elsewhere, content);
		symlinkSync(target, data);
		await assert.rejects(foldTo(model, output), /out\.onnx\.data is needed/);
		assert.ok(lstatSync(data).isSymbolicLink());
	}
	assert.ok(!existsSync(path.join(path.dirname(from), 'missing')));
	assert.deepEqual([everything(to), readFileSync(output)], [['out.onnx', 'out.onnx.data'], folded]);
});

test('neither the model nor its external data are replaced, under any of their names', async () => {
	write(from, 'w.data');
	const model = path.join(from, 'm.onnx');
	writeFileSync(model, buildModel({ graph: graphOf({ location: 'w.data', offset: 0, length: 4 }) }));
	const bytes = readFileSync(model);
	const names = [];
	for (const name of ['m.onnx', 'w.data']) {
		symlinkSync(path.join(from, name), path.join(to, `symbolic ${name}`));
		linkSync(path.join(from, name), path.join(to, `hard ${name}`));
		names.push(path.join(from, name), path.join(to, `symbolic ${name}`), path.join(to, `hard ${name}`));
	}
	for (const output of [...names, `${from}/../from/m.onnx`]) {
		await assert.rejects(foldTo(model, output), /is read by this command/, output);
	}
	assert.deepEqual([readFileSync(model), readFileSync(path.join(from, 'w.data')).length], [bytes, 16]);
});
