import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import { stripVTControlCharacters } from 'node:util';
import { parseCompareArguments } from '../../../src/cli/commands/compare.js';
import { parseFoldArguments, renderFold } from '../../../src/cli/commands/fold.js';
import { comparisonStatus } from '../../../src/cli/exit.js';
import { renderComparison } from '../../../src/cli/render/comparison.js';
import { UsageError } from '../../../src/cli/usage.js';
import { CAUSE_CODES } from '../../../src/core/report/causes.js';
import type { Comparison } from '../../../src/core/report/comparison/comparison.js';
import type { FoldResult } from '../../../src/core/report/fold-result.js';
import { MEGABYTE } from '../../../src/core/report/run-choices.js';
import type { Severity } from '../../../src/core/report/severity.js';
import { agreement, comparedLayer, emptyLayer, sampleComparison, wrongEpsilon } from '../support/sample-comparison.js';

test('compare takes two models and the options of a run', () => {
	assert.deepEqual(parseCompareArguments(['a.onnx', 'b.onnx', '--no-run', '--seed', '7']), {
		original: path.resolve('a.onnx'),
		deployed: path.resolve('b.onnx'),
		output: { format: 'text', file: undefined },
		failOn: 'error',
		tolerance: undefined,
		options: { run: false, batch: 1, seed: 7 },
	});
});

test('compare takes the inputs of a run as inspect does', () => {
	const argv = ['a', 'b', '--input', 'x=f.npy', '--dim', 'height=8', '--normalize', '-1..1', '--memory-budget', '64'];
	const { run, inputs, dimensions, normalize, memoryBudget } = parseCompareArguments(argv).options;
	assert.deepEqual([run, inputs, dimensions], [true, [{ input: 'x', path: path.resolve('f.npy') }], { height: 8 }]);
	assert.deepEqual([normalize, memoryBudget], ['-1..1', 64 * MEGABYTE]);
	assert.throws(() => parseCompareArguments(['a', 'b', '--input', '=f']), UsageError);
});

test('compare takes the output options of inspect, and a tolerance', () => {
	const argv = ['a', 'b', '--format', 'junit', '-o', 'r.xml', '--fail-on', 'warning', '--tolerance', '1e-3'];
	const { output, failOn, tolerance } = parseCompareArguments(argv);
	assert.deepEqual(output, { format: 'junit', file: path.resolve('r.xml') });
	assert.deepEqual([failOn, tolerance], ['warning', 1e-3]);
	assert.equal(parseCompareArguments(['a', 'b', '--json']).output.format, 'json');
});

test('fold takes a model and the file to write', () => {
	assert.deepEqual(parseFoldArguments(['a.onnx', '-o', 'b.onnx', '--json', '--batch=4']), {
		model: path.resolve('a.onnx'),
		json: true,
		options: { output: path.resolve('b.onnx'), batch: 4, seed: 0 },
	});
});

