import assert from 'node:assert/strict';
import { test } from 'node:test';
import { comparisonStatus } from '../../../../../src/cli/exit.js';
import type { LayerBehavior } from '../../../../../src/core/report/comparison/behavior.js';
import type { LayerComparison } from '../../../../../src/core/report/comparison/comparison.js';
import { encodeComparison, parseComparison } from '../../../../../src/core/report/comparison/json.js';
import { withTolerance } from '../../../../../src/core/report/comparison/tolerance.js';
import { comparisonToJunit } from '../../../../../src/core/report/export/comparison/junit.js';
import { comparedLayer, sampleComparison, wrongEpsilon } from '../../../support/sample-comparison.js';

const parted: LayerBehavior = { status: 'mismatch', tensor: 't', snrDb: 40, maxAbs: 0.1, bound: 1e-6, maxShare: 0.01 };
const wrong = { ...wrongEpsilon(), maxShare: 0.004 };
const isTolerated = (layer: LayerComparison, tolerance: number): boolean =>
	withTolerance(sampleComparison([layer]), tolerance).layers[0].isTolerated === true;

test('a wrong layer below the tolerance keeps its verdict and does not fail', () => {
	const comparison = withTolerance(sampleComparison([wrong, comparedLayer({ name: 'right' })]), 0.005);
	assert.deepEqual(
		comparison.layers.map(({ status, isTolerated }) => [status, isTolerated]),
		[
			['mismatch', true],
			['match', undefined],
		],
	);
	assert.equal(comparison.summary.mismatch, 1);
	assert.equal(comparisonStatus(comparison, 'error'), 0);
	assert.match(comparison.notes.join(' '), /^1 wrong layer differs by less than 0\.005 of the largest value/);
	const xml = comparisonToJunit(comparison, { failOn: 'error' });
	assert.match(xml, /failures="0"/);
	assert.match(xml, /name="1 features\.3"><system-out>info wrong-epsilon: /);
	const read = parseComparison(JSON.parse(JSON.stringify(encodeComparison(comparison))));
	assert.deepEqual([read.tolerance, read.layers[0].isTolerated], [0.005, true]);
});

test('a difference of the tolerance or above fails', () => {
	assert.equal(isTolerated(wrong, 0.004), false);
	const comparison = withTolerance(sampleComparison([wrong]), 0.004);
	assert.deepEqual([comparisonStatus(comparison, 'error'), comparison.notes.length], [1, 0]);
});

test('the values of a run count, if they show the error', () => {
	assert.equal(isTolerated({ ...wrong, behavior: parted }, 0.005), false);
	assert.equal(isTolerated({ ...wrong, behavior: parted }, 0.02), true);
	const { maxShare: _, ...unmeasured } = parted;
	assert.equal(isTolerated({ ...wrong, behavior: unmeasured }, 0.9), false);
	assert.equal(isTolerated({ ...wrong, behavior: { ...parted, status: 'behind', maxShare: 0.9 } }, 0.005), true);
});

test('an error that no number shows is never tolerated', () => {
	assert.equal(isTolerated(wrongEpsilon(), 0.9), false);
	assert.equal(isTolerated({ ...wrong, cause: 'folded-across-activation' }, 0.9), false);
	const right = comparedLayer({}, { status: 'mismatch', cause: 'unknown' });
	assert.equal(isTolerated({ ...right, maxShare: 1e-7 }, 0.9), false);
});

test('outputs below the tolerance do not fail, and outputs without a number do', () => {
	const of = (maxRel?: number) =>
		withTolerance(
			sampleComparison([comparedLayer()], { outputs: { status: 'mismatch', ...(maxRel !== undefined && { maxRel }) } }),
			0.001,
		);
	assert.deepEqual(
		[1e-4, 1e-3, Number.NaN, undefined].map((maxRel) => comparisonStatus(of(maxRel), 'error')),
		[0, 1, 1, 1],
	);
	assert.match(of(1e-4).notes[0], /^The outputs of the models differ by less than 0\.001/);
	const both = withTolerance(sampleComparison([wrong, wrong], { outputs: { status: 'mismatch', maxRel: 1e-4 } }), 0.01);
	assert.match(both.notes[0], /^2 wrong layers differ and the outputs differ by less than 0\.01/);
});
