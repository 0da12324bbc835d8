import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CAUSE_CODES } from '../../../../src/core/report/causes.js';
import { worstFirst } from '../../../../src/core/report/comparison/summary.js';
import { comparedSeries } from '../../../../src/view/comparison/channel-columns.js';
import { adviceOn } from '../../../../src/view/comparison/detail.js';
import {
	boundRatio,
	channelCount,
	comparisonTone,
	firstWrong,
	relativeRatios,
	wrongChannels,
} from '../../../../src/view/comparison/facts.js';
import { filterCompared } from '../../../../src/view/comparison/layer-columns.js';
import { INITIAL_COMPARISON_STATE, parseComparisonState } from '../../../../src/view/comparison/state.js';
import { comparedLayer, emptyLayer, sampleComparison, wrongEpsilon } from '../../support/sample-comparison.js';

test('a channel is wrong beyond its own bound, and where its error is not a number', () => {
	const layer = comparedLayer({ channels: 4, bias: (channel) => [0, 1, 0, Number.NaN][channel] ?? 0 });
	assert.deepEqual(wrongChannels(layer), [1, 3]);
	const { boundRatio: _, ...perChannel } = layer.perChannel;
	assert.deepEqual(wrongChannels({ ...layer, perChannel }), [1, 3], 'by error and bound alone');
	assert.ok((boundRatio(layer) ?? 0) > 1 || Number.isNaN(boundRatio(layer)));
});

test('a layer without compared values has no channels, no series, and no use of its bound', () => {
	const layer = emptyLayer({ name: 'a', status: 'unmatched' });
	assert.deepEqual([channelCount(layer), wrongChannels(layer), boundRatio(layer)], [0, [], null]);
	assert.equal(comparedSeries(layer).size, 0);
	assert.equal(relativeRatios(layer).length, 0);
});

test('a wrong factor shows as its ratio to the right factor', () => {
	const ratios = relativeRatios(comparedLayer({ channels: 3, scale: (channel) => 1 + channel }));
	assert.deepEqual(
		[...ratios].map((ratio) => Number(ratio.toPrecision(6))),
		[1, 2, 3],
	);
});

test('the tone is that of the worst there is', () => {
	const right = comparedLayer();
	const unmatched = emptyLayer({ name: 'b', status: 'unmatched' });
	const finding = { code: 'precision-lost', severity: 'warning', channels: [3], message: 'Lost.' } as const;
	const lost = comparedLayer({ name: 'd' }, { findings: [finding] });
	assert.deepEqual(
		worstFirst([right, lost, unmatched]).map(({ index }) => index),
		[2, 1, 0],
	);
	assert.equal(comparisonTone(sampleComparison([right])), 'good');
	assert.equal(comparisonTone(sampleComparison([right, lost])), 'warning');
	assert.equal(comparisonTone(sampleComparison([right, unmatched])), 'warning');
	assert.equal(comparisonTone(sampleComparison([right, unmatched, wrongEpsilon()])), 'error');
	assert.equal(comparisonTone(sampleComparison([right], { outputs: { status: 'mismatch' } })), 'error');
	assert.equal(comparisonTone(sampleComparison([])), 'info');
	assert.equal(comparisonTone(sampleComparison([emptyLayer({ name: 'c', status: 'not-identifiable' })])), 'muted');
});

test('the first wrong layer is shown first', () => {
	const layers = [comparedLayer({ name: 'a' }), wrongEpsilon('b'), wrongEpsilon('c')];
	assert.equal(firstWrong(sampleComparison(layers))?.name, 'b');
	assert.equal(firstWrong(sampleComparison([comparedLayer()])), undefined);
});

test('every cause and status has advice, and no two causes share a line', () => {
	for (const cause of CAUSE_CODES) {
		const [only, ...more] = adviceOn(comparedLayer({}, { status: 'mismatch', cause, causes: [cause] }));
		assert.ok(only && only.code === cause && only.text.length > 20 && more.length === 0);
	}
	const both = adviceOn(comparedLayer({}, { causes: ['wrong-epsilon', 'rounding-fp16'] }));
	assert.deepEqual(
		both.map(({ code }) => code),
		['wrong-epsilon', 'rounding-fp16'],
	);
	for (const status of ['match', 'mismatch', 'kept', 'unmatched', 'not-identifiable'] as const) {
		assert.equal(adviceOn(comparedLayer({}, { status, cause: null, causes: [] })).length, 1);
	}
});

test('the filter finds names, operators, statuses and causes, by code and in words', () => {
	const rows = [comparedLayer({ name: 'stem' }), wrongEpsilon('block')].map((layer, index) => ({ index, layer }));
	const found = (filter: string) => filterCompared(rows, filter).map(({ index }) => index);
	assert.deepEqual(['', 'STEM', 'mismatch', 'different epsilon', 'wrong-epsilon block', 'conv', 'nothing'].map(found), [
		[0, 1],
		[0],
		[1],
		[1],
		[1],
		[0, 1],
		[],
	]);
});

test('a state of another version is read as far as it fits', () => {
	const state = { layer: null, channel: 3, onlyWrong: true, filter: 'x', sort: { by: 'error', descending: true } };
	assert.deepEqual(parseComparisonState(state), { ...INITIAL_COMPARISON_STATE, ...state });
	for (const broken of [undefined, null, 7, [], { layer: 5, channel: -1, sort: 'error', filter: {}, onlyWrong: 1 }]) {
		assert.deepEqual(parseComparisonState(broken), INITIAL_COMPARISON_STATE);
	}
});
