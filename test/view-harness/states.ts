import type { RunForm } from '../../src/core/report/run-choices.js';
import type { LayerReport, Report } from '../../src/core/report/types.js';
import type { HostToWebview } from '../../src/protocol/host-webview.js';
import { mismatchingLayer, mobilenet, report, trainedLayer, withFinding } from './networks.js';

/** Messages, in order, that bring the page into a state to test. */
export interface HarnessState {
	readonly messages: readonly HostToWebview[];
	/** Name of the layer to open. */
	readonly open?: string;
	/** True if the run options are open. */
	readonly form?: true;
}

const show = (shown: Report): HostToWebview => ({ type: 'report', report: shown });

/** Markup, links, script, direction marks, terminal escapes, line breaks, and a very long name. */
export const HOSTILE_NAMES = [
	'<img src=x onerror="window.hacked=1"><b>bold</b>',
	'</script><script>window.hacked=1</script>',
	'<a href="https://example.com">click me</a> https://example.com/x',
	'right\u202eto\u2066left \u0007bell \u001b[31mred\u001b[0m',
	'two\nlines\r\nand\ttabs',
	// biome-ignore lint/suspicious/noTemplateCurlyInString: the name contains a placeholder of templates on purpose.
	'%{y} {{template}} ${value} &amp; &lt;b&gt;',
	`long/${'segment/'.repeat(1250)}end`,
];

function hostile(): Report {
	const layers = HOSTILE_NAMES.map((name, i): LayerReport => {
		const layer = trainedLayer({ name, channels: 12, size: 8, seed: i, run: true });
		return {
			...withFinding(layer, 'dead-channel', 'warning', [1], `Channel 1 of ${name} is dead.`),
			source: { op: '<i>Conv</i>', name },
			graph: i === 3 ? name : '',
			foldable: { into: name, reasons: [] },
			parametersFrom: name,
		};
	});
	const base = report(layers);
	return {
		...base,
		model: {
			...base.model,
			path: '/tmp/<img src=x onerror="window.hacked=1">\u202egnp.onnx',
			producer: HOSTILE_NAMES[1] ?? '',
		},
		run: { ...base.run, runtime: HOSTILE_NAMES[2] ?? '' },
	};
}

function many(count: number): Report {
	return report(
		Array.from({ length: count }, (_, i) => {
			const layer = trainedLayer({
				name: `block${Math.floor(i / 3)}.bn${i % 3}`,
				channels: 8 + (i % 57),
				size: 7,
				seed: i,
				run: true,
			});
			return i % 23 === 5 ? withFinding(layer, 'dead-channel', 'warning', [1, 2], '2 channels are dead.') : layer;
		}),
	);
}

function skippedReasons(): Report {
	const layers = Array.from({ length: 4 }, (_, i) =>
		trainedLayer({ name: `norm${i}`, channels: 16, size: 8, seed: i, run: i === 0 }),
	);
	const [first, second, third, fourth] = layers as [LayerReport, LayerReport, LayerReport, LayerReport];
	return report([
		first,
		{
			...second,
			recompute: { status: 'skipped', reason: 'The layer lies in a branch that this input does not take.' },
			graph: 'If_3/then_branch',
		},
		{
			...third,
			parameters: null,
			affine: null,
			parametersReason: 'The scale is computed from an input at run time (node Mul_7).',
			recompute: { status: 'skipped', reason: 'Its parameters are only known at run time.' },
			foldable: { into: null, reasons: ['dynamic-parameter'] },
		},
		{
			...withFinding(
				fourth,
				'per-activation',
				'warning',
				[],
				'spatial=0: a mean and variance for each of 1,024 activations.',
			),
			axes: 'activation',
			opset: 7,
			inputShape: [4, 16, 8, 8],
			recompute: { status: 'skipped', reason: 'onnxruntime has no kernel for spatial=0.' },
			foldable: { into: null, reasons: ['per-activation'] },
		},
	]);
}

function empty(): Report {
	const base = report([]);
	return {
		...base,
		model: { ...base.model, path: 'squeezenet1.1-7.onnx', bytes: 4_956_208, producer: 'mxnet', nodes: 66 },
	};
}

