import assert from 'node:assert/strict';
import { test } from 'node:test';
import { aliasesOf } from '../../../../../../src/core/folding/diagnosis/hypotheses/aliases.js';
import { deviation } from '../../../../../../src/core/folding/diagnosis/observed/deviation.js';
import type { FoldCase } from '../../../../../../src/core/folding/diagnosis/observed/fold-case.js';
import { alongAxis } from '../../../../../../src/core/folding/operators/layout.js';

const ROWS = 3;

function fold(variance: readonly number[], bias: readonly number[] | null): FoldCase {
	const values = () => new Float64Array(ROWS).fill(1);
	const layout = alongAxis([ROWS, 1], 0);
	const parameters = {
		gamma: values(),
		beta: values(),
		mean: values(),
		variance: Float64Array.from(variance),
		epsilon: 1e-5,
	};
	return {
		original: { weight: values(), layout, bias: bias && Float64Array.from(bias) },
		deployed: { weight: values(), layout, bias: values() },
		parameters,
		dims: [ROWS, 1],
		stored: 'float32',
		source: 'float32',
		groups: [],
		gemmBetas: [],
	};
}

const LARGE = fold([1, 2, 3], null);

test('epsilon outside the root is an alias of a missing root of the standard deviation, beside any other cause', () => {
	assert.deepEqual(aliasesOf(LARGE, [deviation('beta-dropped'), deviation('epsilon-outside-sqrt')]), [
		['beta-dropped', 'missing-sqrt', 'std-as-variance'],
	]);
});

test('a lower limit on the variance shows only where a variance lies below it', () => {
	const smaller = [deviation('wrong-epsilon', 0, { epsilon: 1e-7 })];
	assert.deepEqual(aliasesOf(LARGE, smaller), [['epsilon-clamped']]);
	assert.deepEqual(aliasesOf(fold([1e-6, 2, 3], null), smaller), []);
	assert.deepEqual(aliasesOf(LARGE, [deviation('wrong-epsilon', 0, { epsilon: 1e-3 })]), []);
});

test('an operator without a bias that was not folded has lost mean and beta', () => {
	const kept = [deviation('bias-not-folded')];
	assert.deepEqual(aliasesOf(LARGE, kept), [['beta-dropped', 'mean-dropped']]);
	assert.deepEqual(aliasesOf(fold([1, 2, 3], [0, 0, 0]), kept), [['beta-dropped', 'mean-dropped']]);
	assert.deepEqual(aliasesOf(fold([1, 2, 3], [0, 0.5, 0]), kept), []);
});

test('a named cause is not an alias of itself', () => {
	const causes = [deviation('mean-dropped'), deviation('variance-ignored'), deviation('initial-statistics')];
	assert.deepEqual(aliasesOf(LARGE, causes), []);
});
