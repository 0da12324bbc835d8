import assert from 'node:assert/strict';
import { test } from 'node:test';
import { renderReport } from '../../../../src/cli/render/report.js';
import type { LayerReport, Report } from '../../../../src/core/report/types.js';

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

const flat = (text: string): string => text.replace(/\s+/g, ' ');

const render = (...layers: LayerReport[]) => renderReport(report(...layers), {});

test('answers over which axes the layers normalize, once for all layers with the same axes', () => {
	const normalization = { verdict: 'running', methods: [], values: 8 } as const;
	const image = { ...layer, normalization, inputShape: [1, 2, 4, 4] };
	const text = render(image, image, { ...layer, inputShape: [1, 2] });
	assert.match(
		flat(text),
		/2 layers, for example layer 1: A feature map is a channel: .* \(N, H, W\), .* = 16 values each/,
	);
	assert.match(flat(text), /Layer 3: A feature is a channel: .* one channel \(N\)/);
	assert.match(flat(text), /normalized with the running statistics\./);
	assert.doesNotMatch(flat(render(layer)), /normalized with/);
	assert.doesNotMatch(text, /Σ/);
});

test('explains the axes with formulas, the three methods and the modes on request', () => {
	const image = { ...layer, inputShape: [1, 2, 4, 4] };
	const text = renderReport(report(image), {}, { isExplained: true });
	assert.match(text, /^ {2}mean +μ\[c\] = 1\/m' · Σ\[n=1…N\] Σ\[h=1…H\] Σ\[w=1…W\] x\[n,c,h,w\]$/m);
	assert.match(text, /^ {2}\* 3 per channel +N, H, W +16 +2 {2}one channel$/m);
	assert.match(text, /Training \(algorithm 1\)[\s\S]*Inference \(algorithm 2\)[\s\S]*This layer is in this\s+mode/);
	assert.match(text, /https:\/\/arxiv\.org\/abs\/1502\.03167/);
});

test('fits the width by shortening long names and leaving out columns', () => {
	const long = { ...layer, name: `features/${'block/'.repeat(12)}bn`, inputShape: [1, 2, 4, 4] };
	for (const width of [80, 100, 120]) {
		const text = renderReport(report(long, layer), { isTTY: true, columns: width });
		// biome-ignore lint/suspicious/noControlCharactersInRegex: colors take no space.
		const widest = Math.max(...text.split('\n').map((line) => line.replace(/\u001b\[\d+m/g, '').length));
		assert.ok(widest <= width, `${widest} of ${width} columns`);
	}
	assert.match(renderReport(report(long), { isTTY: true, columns: 120 }), /max error/);
	assert.doesNotMatch(renderReport(report(long), {}), /max error/);
});

test('findings are listed by kind with the worst layers and the advice, and point to --json for the rest', () => {
	const dead = (channels: readonly number[]): LayerReport => ({
		...layer,
		findings: [{ code: 'dead-channel', severity: 'warning', channels, message: `${channels.length} dead.` }],
	});
	const text = render(dead([0]), dead([0, 1]), dead([1]), dead([1]), layer);
	assert.match(text, /^ {2}warning {2}dead-channel: 5 of 10 channels are always 0, in 4 layers\.$/m);
	assert.match(text, /^ {11}Layer 2, .*: 2 dead\.\n {11}Layer 1, /m);
	assert.match(text, /^ {11}1 more layer; --json lists them all\.\n {11}Prune these channels/m);
});

test('a long table shows layers without a match, and counts the matching layers', () => {
	const skipped: LayerReport = { ...layer, name: 'last', recompute: { status: 'skipped', reason: 'No.' } };
	const text = render(...Array.from({ length: 99 }, () => layer), skipped);
	assert.match(text, /^100 +last .*skipped/m);
	assert.match(text, /^40 more layers that match; --json lists every layer\.$/m);
});

test('every unusual form of a layer is named in words; ordinary models have no column for them', () => {
	assert.ok(!render(layer).includes('form'));
	const text = render(
		layer,
		{ ...layer, mode: 'training' },
		{ ...layer, axes: 'activation' },
		{ ...layer, kind: 'decomposed' },
		{ ...layer, kind: 'decomposed', affine: { scale: Float64Array.of(1), shift: Float64Array.of(0) } },
		{ ...layer, graph: 'If_3/then_branch' },
		{ ...layer, parametersFrom: 'graph inputs' },
	);
	for (const words of [
		'training mode',
		'per activation (spatial=0)',
		'decomposed',
		'scale and shift only',
		'inside If_3/then_branch',
		'parameters: graph inputs',
	]) {
		assert.ok(text.includes(words), words);
	}
});

test('unknown parameters are reported with the reason', () => {
	const parametersReason = 'The external data file "gone.data" cannot be opened: it does not exist.';
	const text = render({ ...layer, parameters: null, affine: null, parametersReason });
	assert.match(text, /not known/);
	assert.ok(flat(text).includes(`1 layer: ${parametersReason}`));
});

test('names from the file cannot steer the terminal, and color is only for terminals', () => {
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
	assert.match(text, /^The PyTorch checkpoint has 1 BatchNorm layer\.$/m);
	assert.match(text, /not known/);
	assert.match(text, /^The file does not hold epsilon\.$/m);
	assert.doesNotMatch(text, /opset|not run/);
});
