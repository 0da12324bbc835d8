import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
	C,
	compare,
	FOLDED,
	foldedBias,
	model,
	norm,
	numbers,
	ORIGINAL,
	relu,
	scale,
	scaledRows,
	tensor,
} from '../../../support/folded-structures.js';

test('a square weight with its channels exchanged is called transposed', async () => {
	const transposed = (values: readonly number[], space: number) =>
		values.map((_, index) => {
			const pair = Math.floor(index / space);
			return values[((pair % C) * C + Math.floor(pair / C)) * space + (index % space)];
		});
	const judge = async (weight: readonly number[], bias: readonly number[] = foldedBias) => {
		const values = [tensor('fw', [C, C, 3, 3], weight), tensor('fb', [C], bias)];
		return (await compare(model(ORIGINAL), model(FOLDED, values))).layers[0];
	};
	const wrong = [
		['after the fold', transposed(scaledRows('w', scale), 9)],
		['before the fold', transposed(numbers('w'), 9).map((value, index) => value * scale[Math.floor(index / (C * 9))])],
	] as const;
	for (const [step, weight] of wrong) {
		const layer = await judge(weight);
		assert.deepEqual([layer.status, layer.causes, layer.confidence], ['mismatch', ['transposed-weight'], 0.99]);
		assert.ok(layer.evidence.includes(`exchanged ${step}, which the square shape 4 x 4 x 3 x 3 hides`), layer.evidence);
		assert.match((await judge(weight, numbers('b'))).evidence, /the bias is wrong, too\.$/);
	}
	// A single other weight is no transposition.
	const [first, ...others] = wrong[0][1];
	assert.notEqual((await judge([first * 1.01, ...others])).cause, 'transposed-weight');
});

test("a square matrix transposed, of Gemm and MatMul, with either order of Gemm's weight", async () => {
	const square = numbers('w').slice(0, C * C);
	const turned = square.map((_, index) => square[(index % C) * C + Math.floor(index / C)]);
	const rows = { inputs: [{ name: 'x', shape: ['N', C] }] };
	const folded = (values: readonly number[], transB: number) =>
		values.map((value, index) => value * scale[transB ? Math.floor(index / C) : index % C]);
	for (const transB of [0, 1]) {
		const gemm = (weight: string, bias: string) => ({
			...{ op: 'Gemm', inputs: ['x', weight, bias], outputs: ['c'] },
			attributes: { transB: { i: transB } },
		});
		const original = [gemm('sq', 'b'), norm('c', 'n'), relu('n', 'y')];
		const deployed = [gemm('fw', 'fb'), relu('c', 'y')];
		const values = [tensor('fw', [C, C], folded(turned, transB)), tensor('fb', [C], foldedBias)];
		const pair = [model(original, [tensor('sq', [C, C], square)], rows), model(deployed, values, rows)] as const;
		const [layer] = (await compare(...pair)).layers;
		assert.deepEqual([layer.status, layer.cause], ['mismatch', 'transposed-weight'], `transB ${transB}`);
	}
});