function failed(): Report {
	const base = mobilenet(false);
	const reason =
		'onnxruntime could not load mobilenet_v2.onnx: node "Resize_12" uses an operator that it does not implement.';
	return {
		...base,
		run: { status: 'failed', reason, runtime: 'onnxruntime-node 1.30.0', inputs: [], milliseconds: {} },
		layers: base.layers.map((layer) => ({ ...layer, recompute: { status: 'skipped', reason: 'The run failed.' } })),
	};
}

const bad = mismatchingLayer({ name: 'stage2/bn1', channels: 48, size: 28, seed: 77, run: true });

export const FORM: RunForm = {
	inputs: [
		{
			name: 'pixel_values',
			dtype: 'float32',
			shape: ['batch', 3, 'height', 'width'],
			files: ['/data/validation', '/data/extra/cat.png', '/data/extra/dog.png', '/data/extra/fish.jpg', '/data/e.jpg'],
		},
		{ name: 'mask', dtype: 'bool', shape: ['batch', '', ''], files: [] },
		{ name: 'temperature', dtype: 'float32', shape: undefined, files: [] },
	],
	dimensions: ['height', 'width', 'mask:1', 'mask:2'],
	choices: {
		batch: 8,
		dimensions: [{ name: 'height', size: 320 }],
		normalize: { mean: [0.5], deviation: [0.25, 0.2, 0.2] },
	},
	defaults: { batch: 1, seed: 0, memoryBudget: 512 },
	trusted: true,
};

const hostileForm: RunForm = {
	...FORM,
	inputs: HOSTILE_NAMES.map((name) => ({ name, dtype: 'float32', shape: [name, 3], files: [`/tmp/${name}`] })),
	dimensions: HOSTILE_NAMES,
};

const untrusted = (): Report => ({
	...mobilenet(false),
	run: {
		status: 'skipped',
		reason: 'The model was not run because this workspace is not trusted; its structure is shown as read.',
		runtime: '',
		inputs: [],
		milliseconds: {},
	},
});

export const STATES = {
	opening: { messages: [] },
	structure: {
		messages: [show(mobilenet(false)), { type: 'progress', progress: { stage: 'verifying', done: 17, total: 52 } }],
	},
	done: { messages: [show(mobilenet())] },
	layer: { messages: [show(mobilenet())], open: '/features/features.2/conv/conv.0.1/BatchNormalization' },
	drift: { messages: [show(mobilenet())], open: '/features/features.12/conv/conv.0.1/BatchNormalization' },
	mismatch: {
		messages: [show(report([trainedLayer({ name: 'stem/bn', channels: 24, size: 56, seed: 3, run: true }), bad]))],
		open: 'stage2/bn1',
	},
	failedRun: { messages: [show(failed())] },
	skipped: { messages: [show(skippedReasons())], open: 'norm3' },
	noParameters: { messages: [show(skippedReasons())], open: 'norm2' },
	empty: { messages: [show(empty())] },
	failure: {
		messages: [
			{
				type: 'failure',
				message: 'broken.onnx is not an ONNX model: byte 0 is 0x89, which no model starts with. Choose another file.',
			},
		],
	},
	banner: {
		messages: [
			show(mobilenet()),
			{ type: 'failure', message: 'mobilenet_v2.onnx ends in the middle of a tensor (byte 8,400,221).' },
		],
	},
	many: { messages: [show(many(1000))] },
	wide: {
		messages: [show(report([trainedLayer({ name: 'head/bn', channels: 10_000, size: 1, seed: 5, run: true })]))],
		open: 'head/bn',
	},
	one: {
		messages: [show(report([trainedLayer({ name: 'bn', channels: 1, size: 4, seed: 8, run: true })]))],
		open: 'bn',
	},
	hostile: { messages: [show(hostile())], open: HOSTILE_NAMES[0] ?? '' },
	form: { messages: [show(mobilenet()), { type: 'form', form: FORM }], form: true },
	hostileForm: { messages: [show(hostile()), { type: 'form', form: hostileForm }], form: true },
	untrusted: { messages: [show(untrusted()), { type: 'form', form: { ...FORM, trusted: false } }] },
} as const satisfies Readonly<Record<string, HarnessState>>;

export type StateName = keyof typeof STATES;
