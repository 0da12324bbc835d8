import type { Finding, LayerReport, Normalization, Recompute, Report } from '../../src/core/report/types.js';

/** Synthetic reports that resemble real models. Seeded, so the numbers never change. */

/** Returns a seeded generator of numbers in [0, 1) (mulberry32). */
export function random(seed: number): () => number {
	let state = seed >>> 0;
	return () => {
		state = (state + 0x6d2b79f5) >>> 0;
		let t = state;
		t = Math.imul(t ^ (t >>> 15), t | 1);
		t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
		return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
	};
}

function normal(next: () => number): number {
	return Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next());
}

export interface LayerShape {
	readonly name: string;
	readonly channels: number;
	/** Height and width of the input. */
	readonly size: number;
	readonly seed: number;
	readonly run: boolean;
}

/** Returns a layer with realistic parameters that recomputes within its bound. */
export function trainedLayer({ name, channels, size, seed, run }: LayerShape): LayerReport {
	const next = random(seed);
	const fill = (value: (channel: number) => number): Float64Array =>
		Float64Array.from({ length: channels }, (_, c) => value(c));
	const epsilon = Math.fround(1e-5);
	const gamma = fill(() => Math.fround(Math.max(0.02, 0.9 + 0.45 * normal(next))));
	const beta = fill(() => Math.fround(0.7 * normal(next)));
	const mean = fill(() => Math.fround(0.8 * normal(next)));
	const variance = fill(() => Math.fround(Math.exp(-0.5 + 1.1 * normal(next))));
	const scale = fill((c) => (gamma[c] ?? 0) / Math.sqrt((variance[c] ?? 1) + epsilon));
	const shift = fill((c) => (beta[c] ?? 0) - (mean[c] ?? 0) * (scale[c] ?? 0));
	const bound = fill((c) => 4e-7 * (1 + Math.abs(scale[c] ?? 0) * 2));
	const ratio = fill(() => (next() < 0.03 ? 0 : 0.1 + 0.6 * next()));
	return {
		name,
		graph: '',
		output: `${name}_output_0`,
		channels,
		dtype: 'float32',
		opset: 15,
		epsilon,
		momentum: Math.fround(0.9),
		mode: 'inference',
		axes: 'channel',
		kind: 'batchnorm',
		source: { op: 'Conv', name: name.replace(/BatchNorm\w*|bn/i, 'Conv') },
		parametersFrom: 'initializers',
		parameters: { gamma, beta, mean, variance },
		affine: { scale, shift },
		...(run && { inputShape: [32, channels, size, size] }),
		recompute: run ? matching(bound, ratio) : { status: 'pending' },
		batch: run
			? {
					count: 32 * size * size,
					images: 32,
					mean: fill((c) => (mean[c] ?? 0) + 0.12 * Math.sqrt(variance[c] ?? 1) * normal(next)),
					variance: fill((c) => (variance[c] ?? 1) * Math.exp(0.15 * normal(next))),
				}
			: null,
		...(run && { normalization: judged('running', channels, size) }),
		foldable: { into: name.replace(/BatchNorm\w*|bn/i, 'Conv'), reasons: [] },
		findings: [],
	};
}

/** Statistics that one image gives for a layer whose output is that of `verdict`. */
export function judged(
	verdict: Exclude<Normalization['verdict'], 'cannot-tell'>,
	channels: number,
	size: number,
): Normalization {
	const sizes = [
		{ method: 'location', statistics: size * size, effectiveBatch: channels },
		{ method: 'activation', statistics: channels * size * size, effectiveBatch: 1 },
		{ method: 'channel', statistics: channels, effectiveBatch: size * size },
		{ method: 'running', statistics: channels },
	] as const;
	const methods = sizes.map((entry, i) => ({ ...entry, residual: entry.method === verdict ? 7.2e-8 : 0.31 * (i + 1) }));
	const tolerance = 4.1e-6;
	return { verdict, methods, tolerance, ...(verdict !== 'none' && { margin: 0.31 / tolerance }), values: 512 };
}

function matching(bound: Float64Array, boundRatio: Float64Array): Recompute {
	const maxAbs = bound.map((value, c) => value * (boundRatio[c] ?? 0));
	return {
		status: 'match',
		maxAbs: maxAbs.reduce((most, value) => Math.max(most, value), 0),
		maxRel: 3.1e-7,
		maxUlp: 3,
		bound: bound.reduce((most, value) => Math.max(most, value), 0),
		perChannel: { maxAbs, bound, boundRatio },
	};
}

export function report(layers: readonly LayerReport[], overrides: Partial<Report> = {}): Report {
	return {
		format: 'batchnorm-lens.report',
		version: 1,
		model: {
			path: '/home/ana/models/mobilenet_v2.onnx',
			bytes: 14_158_734,
			irVersion: 8,
			opset: 15,
			producer: 'pytorch 2.6.0',
			nodes: 153,
		},
		layers,
		run: {
			status: 'ok',
			runtime: 'onnxruntime-node 1.30.0',
			inputs: [{ name: 'input', shape: [1, 3, 224, 224], dtype: 'float32', from: 'random normal, seed 0' }],
			milliseconds: { open: 42, create: 210, run: 180, verify: 95, total: 641 },
		},
		findings: [],
		...overrides,
	};
}

