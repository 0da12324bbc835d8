import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CAUSE_CODES, CAUSES, isCauseCode } from '../../../../../src/core/report/causes.js';
import {
	type Comparison,
	type LayerComparison,
	summarize,
} from '../../../../../src/core/report/comparison/comparison.js';
import { encodeComparison, parseComparison } from '../../../../../src/core/report/comparison/json.js';
import { ReportError } from '../../../../../src/core/report/json.js';

const MODEL = { path: 'a.onnx', bytes: 10, irVersion: 8, opset: 17, producer: 'test', nodes: 3 };

const LAYER: LayerComparison = {
	name: 'bn1',
	status: 'mismatch',
	into: { name: 'conv1', op: 'Conv', weight: 'w', bias: null },
	cause: 'wrong-epsilon',
	causes: ['wrong-epsilon', 'rounding-fp16'],
	confidence: 0.97,
	evidence: 'The weights fit epsilon 1e-3.',
	details: { 'wrong-epsilon': { epsilon: 1e-3 }, unexplained: [3] },
	alternatives: [{ causes: ['epsilon-outside-sqrt'], confidence: 0.02 }],
	maxAbs: Number.POSITIVE_INFINITY,
	maxRel: 1e-3,
	maxUlp: 12,
	bound: 1e-7,
	perChannel: {
		weightRatio: Float64Array.of(1, Number.NaN),
		weightResidual: Float64Array.of(0, 0),
		biasError: Float64Array.of(0.5, Number.NEGATIVE_INFINITY),
	},
};

const GONE: LayerComparison = {
	...LAYER,
	name: 'bn2',
	status: 'unmatched',
	into: null,
	cause: null,
	causes: [],
	details: {},
	alternatives: [],
	maxAbs: null,
	maxRel: null,
	maxUlp: null,
	bound: null,
	perChannel: { weightRatio: new Float64Array(0), weightResidual: new Float64Array(0), biasError: new Float64Array(0) },
};

const COMPARISON: Comparison = {
	format: 'batchnorm-lens.comparison',
	version: 1,
	original: MODEL,
	deployed: { ...MODEL, path: 'b.onnx' },
	layers: [LAYER, GONE],
	summary: summarize([LAYER, GONE]),
	notes: ['A note.'],
};

/** The document with one place changed. */
function changed(path: readonly (string | number)[], value: unknown): unknown {
	const document = JSON.parse(JSON.stringify(encodeComparison(COMPARISON)));
	const last = path.at(-1) ?? '';
	const parent = path.slice(0, -1).reduce((place, key) => place[key], document);
	if (value === undefined) {
		delete parent[last];
	} else {
		parent[last] = value;
	}
	return document;
}

test('a comparison comes back from JSON as it was, non-finite numbers included', () => {
	const document = JSON.parse(JSON.stringify(encodeComparison(COMPARISON)));
	assert.deepEqual(document.layers[0].perChannel.biasError, [0.5, '-Infinity']);
	assert.equal(document.layers[0].maxAbs, 'Infinity');
	assert.deepEqual(parseComparison(document), COMPARISON);
});

test('the summary counts every status, also statuses that do not occur', () => {
	assert.deepEqual(summarize([LAYER, LAYER, GONE]), {
		match: 0,
		mismatch: 2,
		kept: 0,
		unmatched: 1,
		'not-identifiable': 0,
	});
});

