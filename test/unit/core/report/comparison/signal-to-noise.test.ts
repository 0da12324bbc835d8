import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LayerBehavior } from '../../../../../src/core/report/comparison/behavior.js';
import { formatDecibels, partingPlace } from '../../../../../src/core/report/comparison/signal-to-noise.js';
import { agreement, comparedLayer, sampleComparison } from '../../../support/sample-comparison.js';

const of = (...behaviors: readonly (LayerBehavior | undefined)[]) =>
	behaviors.map((behavior, index) => comparedLayer({ name: `bn${index}`, channels: 2 }, behavior && { behavior }));
const lost: Partial<LayerBehavior> = { status: 'mismatch', tensor: null };
const behind: Partial<LayerBehavior> = { status: 'behind' };

test('the models part at a lost layer, in front of a layer behind the difference, or behind the last layer', () => {
	const place = (layers: ReturnType<typeof of>, firstDifference?: string | null) =>
		partingPlace(sampleComparison(layers, firstDifference === undefined ? {} : { firstDifference }));
	const found = agreement(130);
	assert.equal(place(of(found, agreement(8, lost), agreement(9, behind)), 'bn1'), 1);
	assert.equal(place(of(found, found, agreement(9, behind)), 'relu'), 1.5);
	assert.equal(place(of(found, found), 'softmax'), 1.5);
	assert.equal(place(of(found, found), null), null);
	assert.equal(place(of(found, found)), null);
	assert.equal(place([], 'y'), null);
});

test('ratios in words: a number, equal values, none as similar as 6 dB, or no answer', () => {
	const skipped = { status: 'skipped', reason: 'It did not run.' } as const;
	const cases: readonly (readonly [LayerBehavior | undefined, string])[] = [
		[agreement(131.257), '131'],
		[agreement(Number.POSITIVE_INFINITY), 'equal'],
		[{ ...agreement(0, lost), snrDb: null }, '< 6'],
		[{ ...agreement(0, skipped), snrDb: null }, ''],
		[undefined, ''],
	];
	for (const [behavior, words] of cases) {
		assert.equal(formatDecibels(of(behavior)[0]), words);
	}
});