/** Names, channels and sizes of MobileNetV2's 52 normalizations, with a few findings as in real models. */
export function mobilenet(run = true): Report {
	const layers = mobilenetShapes().map(([name, channels, size], i) =>
		trainedLayer({ name, channels, size, seed: i + 1, run }),
	);
	return report(
		layers.map((layer, i) => {
			switch (i) {
				case 2:
					return withDeadChannels(layer, [3, 9, 10, 14]);
				case 11:
					return withFinding(
						layer,
						'epsilon-dominated',
						'info',
						[7, 21],
						'2 channels have a running variance below epsilon (smallest 3.1e-7, epsilon 1e-5).',
					);
				case 25:
					return withExplodingChannel(layer, 40);
				case 33:
					return run ? withDrift(layer) : layer;
				default:
					return layer;
			}
		}),
		run ? {} : { run: { status: 'pending', runtime: '', inputs: [], milliseconds: {} } },
	);
}

function mobilenetShapes(): [string, number, number][] {
	const blocks = [
		[16, 1, 112],
		[24, 2, 56],
		[32, 3, 28],
		[64, 4, 14],
		[96, 3, 14],
		[160, 3, 7],
		[320, 1, 7],
	] as const;
	const shapes: [string, number, number][] = [['/features/features.0/features.0.1/BatchNormalization', 32, 112]];
	let input = 32;
	let index = 1;
	for (const [output, repeats, size] of blocks) {
		for (let i = 0; i < repeats; i++) {
			const prefix = `/features/features.${index}/conv`;
			const hidden = index === 1 ? input : input * 6;
			const names = index === 1 ? ['conv.0.1', 'conv.2'] : ['conv.0.1', 'conv.1.1', 'conv.3'];
			for (const [n, name] of names.entries()) {
				const channels = n === names.length - 1 ? output : hidden;
				shapes.push([`${prefix}/${name}/BatchNormalization`, channels, size]);
			}
			input = output;
			index++;
		}
	}
	shapes.push(['/features/features.18/features.18.1/BatchNormalization', 1280, 7]);
	return shapes;
}

export function withFinding(
	layer: LayerReport,
	code: Finding['code'],
	severity: Finding['severity'],
	channels: readonly number[],
	message: string,
): LayerReport {
	return { ...layer, findings: [...layer.findings, { code, severity, channels, message }] };
}

function withValues(
	layer: LayerReport,
	change: (values: { gamma: Float64Array; variance: Float64Array; scale: Float64Array; shift: Float64Array }) => void,
): LayerReport {
	if (!layer.parameters || !layer.affine) {
		return layer;
	}
	const values = {
		gamma: layer.parameters.gamma.slice(),
		variance: layer.parameters.variance.slice(),
		scale: layer.affine.scale.slice(),
		shift: layer.affine.shift.slice(),
	};
	change(values);
	return {
		...layer,
		parameters: { ...layer.parameters, gamma: values.gamma, variance: values.variance },
		affine: { scale: values.scale, shift: values.shift },
	};
}

function withDeadChannels(layer: LayerReport, channels: readonly number[]): LayerReport {
	const changed = withValues(layer, ({ gamma, scale, shift }) => {
		for (const channel of channels) {
			gamma[channel] = 0;
			scale[channel] = 0;
			shift[channel] = layer.parameters?.beta[channel] ?? 0;
		}
	});
	const message = `${channels.length} of ${layer.channels} channels have gamma 0: their output does not depend on the input.`;
	return withFinding(changed, 'dead-channel', 'warning', channels, message);
}

function withExplodingChannel(layer: LayerReport, channel: number): LayerReport {
	const changed = withValues(layer, ({ variance, scale }) => {
		variance[channel] = 2.1e-5;
		scale[channel] = 182.4;
	});
	return withFinding(
		changed,
		'exploding-scale',
		'warning',
		[channel],
		`Channel ${channel} has a scale of 182.4, 163 times the layer's median of 1.12.`,
	);
}

function withDrift(layer: LayerReport): LayerReport {
	if (!layer.batch) {
		return layer;
	}
	const channels = Array.from({ length: 30 }, (_, i) => i * 5);
	const mean = layer.batch.mean.slice();
	for (const channel of channels) {
		mean[channel] = (mean[channel] ?? 0) + 1.9;
	}
	return withFinding(
		{ ...layer, batch: { ...layer.batch, mean } },
		'statistics-drift',
		'info',
		channels,
		'In 30 channels the mean of this input lies more than 0.25 standard deviations from the running mean (largest 2.4, channel 55).',
	);
}

/** A layer whose runtime result is wrong in two channels, with one NaN. */
export function mismatchingLayer(shape: LayerShape): LayerReport {
	const layer = trainedLayer(shape);
	const channels = layer.recompute.perChannel;
	if (!channels?.bound || !layer.parameters) {
		return layer;
	}
	const maxAbs = channels.maxAbs.slice();
	maxAbs[5] = 0.031;
	maxAbs[6] = 0.0044;
	const boundRatio = maxAbs.map((error, c) => error / (channels.bound?.[c] ?? 1));
	const beta = layer.parameters.beta.slice();
	beta[9] = Number.NaN;
	const found = withFinding(
		{
			...layer,
			parameters: { ...layer.parameters, beta },
			recompute: {
				status: 'mismatch',
				reason: 'The runtime differs in channels 5 and 6.',
				maxAbs: 0.031,
				maxRel: 3.1e-7,
				bound: Math.max(...channels.bound),
				maxUlp: 91_022,
				perChannel: { ...channels, maxAbs, boundRatio },
			},
		},
		'recompute-mismatch',
		'error',
		[5, 6],
		'The runtime differs in channels 5 and 6 by up to 0.031, 38,000 times what rounding allows.',
	);
	return withFinding(found, 'non-finite', 'error', [9], 'Beta of channel 9 is NaN.');
}
