import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConstantBudget } from '../../../../../src/core/onnx/graph/constant-budget.js';
import type { TensorRecord, TensorStorage } from '../../../../../src/core/onnx/model.js';

const FREE = 2 ** 20;

function record(storage: TensorStorage): TensorRecord {
	return { name: 't', dataType: 1, dims: [], storage, span: { offset: 0, length: 0 } };
}

/** Returns the number of elements that a budget still grants, up to the limit of a step. */
function granted(budget: ConstantBudget): number {
	let [low, high] = [0, 2 ** 22];
	const isGranted = (elements: number) => {
		try {
			budget.spend(elements, 'probe');
			budget.spend(-elements, 'probe');
			return true;
		} catch {
			return false;
		}
	};
	while (low < high) {
		const middle = Math.ceil((low + high) / 2);
		[low, high] = isGranted(middle) ? [middle, high] : [low, middle - 1];
	}
	return low;
}

test('a model may make a million elements of nothing, and more for each byte of its tensors', () => {
	const budget = new ConstantBudget();
	assert.equal(granted(budget), FREE);
	const tensor = record({ kind: 'raw', span: { offset: 0, length: 1000 } });
	budget.hold(tensor, 1000);
	budget.hold(tensor, 1000);
	assert.equal(granted(budget), FREE + 16_000, 'a tensor that is read twice counts once');
	budget.spend(FREE, 'y');
	assert.equal(granted(budget), 16_000);
	assert.throws(() => budget.spend(16_001, 'y'), /"y" has 16001 elements, too many to evaluate: the limit is 1064576/);
});

test('overlapping ranges of an external file count once', () => {
	const budget = new ConstantBudget();
	const external = (location: string, offset: number) =>
		record({ kind: 'external', location, offset, length: undefined });
	for (let offset = 0; offset < 50; offset++) {
		budget.hold(external('weights.bin', offset), 1000);
	}
	budget.hold(external('other.bin', 0), 10);
	assert.equal(granted(budget), FREE + 16 * (1049 + 10));
});

test('a step makes at most 4 million elements, also of a large tensor', () => {
	const budget = new ConstantBudget();
	budget.hold(record({ kind: 'raw', span: { offset: 0, length: 1e8 } }), 1e8);
	assert.equal(granted(budget), 2 ** 22);
});
