import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseToolInput, pathsIn } from '../../../../src/host/assistant/tool-input.js';

test('paths, layers and the place in the list arrive', () => {
	assert.deepEqual(parseToolInput({ path: 'a.onnx' }, ['path']), { ok: true, value: { files: ['a.onnx'], run: true } });
	const all = { original: 'a.onnx', deployed: 'b.onnx', run: false, layers: ['bn', 3], offset: 20, more: 1 };
	assert.deepEqual(parseToolInput(all, ['original', 'deployed']), {
		ok: true,
		value: { files: ['a.onnx', 'b.onnx'], run: false, layers: ['bn', 3], offset: 20 },
	});
	const single = parseToolInput({ path: 'a.onnx', layers: 'bn' }, ['path']);
	assert.deepEqual(single.ok && single.value.layers, ['bn']);
});

test('a wrong property is named in a sentence', () => {
	const wrong: readonly [unknown, RegExp][] = [
		[undefined, /"path"/],
		['a.onnx', /"path"/],
		[[], /"path"/],
		[{ path: '' }, /"path"/],
		[{ path: 'x'.repeat(5000) }, /"path"/],
		[{ path: 'a', run: 'yes' }, /"run"/],
		[{ path: 'a', offset: -1 }, /"offset"/],
		[{ path: 'a', layers: [] }, /"layers"/],
		[{ path: 'a', layers: [1, 2, 3, 4, 5, 6] }, /"layers"/],
		[{ path: 'a', layers: [1.5] }, /"layers"/],
		[{ path: 'a', layers: [{}] }, /"layers"/],
		[{ path: 'a', layers: ['x'.repeat(3000)] }, /"layers"/],
	];
	for (const [value, message] of wrong) {
		const parsed = parseToolInput(value, ['path']);
		assert.ok(!parsed.ok, JSON.stringify(value)?.slice(0, 80));
		assert.match(parsed.reason, message);
		assert.match(parsed.reason, /\.$/);
	}
});

test('in a workspace with several folders, a path may begin with the name of its folder', () => {
	assert.deepEqual(pathsIn('app', 'models/net.onnx'), ['models/net.onnx']);
	assert.deepEqual(pathsIn('app', 'app/models/net.onnx'), ['app/models/net.onnx', 'models/net.onnx']);
	assert.deepEqual(pathsIn('app', 'app\\net.onnx'), ['app\\net.onnx', 'net.onnx']);
	assert.deepEqual([pathsIn('app', 'app'), pathsIn('app', '/app/net.onnx')], [['app'], ['/app/net.onnx']]);
});
