import assert from 'node:assert/strict';
import { test } from 'node:test';
import { explainLoadFailure, runtimeError } from '../../../../../src/engine/child/runtime/runtime-error.js';

test("the runtime's messages become one line, without places in its source", () => {
	const cases = [
		[
			"Non-zero status code returned while running Expand node. Name:'' Status Message: /onnxruntime_src/onnxruntime/core/framework/bfc_arena.cc:360 void* onnxruntime::BFCArena::AllocateRawInternal(size_t, bool, onnxruntime::Stream*) Failed to allocate memory for requested buffer of size 13194139533312\n",
			"Non-zero status code returned while running Expand node. Name:'' Status Message: Failed to allocate memory for requested buffer of size 13194139533312",
		],
		[
			'/onnxruntime_src/onnxruntime/core/graph/model.cc:180 onnxruntime::Model::Model(onnx::ModelProto&&, const PathString&) Unsupported model IR version: 99',
			'Unsupported model IR version: 99',
		],
		[
			'Could not find an implementation for\n  BatchNormalization(6)',
			'Could not find an implementation for BatchNormalization(6)',
		],
	];
	for (const [said, told] of cases) {
		const error = runtimeError('run', new Error(said));
		assert.equal(error.detail, told);
		assert.equal(error.message, `onnxruntime failed while running this model: ${told}`);
	}
	assert.ok(runtimeError('load', 'x'.repeat(9999)).message.length < 700);
});

test('a library that does not load is explained by its missing part', () => {
	const where = `${process.platform}-${process.arch}`;
	for (const [error, expected] of [
		[
			`Cannot find module '../bin/napi-v6/aix/ppc64/onnxruntime_binding.node'\nRequire stack`,
			`no library for ${where}`,
		],
		[
			'libonnxruntime.so.1: cannot open shared object file: No such file or directory',
			'libonnxruntime.so.1: cannot open',
		],
		["/lib64/libm.so.6: version `GLIBC_2.27' not found", 'needs glibc 2.28 or newer'],
		['Error loading shared library ld-linux-x86-64.so.2: musl', 'needs glibc'],
	]) {
		const sentence = explainLoadFailure(new Error(error));
		assert.ok(sentence.includes(expected), sentence);
		assert.doesNotMatch(sentence, /\n/);
	}
});

test('a system without a library, and libraries that a system lacks, are named', () => {
	const missing = new Error("Cannot find module '../bin/napi-v6/os/arch/onnxruntime_binding.node'");
	const explain = (platform: NodeJS.Platform, arch: NodeJS.Architecture, error = missing) =>
		explainLoadFailure(error, { platform, arch });
	assert.match(explain('darwin', 'x64'), /no library for Macs with Intel processors; .*comparisons of parameters work/);
	assert.match(explain('linux', 'arm'), /no library for 32-bit ARM/);
	assert.match(explain('linux', 'x64'), /no library for linux-x64 in this installation/);
	for (const words of [
		'Error loading shared library ld-linux-aarch64.so.1: No such file or directory (needed by /x/libonnxruntime.so.1)',
		'Error relocating /x/libonnxruntime.so.1: __vsnprintf_chk: symbol not found',
	]) {
		assert.match(explain('linux', 'arm64', new Error(words)), /needs glibc 2\.28 or newer, which this system lacks/);
	}
	const runtime = new Error('The specified module could not be found.\r\n\\\\?\\C:\\x\\onnxruntime_binding.node');
	assert.match(explain('win32', 'x64', runtime), /Visual C\+\+ runtime/);
	assert.doesNotMatch(explain('linux', 'x64', runtime), /Visual C/);
});

test('source locations without a folder go, too', () => {
	const missing =
		'External data path validation failed for initializer: w. Error: tensorprotoutils.cc:461 ValidateExternalDataPathFromDir External data path does not exist: "/m/w.bin"';
	assert.equal(
		runtimeError('load', new Error(missing)).detail,
		'External data path validation failed for initializer: w. Error: External data path does not exist: "/m/w.bin"',
	);
	const glued = 'Deserialize tensor g failed.tensorprotoutils.cc:594 GetExternalDataInfo TensorProto: g size mismatch.';
	assert.equal(
		runtimeError('load', new Error(glued)).detail,
		'Deserialize tensor g failed. TensorProto: g size mismatch.',
	);
	assert.equal(runtimeError('load', new Error('a.h:1 Failed to parse')).detail, 'Failed to parse');
});
