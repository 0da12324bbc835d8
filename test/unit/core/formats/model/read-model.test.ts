import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findLayers } from '../../../../../src/core/batchnorm/find.js';
import { readAnyModel } from '../../../../../src/core/formats/model/read-model.js';
import { OnnxError, type OnnxErrorCode } from '../../../../../src/core/onnx/errors.js';
import { memorySource } from '../../../../../src/core/onnx/source.js';
import type { LayerReport } from '../../../../../src/core/report/types.js';
import { inflate } from '../../../../../src/platform/inflate.js';
import { buildZip, safetensorsOf } from '../../../support/checkpoint-builder.js';
import { checkpointBytes, exportedLayers } from '../../../support/checkpoints.js';
import { countingSource } from '../../../support/counting-source.js';
import { inspectBytes } from '../../../support/inspect.js';

const read = (bytes: Uint8Array, name = 'net.pth') => readAnyModel(memorySource(bytes, name), { inflate });

/** No test of a checkpoint may load the runtime. */
const NO_RUNTIME = {
	runtime: () => assert.fail('a checkpoint was run'),
};

const FORMS = ['pth', 'legacy.pth', 'nested.ckpt', 'views.pth', 'full.pt', 'script.pt', 'safetensors'];

for (const form of FORMS) {
	test(`conv1d.${form} gives the report of an ONNX model, without a run`, async () => {
		const { report } = await inspectBytes(checkpointBytes(`conv1d.${form}`), { ports: NO_RUNTIME });
		const exported = await exportedLayers('conv1d');
		assert.deepEqual(
			report.layers.map(({ parameters }) => parameters && plain(parameters)),
			exported,
		);
		assert.equal(report.model.format, form === 'safetensors' ? 'safetensors' : 'pytorch');
		assert.equal(report.run.status, 'skipped');
		assert.deepEqual([...new Set(report.layers.map(({ source }) => source?.op))], ['Conv']);
		const saysEpsilon = form === 'full.pt';
		for (const { inferred, findings, affine } of report.layers) {
			assert.equal(inferred?.includes('epsilon'), !saysEpsilon && form !== 'script.pt');
			assert.ok(inferred?.includes('source'));
			assert.ok(affine && findings.every(({ severity }) => severity === 'info'));
		}
	});
}

function plain({ gamma, beta, mean, variance }: NonNullable<LayerReport['parameters']>) {
	return { gamma: [...gamma], beta: [...beta], mean: [...mean], variance: [...variance] };
}

test('layers without an affine part have gamma 1 and beta 0', async () => {
	const { report } = await inspectBytes(checkpointBytes('mlp.pth'), { ports: NO_RUNTIME });
	const [, bare] = report.layers;
	const { gamma = [], beta = [] } = bare?.parameters ? plain(bare.parameters) : {};
	assert.deepEqual([new Set(gamma), new Set(beta)], [new Set([1]), new Set([0])]);
	assert.equal(gamma.length, bare?.channels);
});

test('a layer without an operator in front is not called unfoldable', async () => {
	const { report } = await inspectBytes(
		safetensorsOf({ 'bn.running_mean': [0.5, 1], 'bn.running_var': [1, 2], 'bn.weight': [1, 2], 'bn.bias': [0, 1] }),
	);
	const [layer] = report.layers;
	assert.deepEqual(
		[layer?.source, layer?.foldable, layer?.inferred],
		[null, { into: null, reasons: [] }, ['epsilon', 'source']],
	);
});

test('a checkpoint of 100 MB is opened by reading its parameters alone', async () => {
	const source = sparseSafetensors(25, 1_000_000);
	const { model } = await readAnyModel(source, { inflate });
	const found = await findLayers(model, { source });
	assert.equal(found.length, 25);
	assert.ok(source.size > 100_000_000);
	assert.ok(source.bytesRead < 100_000, `${source.bytesRead} bytes were read`);
});

/** Returns a safetensors file of `count` blocks with a weight of `elements` zeros each. */
function sparseSafetensors(count: number, elements: number) {
	let at = 0;
	const header: Record<string, object> = {};
	const add = (name: string, shape: readonly number[]) => {
		const begin = at;
		at += 4 * shape.reduce((a, b) => a * b, 1);
		header[name] = { dtype: 'F32', shape, data_offsets: [begin, at] };
	};
	for (let index = 0; index < count; index++) {
		add(`${index}.conv.weight`, [2, elements / 2, 1, 1]);
		for (const leaf of ['weight', 'bias', 'running_mean', 'running_var']) {
			add(`${index}.bn.${leaf}`, [2]);
		}
	}
	const text = new TextEncoder().encode(JSON.stringify(header));
	const bytes = new Uint8Array(8 + text.length + at);
	new DataView(bytes.buffer).setBigUint64(0, BigInt(text.length), true);
	bytes.set(text, 8);
	return countingSource(bytes, 'large.safetensors');
}

const REFUSED: readonly [title: string, bytes: Uint8Array, code: OnnxErrorCode, sentence: RegExp][] = [
	['an empty file', new Uint8Array(0), 'empty', /net\.pth is empty/],
	['a TensorFlow Lite model', Buffer.from('\x1c\0\0\0TFL3\0\0\0\0', 'latin1'), 'not-onnx', /TensorFlow Lite/],
	['a zip of other things', buildZip({ entries: [{ name: 'a.txt' }] }), 'not-onnx', /zip archive/],
	['a text', Buffer.from('hello, world, this is no model'), 'not-onnx', /net\.pth is not an ONNX model/],
	['a cut checkpoint', checkpointBytes('conv1d.safetensors').subarray(0, 900), 'truncated', /net\.pth ends at/],
];

for (const [title, bytes, code, sentence] of REFUSED) {
	test(`${title} is refused in one sentence`, async () => {
		await assert.rejects(
			read(bytes),
			(error) => error instanceof OnnxError && error.code === code && sentence.test(error.message),
		);
	});
}

test('a Keras model states epsilon, momentum, and the module that feeds each layer', async () => {
	const { model } = await readAnyModel(memorySource(checkpointBytes('kseq.keras'), 'kseq.keras'), { inflate });
	assert.equal(model.format, 'keras');
	const layers = model.graph.nodes.filter(({ opType }) => opType === 'BatchNormalization');
	const byOutput = new Map(model.graph.nodes.map((node) => [node.outputs[0], node]));
	assert.deepEqual(
		layers.map(({ name, inputs, inferred, attributes }) => {
			const { opType, name: source } = byOutput.get(inputs[0] ?? '') ?? {};
			return [name, opType, source, inferred, attributes.get('epsilon')?.f, attributes.get('momentum')?.f];
		}),
		[
			['bn_a', 'Conv', 'conv_a', [], Math.fround(1e-3), 0.99],
			['bn_pre', 'ReLU', 're_lu_3', [], Math.fround(1e-3), 0.99],
			['bn_b', 'Conv', 'conv_b', [], Math.fround(1e-3), 0.99],
		],
	);
});
