import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { detectFormat } from '../../../../src/core/formats/detect.js';
import { memorySource } from '../../../../src/core/onnx/source.js';
import { inflate } from '../../../../src/platform/inflate.js';
import { buildZip, concat, little } from '../../support/checkpoint-builder.js';
import { checkpointBytes, checkpointError } from '../../support/checkpoints.js';

/** The name is the same for all files, because it plays no part. */
function detect(bytes: Uint8Array): ReturnType<typeof detectFormat> {
	return detectFormat(memorySource(bytes, 'file.bin'), { inflate });
}

const FILES = [
	['conv1d.pth', 'pytorch'],
	['conv1d.nested.ckpt', 'pytorch'],
	['conv1d.full.pt', 'pytorch'],
	['conv1d.script.pt', 'torchscript'],
	['conv1d.legacy.pth', 'pytorch-legacy'],
	['conv1d.safetensors', 'safetensors'],
	['conv1d.kept.onnx', 'onnx'],
] as const;

for (const [name, kind] of FILES) {
	test(`${name} is recognized as ${kind}`, async () => {
		assert.equal((await detect(checkpointBytes(name))).kind, kind);
	});
}

test('Keras files are recognized by content', async () => {
	assert.equal((await detect(concat('\x89HDF\r\n\x1a\n', new Uint8Array(100)))).kind, 'hdf5');
	const keras = buildZip({
		entries: [{ name: 'metadata.json' }, { name: 'config.json' }, { name: 'model.weights.h5' }],
	});
	assert.equal((await detect(keras)).kind, 'keras');
});

const OTHERS: readonly [string, Uint8Array, RegExp][] = [
	['TensorFlow Lite', concat(little(28, 4), 'TFL3', new Uint8Array(40)), /TensorFlow Lite/],
	['TensorRT', concat('ptrt', new Uint8Array(40)), /TensorRT/],
	['OpenVINO', concat('<?xml version="1.0"?>\n<net name="x" version="11">'), /OpenVINO/],
	['Core ML', concat([0x08, 0x05, 0x12, 0x90, 0x02, 0x0a, 0x10], new Uint8Array(40)), /Core ML/],
	['a NumPy archive', buildZip({ entries: [{ name: 'arr_0.npy' }] }), /NumPy/],
	['old TorchScript', buildZip({ entries: [{ name: 'x/model.json' }] }), /TorchScript/],
	[
		'a torch.export program',
		buildZip({ entries: [{ name: 'm/archive_format' }, { name: 'm/models/model.json' }] }),
		/torch\.export/,
	],
	['a split Keras model', buildZip({ entries: [{ name: 'config.json' }, { name: 'model.weights.json' }] }), /split/],
	['another zip', buildZip({ entries: [{ name: 'readme.txt' }] }), /zip archive/],
	['an empty zip', buildZip({ entries: [] }), /zip archive/],
	['gzip', concat([0x1f, 0x8b], new Uint8Array(40)), /gzip/],
	['text', concat('hello, world: this is a text'), /unknown/],
];

for (const [title, bytes, is] of OTHERS) {
	test(`${title} is explained in a sentence`, async () => {
		const format = await detect(bytes);
		assert.ok(format.kind === 'other', format.kind);
		assert.match(format.is, is);
		assert.ok(!format.is.endsWith('.'));
	});
}

test('a pickle of another program is recognized', async () => {
	assert.equal((await detect(concat([0x80, 4, 0x95], little(20, 8), new Uint8Array(40)))).kind, 'pickle');
});

test('an ONNX model of every producer in the fixtures stays an ONNX model', async () => {
	for (const name of ['plain_cnn', 'generator', 'mlp']) {
		assert.equal((await detect(readFileSync(`test/fixtures/models/${name}.onnx`))).kind, 'onnx');
	}
});

test('an empty file is an error', () =>
	assert.rejects(detect(new Uint8Array(0)), checkpointError('truncated', /empty/)));
