import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
	causeTitle,
	causeTitles,
	comparisonAnswer,
	comparisonHeadline,
	namedCauses,
	outputSentence,
} from '../../../../../src/core/report/comparison/summary.js';
import { comparedLayer, emptyLayer, sampleComparison, wrongEpsilon } from '../../../support/sample-comparison.js';

const right = (name: string) => comparedLayer({ name });
const gone = (name: string) => emptyLayer({ name, status: 'unmatched' });
const hidden = (name: string) => emptyLayer({ name, status: 'not-identifiable' });
const kept = (name: string) => comparedLayer({ name }, { status: 'kept' });

test('a comparison without a mismatch says so, and names the other statuses', () => {
	const answers: readonly (readonly [Parameters<typeof sampleComparison>, string])[] = [
		[[[right('a')]], 'The folded layer is right.'],
		[[[right('a'), right('b')]], 'Both folded layers are right.'],
		[[[right('a'), kept('b')]], 'The folded layer is right; 1 is kept as it was.'],
		[[[kept('a'), kept('b')]], '2 layers are kept as they were.'],
		[[[gone('a')]], 'The only layer could not be judged because it has no sure counterpart.'],
		[[[hidden('a'), hidden('b')]], 'None of the 2 layers could be judged because they show no scale to compare.'],
		[[[right('a'), gone('b')]], '1 of 2 layers match; 1 could not be judged because it has no sure counterpart.'],
		[
			[[right('a'), kept('b'), gone('c'), hidden('d')]],
			'2 of 4 layers match; 2 could not be judged: 1 has no sure counterpart, 1 shows no scale to compare; 1 is kept as it was.',
		],
		[
			[[right('a')], { outputs: { status: 'match', maxAbs: 0, maxRel: 0, bound: 1e-6 } }],
			'The folded layer is right; the outputs of both models agree.',
		],
		[
			[[right('a')], { outputs: { status: 'mismatch' } }],
			'The folded layer is right; the outputs of the models differ.',
		],
		[[[right('a')], { outputs: { status: 'skipped', reason: 'Not run.' } }], 'The folded layer is right.'],
		[[[], { notes: ['Neither model has one.'] }], 'Neither model has one.'],
	];
	for (const [args, expected] of answers) {
		assert.equal(comparisonAnswer(sampleComparison(...args)), expected);
	}
});

test('channels that lost precision are counted after the verdict', () => {
	const lost = (name: string, channels: number[]) =>
		comparedLayer(
			{ name },
			{ findings: [{ code: 'precision-lost', severity: 'warning', channels, message: 'Few levels.' }] },
		);
	assert.equal(
		comparisonAnswer(sampleComparison([right('a'), lost('b', [0, 3]), lost('c', [1])])),
		'All 3 folded layers are right; quantization leaves 3 channels of 2 layers fewer than 4 bits.',
	);
});

test('weights of another network are said once, and the operators without a layer are not counted beside them', () => {
	const other = (name: string) =>
		comparedLayer(
			{ name },
			{ status: 'mismatch', cause: 'unknown', details: { similarity: { kind: 'other-weights', cosine: 0.1 } } },
		);
	const operators = [{ name: 'head', op: 'Gemm', evidence: 'Other weights.', maxAbs: 1, maxRel: 1, bound: 0 }];
	assert.equal(
		comparisonHeadline(sampleComparison([other('a'), other('b'), right('c')], { operators })),
		'The deployed model has the weights of another network or training run: 1 of 3 folded layers are right.',
	);
	assert.doesNotMatch(comparisonHeadline(sampleComparison([other('a'), right('b'), right('c')])), /another network/);
	assert.doesNotMatch(comparisonHeadline(sampleComparison([other('a'), wrongEpsilon('b')])), /another network/);
});

test('one wrong layer is named with its cause and its evidence', () => {
	const wrong = wrongEpsilon('/features.3/conv/conv.1');
	assert.equal(
		comparisonAnswer(sampleComparison([right('a'), wrong, right('b')])),
		`2 of 3 folded layers are right, /features.3/conv/conv.1 is not (different epsilon). ${wrong.evidence}`,
	);
});

test('several wrong layers are grouped by cause, the most frequent first, up to a limit', () => {
	const mismatch = { status: 'mismatch', cause: 'beta-dropped' } as const;
	const causes = ['mean-dropped', 'missing-sqrt', 'gamma-dropped', 'beta-dropped'] as const;
	const layers = causes.map((cause) => comparedLayer({ name: cause }, { ...mismatch, cause }));
	const answer = comparisonAnswer(sampleComparison([...layers, comparedLayer({ name: 'b' }, mismatch)]));
	assert.match(answer, /^0 of 5 folded layers are right, 5 are not: beta dropped \(2\), .* and 1 more\.$/);
});