test('an error is refused, with its place', () => {
	const wrong: readonly (readonly [readonly (string | number)[], unknown, string])[] = [
		[['format'], 'batchnorm-lens.report', 'format'],
		[['version'], 2, 'version'],
		[['layers', 0, 'status'], 'fine', 'layers[0].status'],
		[['layers', 0, 'cause'], 'gremlins', 'layers[0].cause'],
		[['layers', 0, 'causes', 1], 'gremlins', 'layers[0].causes[1]'],
		[['layers', 0, 'confidence'], 'high', 'layers[0].confidence'],
		[['layers', 0, 'evidence'], undefined, 'layers[0].evidence'],
		[['layers', 0, 'details'], [1], 'layers[0].details'],
		[['layers', 0, 'into', 'bias'], 7, 'layers[0].into.bias'],
		[['layers', 0, 'perChannel', 'biasError'], [1], 'layers[0].perChannel.biasError'],
		[['layers', 0, 'perChannel', 'weightRatio', 1], null, 'layers[0].perChannel.weightRatio[1]'],
		[['layers', 1, 'bound'], true, 'layers[1].bound'],
		[['summary', 'match'], 5, 'summary.match'],
		[['summary', 'kept'], undefined, 'summary.kept'],
		[['original', 'bytes'], -1, 'original.bytes'],
	];
	for (const [path, value, place] of wrong) {
		assert.throws(
			() => parseComparison(changed(path, value)),
			(error) => error instanceof ReportError && error.path === place,
			`${path.join('.')}: ${place}`,
		);
	}
	for (const value of [null, 3, 'x', []]) {
		assert.throws(() => parseComparison(value), ReportError);
	}
});

test('fields of a newer writer are ignored, and missing fields of an older writer are empty', () => {
	assert.deepEqual(parseComparison(changed(['layers', 0, 'novelty'], 1)), COMPARISON);
	const { layers, notes } = parseComparison(changed(['layers', 0, 'alternatives'], undefined));
	assert.deepEqual(layers[0].alternatives, []);
	assert.deepEqual(notes, ['A note.']);
	assert.deepEqual(parseComparison(changed(['notes'], undefined)).notes, []);
});

test('checks the known details, and leaves out unknown ones', () => {
	const read = (details: unknown) => parseComparison(changed(['layers', 0, 'details'], details)).layers[0].details;
	const details = { 'wrong-epsilon': { epsilon: 1e-3 }, pairing: { rivals: 0, radius: 3 }, boundRatio: 0.5 };
	assert.deepEqual(read({ ...details, later: 1 }), details);
	assert.throws(() => read({ unexplained: ['a'] }), /details\.unexplained\[0\]/);
	assert.throws(() => read({ 'wrong-epsilon': 1e-3 }), /details\.wrong-epsilon/);
});

test('details are nested a few levels at most', () => {
	let nested: unknown = 1;
	for (let level = 0; level < 40; level++) {
		nested = { nested };
	}
	assert.throws(() => parseComparison(changed(['layers', 0, 'details'], { nested })), /nested deeper than/);
});

test('a place in a larger document is part of the message', () => {
	assert.throws(
		() => parseComparison({ ...COMPARISON, version: 9 }, 'outputs[0].comparison'),
		/^ReportError: outputs\[0\]\.comparison\.version /,
	);
});

test('every cause has a name and advice', () => {
	for (const code of CAUSE_CODES) {
		const { title, advice } = CAUSES[code];
		assert.match(title, /^[^A-Z].{3,60}$|^Gemm|^Bessel/, code);
		assert.match(advice, /^[A-Z].*\.$/, code);
	}
	assert.ok(isCauseCode('wrong-axis') && !isCauseCode('wrong') && !isCauseCode(3));
});

test('outputs without numbers or a reason are read', () => {
	const read = (outputs: object) => parseComparison({ ...encodeComparison(COMPARISON), outputs }).outputs;
	const unknown = { maxAbs: Number.NaN, maxRel: Number.NaN, bound: Number.NaN };
	assert.deepEqual(read({ status: 'match' }), { status: 'match', ...unknown });
	assert.deepEqual(read({ status: 'mismatch', maxAbs: 2, firstLayer: 'bn' }), {
		status: 'mismatch',
		maxAbs: 2,
		firstLayer: 'bn',
	});
	assert.deepEqual(read({ status: 'skipped' }), { status: 'skipped', reason: 'The report gives no reason.' });
	assert.throws(() => read({ status: 'equal' }), /outputs.status must be "match" or "mismatch" or "skipped"/);
});
