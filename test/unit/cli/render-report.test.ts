import assert from 'node:assert/strict';
import { test } from 'node:test';
import { renderReport } from '../../../src/cli/render-report.js';
import type { LayerReport, Report } from '../../../src/core/report/types.js';

const layer: LayerReport = {
	name: '/features/0/BatchNormalization',
	graph: '',
	output: 'y',
	channels: 2,
	dtype: 'float32',
	opset: 15,
	epsilon: 1e-5,
	momentum: 0.9,
	mode: 'inference',
	axes: 'channel',
	source: { op: 'Conv', name: 'conv' },
	parameters: null,
	affine: null,
	recompute: { status: 'match', maxAbs: 1e-7, bound: 1e-6 },
	batch: null,
	foldable: { into: null, reasons: [] },
	findings: [],
};

function report(...layers: LayerReport[]): Report {
	return {
		format: 'batchnorm-lens.report',
		version: 1,
		model: { path: 'm.onnx', bytes: 1234, irVersion: 8, opset: 15, producer: '', nodes: 1 },
		layers,
		run: { status: 'ok', runtime: 'onnxruntime-node 1.30.0', inputs: [], milliseconds: { total: 12.3 } },
		findings: [],
	};
}

const render = (...layers: LayerReport[]) => renderReport(report(...layers), {});

test('one line says over which axes the layers normalize', () => {
	const normalization = { verdict: 'running', methods: [], values: 8 } as const;
	assert.match(render({ ...layer, normalization }), /^Judged by inputs .* normalised with the running statistics\.$/m);
	assert.doesNotMatch(render(layer), /normalised with/);
});

test('every unusual form of a layer is named in words; ordinary models have no column for them', () => {
	assert.ok(!render(layer).includes('form'));
	const text = render(
		layer,
		{ ...layer, mode: 'training' },
		{ ...layer, axes: 'activation' },
		{ ...layer, kind: 'decomposed' },
		{ ...layer, graph: 'If_3/then_branch' },
		{ ...layer, parametersFrom: 'graph inputs' },
	);
	for (const words of [
		'training mode',
		'per activation (spatial=0)',
		'decomposed',
		'inside If_3/then_branch',
		'parameters: graph inputs',
	]) {
		assert.ok(text.includes(words), words);
	}
});

test('parameters that cannot be had are not known, for a reason', () => {
	const parametersReason = 'The external data file "gone.data" cannot be opened: it does not exist.';
	const text = render({ ...layer, parameters: null, affine: null, parametersReason });
	assert.match(text, /not known/);
	assert.ok(text.includes(`1 layer: ${parametersReason}`));
});

test('names from the file cannot steer the terminal, and colour is only for terminals', () => {
	const hostile = {
		...layer,
		name: 'a\u001b[31m\nb',
		findings: [{ code: 'dead-channel', severity: 'warning', channels: [0], message: 'x\u001b[2J' }],
	} as const;
	assert.ok(!render(hostile).includes('\u001b'));
	assert.ok(renderReport(report(hostile), { isTTY: true }).includes('\u001b[33mwarning'));
});

test('each reason for a skipped check appears once, with its count', () => {
	const skipped: LayerReport = { ...layer, recompute: { status: 'skipped', reason: 'Not checked: no access.' } };
	assert.match(render(skipped, skipped), /2 layers: Not checked: no access\./);
});

test('a checkpoint is named by its format, with its notes and without claims about a graph', () => {
	const { model, ...rest } = report({
		...layer,
		source: null,
		inferred: ['source'],
		recompute: { status: 'skipped', reason: 'No run.' },
	});
	const notes = ['The file does not hold epsilon.'];
	const text = renderReport(
		{
			...rest,
			model: { ...model, format: 'pytorch', notes },
			run: { status: 'skipped', reason: 'No run.', runtime: '', inputs: [], milliseconds: {} },
		},
		{},
	);
	assert.match(text, /^m\.onnx {2}\(PyTorch checkpoint, 1\.2 kB\)$/m);
	assert.match(text, /^1 BatchNorm layer, with the parameters of a PyTorch checkpoint\.$/m);
	assert.match(text, /not known/);
	assert.match(text, /^The file does not hold epsilon\.$/m);
	assert.doesNotMatch(text, /opset|not run/);
});
