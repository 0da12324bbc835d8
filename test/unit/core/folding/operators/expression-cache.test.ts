import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ExpressionCache } from '../../../../../src/core/folding/operators/expression-cache.js';
import type { Constant } from '../../../../../src/core/onnx/graph/constants.js';

const MB = 2 ** 20;

function constant(bytes: number): Constant {
	const data = new Float32Array(bytes / 4);
	return { origin: { kind: 'missing' }, tensor: { dataType: 1, dims: [data.length], data }, dataType: 1, dims: [] };
}

test('results are kept up to 16 MB, those used last', async () => {
	const cache = new ExpressionCache();
	const evaluated: string[] = [];
	const get = async (key: string, bytes: number) => {
		await cache.get(key, async () => {
			evaluated.push(key);
			return constant(bytes);
		});
	};
	await get('small', 4);
	await get('a', 8 * MB - 4);
	await get('b', 8 * MB);
	await get('a', 8 * MB - 4);
	assert.deepEqual(evaluated, ['small', 'a', 'b']);
	await get('c', 4 * MB);
	await get('a', 8 * MB - 4);
	await get('c', 4 * MB);
	assert.deepEqual(evaluated, ['small', 'a', 'b', 'c'], 'b was used before a');
	await get('b', 8 * MB);
	assert.deepEqual(evaluated, ['small', 'a', 'b', 'c', 'b']);
});

test('a result is evaluated once for callers that wait together, and a failure reaches each of them', async () => {
	const cache = new ExpressionCache();
	let evaluations = 0;
	const fail = () =>
		cache.get('key', async () => {
			evaluations++;
			throw new Error('gone');
		});
	const results = await Promise.allSettled([fail(), fail()]);
	assert.deepEqual([results.map(({ status }) => status), evaluations], [['rejected', 'rejected'], 1]);
});