test('an invalid argument is explained in a sentence', () => {
	const wrong: readonly (readonly [(argv: readonly string[]) => unknown, readonly string[], RegExp])[] = [
		[parseCompareArguments, ['a.onnx'], /two model files/],
		[parseCompareArguments, ['a', 'b', 'c'], /two models, not 3/],
		[parseCompareArguments, ['a', 'b', '--save-outputs', 'c'], /--save-outputs/],
		[parseCompareArguments, ['a', 'b', '--format', 'pdf'], /--format takes one of text, html, [^"]*not "pdf"/],
		[parseCompareArguments, ['a', 'b', '--tolerance', '1'], /share from 0 to below 1.*not "1"/],
		[parseCompareArguments, ['a', 'b', '--tolerance', ''], /share from 0/],
		[parseCompareArguments, ['a', 'b', '--tolerance', 'x'], /share from 0/],
		[parseCompareArguments, ['a', 'b', '--batch', '0'], /at least 1, not "0"/],
		[parseFoldArguments, ['-o', 'b'], /needs a model file/],
		[parseFoldArguments, ['a', 'b', '-o', 'c'], /one model, not 2/],
		[parseFoldArguments, ['a'], /-o OUT/],
	];
	for (const [parse, argv, expected] of wrong) {
		assert.throws(
			() => parse(argv),
			(error) => error instanceof UsageError && expected.test(error.message),
		);
	}
});

test('the exit status is 1 for a wrong layer or differing outputs, and 2 if no layer was judged', () => {
	const right = [comparedLayer()];
	const lost = emptyLayer({ name: 'a', status: 'unmatched' });
	const wrongOutputs = { outputs: { status: 'mismatch' } } as const;
	const cases: readonly (readonly [Comparison, Severity | 'never', number])[] = [
		[sampleComparison(right, { outputs: { status: 'match', maxAbs: 0, maxRel: 0, bound: 1e-6 } }), 'error', 0],
		[sampleComparison(right, wrongOutputs), 'error', 1],
		[sampleComparison(right, wrongOutputs), 'never', 0],
		[sampleComparison([wrongEpsilon()]), 'error', 1],
		[sampleComparison([wrongEpsilon()]), 'never', 0],
		[sampleComparison([lost]), 'error', 2],
		[sampleComparison([lost]), 'warning', 1],
		[sampleComparison([...right, lost]), 'error', 0],
		[sampleComparison([...right, lost]), 'warning', 1],
		[sampleComparison([comparedLayer({}, { cause: 'rounding-fp16' })]), 'warning', 0],
		[sampleComparison([comparedLayer({}, { cause: 'rounding-fp16' })]), 'info', 1],
		[sampleComparison(right, { outputs: { status: 'skipped', reason: 'No.', refused: 'deployed' } }), 'error', 2],
	];
	for (const [index, [comparison, failOn, status]] of cases.entries()) {
		assert.equal(comparisonStatus(comparison, failOn), status, `case ${index}`);
	}
});

/** Text for a pipe as sentences: lines that were broken are joined. */
const unwrapped = (text: string): string => text.replace(/\n {2}/g, ' ').replace(/([^\n])\n(?!\n)/g, '$1 ');
/** Length of the longest line, without the escapes of bold text. */
const longest = (text: string): number =>
	Math.max(
		...stripVTControlCharacters(text)
			.split('\n')
			.map(({ length }) => length),
	);
const wide = { isTTY: true, columns: 200 };

test('the table has the wrong layers first, counted from 1, with explanation and advice below it', () => {
	const layers = [
		comparedLayer({ name: 'a' }, { behavior: agreement(131.25) }),
		{ ...wrongEpsilon('b'), behavior: agreement(41, { status: 'mismatch' }) },
		comparedLayer({ name: 'c' }, { status: 'kept' }),
	];
	const text = renderComparison(sampleComparison(layers, { notes: ['A note.'] }), wide);
	assert.match(text, /^2 +b +Conv b\/conv +MISMATCH +different epsilon +99 % +0\.031 +2\.4e-6 +41$/m);
	assert.deepEqual(text.match(/^\d(?= {2})/gm), ['2', '3', '1']);
	assert.match(text, /^1 +a .* 131$/m);
	assert.match(text, /^b: The weights fit epsilon 1e-3.*\n {2}If the original's epsilon is right/m);
	assert.match(text, /^A note\.$/m);
	assert.doesNotMatch(text, /^[ac]: /m);
});

test('a comparison fits 80 columns when piped, and the width of a terminal', () => {
	const name = '/features/features.11/conv/conv.0/conv.0.1/BatchNormalization';
	const behavior = agreement(Number.POSITIVE_INFINITY);
	const layers = [wrongEpsilon(name), comparedLayer({ name: `${name}2` }, { behavior })];
	const outputs = { status: 'mismatch', maxAbs: 0.021, maxRel: 0.0031, bound: 8.1e-6, firstLayer: 'b' } as const;
	const comparison = sampleComparison(layers, { outputs, notes: ['A long note about the pair. '.repeat(8).trim()] });
	for (const columns of [66, 80, 120]) {
		const text = renderComparison(comparison, { isTTY: true, columns });
		assert.ok(longest(text) <= columns, `${longest(text)} of ${columns}`);
		assert.match(text, /MISMATCH/);
		assert.match(text, / equal$/m);
	}
	assert.ok(longest(renderComparison(comparison, {})) <= 80);
});

test('a long table leaves out correct layers, and many explanations end with a pointer to --json', () => {
	const right = Array.from({ length: 90 }, (_, index) => comparedLayer({ name: `right${index}`, channels: 2 }));
	const text = renderComparison(sampleComparison([...right, wrongEpsilon('last', 2)]), {});
	assert.match(text, /^91 +last +\S* *.*MISMATCH/m);
	assert.match(text, /^31 more layers not listed; --json lists every layer\.$/m);
	const causes = CAUSE_CODES.slice(0, 20).map((cause) => ({ ...wrongEpsilon(cause, 2), cause, causes: [cause] }));
	const many = renderComparison(sampleComparison(causes), {});
	assert.match(many, /^8 more explanations in the output of --json\.$/m);
});

test('an explanation shared by many layers appears once', () => {
	const names = ['a', 'b', 'c', 'd', 'e'];
	const text = renderComparison(sampleComparison(names.map((name) => wrongEpsilon(name))), {});
	assert.equal(text.match(/^[a-e]: /gm)?.join(), 'a: ');
	assert.match(unwrapped(text), / It is the same with 4 more layers; /);
	const few = renderComparison(sampleComparison(names.slice(0, 3).map((name) => wrongEpsilon(name))), {});
	assert.equal(few.match(/^[a-e]: /gm)?.join(''), 'a: b: c: ');
	assert.doesNotMatch(few, /more layers/);
});

test('other explanations appear with their confidence, and other weights with the next step', () => {
	const alternatives = [{ causes: ['missing-sqrt', 'std-as-variance'] as const, confidence: 0.1 }];
	const doubted = comparedLayer({ name: 'a' }, { status: 'mismatch', cause: 'epsilon-outside-sqrt', alternatives });
	const text = renderComparison(sampleComparison([doubted]), wide);
	assert.match(text, /^ {2}Other explanations: .+ and .+ \(10 %\)\.$/m);
	const details = { similarity: { kind: 'other-weights' as const, cosine: 0.1 } };
	const foreign = comparedLayer({ name: 'a' }, { status: 'mismatch', cause: 'unknown', causes: ['unknown'], details });
	assert.match(unwrapped(renderComparison(sampleComparison([foreign]), {})), /checkpoint that it was made from/);
});

test('control characters in names do not reach the terminal', () => {
	const layer = comparedLayer({ name: '\u001b[31mred' }, { status: 'mismatch', evidence: 'a\nb \u001b]0;x\u0007' });
	const text = renderComparison(sampleComparison([layer], { notes: ['\u001b[2J'] }), {});
	assert.ok(!text.includes('\u001b') && !text.includes('\u0007'));
});

test('fold takes a choice on constants that are listed as inputs, and names it where it would help', () => {
	const { options } = parseFoldArguments(['a.onnx', '-o', 'b.onnx', '--treat-inputs-as-constants']);
	assert.equal(options.treatsInputsAsConstants, true);
	const result: FoldResult = {
		format: 'batchnorm-lens.fold',
		version: 1,
		model: 'a.onnx',
		written: null,
		folded: [],
		kept: [{ name: 'bn', reasons: ['overridable'] }],
		outputs: { status: 'skipped', reason: 'Nothing was folded.' },
	};
	assert.match(renderFold(result), /--treat-inputs-as-constants\.\n$/);
});

test('a fold shows its numbers and the reasons why layers were not folded', () => {
	const result: FoldResult = {
		format: 'batchnorm-lens.fold',
		version: 1,
		model: 'a.onnx',
		written: { path: 'b.onnx', bytes: 1234 },
		folded: [{ name: 'bn1', into: 'conv1' }],
		kept: [{ name: 'bn2', reasons: ['rank', 'new-code'] }],
		outputs: { status: 'match', maxAbs: 1e-7, maxRel: 1e-7, bound: 1e-6 },
	};
	assert.match(
		renderFold(result),
		/^Folded 1 of 2 BatchNorm layers into b\.onnx \(1234 bytes\)\.\n {2}not folded: bn2: /,
	);
	assert.match(
		renderFold(result),
		/the rank is not supported; new-code\nEvery folded layer .*\nThe outputs agree within rounding/,
	);
	const nothing = { ...result, written: null, folded: [] };
	assert.match(renderFold(nothing), /^None of 1 BatchNorm layer can be folded: nothing was written\.\n/);
	const many = Array.from({ length: 35 }, (_, index) => ({ name: `bn${index}`, reasons: ['rank'] }));
	assert.match(
		renderFold({ ...nothing, kept: many }),
		/^ {2}not folded: 35 layers \(bn0, bn1, bn2 …\): the rank[^\n]*\n$/m,
	);
	const folded = [...result.folded, { name: 'bn3', into: 'conv3', unverified: 'It does not run.' }];
	assert.match(
		renderFold({ ...result, folded }),
		/^1 of 2 folded layers gave .*\n {2}not verified: bn3: It does not run\.\nThe outputs agree/m,
	);
	assert.match(renderFold({ ...nothing, kept: [] }), /^a\.onnx has no BatchNormalization: nothing was written\.$/m);
});

test('a baseline and its update arrive, and an update needs the file', () => {
	const baseline = (...argv: string[]) => parseCompareArguments(['a.onnx', 'b.onnx', ...argv]).baseline;
	assert.equal(baseline(), undefined);
	assert.deepEqual(baseline('--baseline', 'known.json'), { file: path.resolve('known.json'), isUpdate: false });
	const update = baseline('--baseline', 'known.json', '--update-baseline');
	assert.deepEqual(update, { file: path.resolve('known.json'), isUpdate: true });
	assert.throws(() => baseline('--update-baseline'), { name: 'UsageError' });
});