test('wrong layers with the same cause share a sentence, with their common numbers', () => {
	const details = (epsilon: number) => ({ 'wrong-epsilon': { epsilon } });
	const layer = (name: string, epsilon: number) =>
		comparedLayer({ name }, { status: 'mismatch', cause: 'wrong-epsilon', details: details(epsilon) });
	const advice =
		"If the original's epsilon is right, give it to the converter and repair the deployed model; if not, correct the original.";
	assert.equal(
		comparisonAnswer(sampleComparison([right('a'), layer('b', 1e-3), layer('c', 1e-3), layer('d', 1e-3)])),
		`1 of 4 folded layers are right, 3 are not, all for one cause: different epsilon (epsilon 0.001). ${advice}`,
	);
	// Of two values neither is the cause of all.
	assert.equal(
		comparisonAnswer(sampleComparison([layer('b', 1e-3), layer('c', 2e-3)])),
		`0 of 2 folded layers are right, 2 are not, all for one cause: different epsilon. ${advice}`,
	);
	const unknown = (name: string) => comparedLayer({ name }, { status: 'mismatch', cause: 'unknown' });
	assert.doesNotMatch(comparisonAnswer(sampleComparison([unknown('a'), unknown('b')])), /one cause/);
});

test('the rounding of a wrong fold is no mistake to name', () => {
	const wrong = comparedLayer(
		{},
		{ status: 'mismatch', cause: 'gamma-dropped', causes: ['gamma-dropped', 'quantized-int8'] },
	);
	assert.deepEqual(namedCauses(wrong), ['gamma-dropped']);
	assert.equal(causeTitles({ ...wrong, causes: ['gamma-dropped', 'beta-dropped'] }), 'gamma dropped, beta dropped');
	assert.equal(
		causeTitles({ ...wrong, status: 'match', cause: 'quantized-int8', causes: ['quantized-int8'] }),
		'quantized',
	);
	assert.equal(causeTitles(right('a')), '');
});

test('weights of another network are not called an unknown error', () => {
	const details = { similarity: { kind: 'other-weights' as const, cosine: 0.1 } };
	assert.equal(causeTitle(comparedLayer({}, { cause: 'unknown', details })), 'other weights');
	assert.equal(causeTitle(comparedLayer({}, { cause: 'unknown' })), 'unknown');
});

test('the result of a run is one sentence with the numbers', () => {
	const numbers = { maxAbs: 2.13e-7, maxRel: 4.8e-7, bound: 1.6e-6, boundRatio: 0.133, snrDb: 131 };
	assert.equal(
		outputSentence({ status: 'match', ...numbers }),
		'The outputs agree within rounding: the largest difference is 4.8e-7 of the largest value, 13 % of what rounding explains.',
	);
	assert.match(
		outputSentence({ status: 'mismatch', ...numbers, firstLayer: 'bn3' }),
		/^The outputs differ .* first difference is at bn3\.$/,
	);
	// An earlier version states no ratio to the bound.
	assert.equal(
		outputSentence({ status: 'mismatch', maxAbs: 1, maxRel: 0.5, bound: 0.1 }),
		'The outputs differ by up to 50 % of the largest value.',
	);
	assert.equal(
		outputSentence({ status: 'match', ...numbers, snrDb: 20, unroundedSnrDb: 40, roundedMaxRel: 0.2 }),
		'The outputs differ by 10 % of their size (signal-to-noise ratio 20 dB); without the rounding of activations by 1 %, which rounding the weights explains.',
	);
	assert.equal(
		outputSentence({ status: 'mismatch', maxAbs: 1, maxRel: 0.5, bound: 0.1, boundRatio: 10, unroundedSnrDb: 3 }),
		'The outputs differ, even without the rounding of activations, by up to 50 % of the largest value, 10 times what rounding the weights explains.',
	);
	assert.equal(
		outputSentence({ status: 'skipped', ...numbers, snrDb: -6.02, reason: 'Coarse weights.' }),
		'The outputs differ by 2 times their size (signal-to-noise ratio -6 dB), which is no evidence for or against the folds. Coarse weights.',
	);
	assert.equal(outputSentence({ status: 'skipped', reason: 'No runtime.' }), 'Outputs not judged: No runtime.');
	assert.equal(outputSentence({ status: 'mismatch', reason: 'Shapes differ.' }), 'The outputs differ. Shapes differ.');
});
