import assert from 'node:assert/strict';
import { test } from 'node:test';
import { buildModel, buildTensor } from '../../../support/model-builder.js';
import { openBytes } from '../../../support/open.js';

/** What people open by mistake, and a word that the message has to contain. */
const FILES: readonly [string, string | Uint8Array, RegExp][] = [
	[
		'Git LFS pointer',
		'version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n',
		/Git LFS pointer.*git lfs pull/,
	],
	['PyTorch archive', 'PK\x03\x04\x00\x00archive/data.pkl', /ZIP archive.*PyTorch/],
	['old PyTorch file', Uint8Array.of(0x80, 2, 0x8a, 10, 0x6c), /Python pickle/],
	['Keras HDF5', Uint8Array.from([0x89, ...new TextEncoder().encode('HDF\r\n\x1a\n')]), /HDF5/],
	['TensorFlow Lite', '\x1c\0\0\0TFL3\x14\0\x20\0', /TensorFlow Lite/],
	['ORT format', '\x18\0\0\0ORTM\0\0\0\0', /ORT format/],
	['safetensors', '\x40\0\0\0\0\0\0\0{"__metadata__":{}}', /safetensors/],
	['GGUF', 'GGUF\x03\0\0\0', /GGUF/],
	['web page', '<!DOCTYPE html>\n<html>', /web page.*download failed/],
	['indented web page', '\n\n  <html lang="en">', /web page/],
	['OpenVINO IR', '<?xml version="1.0"?><net name="x">', /XML/],
	['JSON', '{"error": "Repository not found"}', /JSON/],
	['ONNX text syntax', '<ir_version: 8, opset_import: ["" : 15]>', /ONNX text syntax/],
	['protobuf text', 'ir_version: 8\nproducer_name: "x"', /protobuf text format/],
	['plain text', 'hello world, this is no model at all', /as ONNX/],
	['gzip', Uint8Array.of(0x1f, 0x8b, 8, 0), /gzip/],
	['zeros', new Uint8Array(4096), /filled with zeros/],
	['TensorProto', buildTensor({ dims: [3], values: [1, 2, 3] }), /as ONNX/],
	['frozen TensorFlow graph', Uint8Array.of(0x0a, 3, 0x0a, 1, 0x61), /ModelProto\.ir_version has the wrong wire type/],
	['model without a graph', Uint8Array.of(0x08, 8, 0x12, 1, 0x70), /no graph/],
	['one byte', Uint8Array.of(0x08), /as ONNX/],
];

for (const [what, content, message] of FILES) {
	test(`${what} is named in the message`, async () => {
		const bytes =
			typeof content === 'string' ? Uint8Array.from(content, (character) => character.charCodeAt(0)) : content;
		await assert.rejects(openBytes(bytes), (error: Error & { code?: string }) => {
			assert.equal(error.code, 'not-onnx', error.message);
			assert.match(error.message, message);
			assert.match(error.message, /^model\.onnx is not an ONNX model: [^\n]+\.$/);
			return true;
		});
	});
}

test('an empty file has its own message', async () => {
	await assert.rejects(openBytes(new Uint8Array(0)), { code: 'empty', message: /model\.onnx is empty/ });
});

test('a producer whose name spells a signature is no other format', async () => {
	for (const producer of ['ORTModule', 'TFL3', 'xxxx{"']) {
		assert.equal((await openBytes(buildModel({ producer, graph: {} }))).model.producerName, producer);
	}
});
