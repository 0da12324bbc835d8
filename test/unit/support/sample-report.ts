import type { LayerReport, MatchingRecompute, Recompute, Report, RunSummary } from '../../../src/core/report/types.js';

/** A match with its numbers, and no others. */
export const MATCH: MatchingRecompute = { status: 'match', maxAbs: 1e-7, bound: 4e-6 };

/** A verdict of each status. */
export function sampleVerdict(status: Recompute['status']): Recompute {
	const verdicts: Readonly<Record<Recompute['status'], Recompute>> = {
		match: MATCH,
		mismatch: { status: 'mismatch', reason: 'The output differs.', maxAbs: 1, bound: 4e-6 },
		skipped: { status: 'skipped', reason: 'Not checked.' },
		pending: { status: 'pending' },
	};
	return verdicts[status];
}

/** A run of each status. */
export function sampleRun(status: RunSummary['status']): RunSummary {
	const facts = {
		runtime: 'onnxruntime-node 1.30.0',
		inputs: [{ name: 'input', shape: [1, 3, 8, 8], dtype: 'float32', from: 'random normal, seed 0' }],
		milliseconds: { create: 12.5, run: 3 },
	};
	switch (status) {
		case 'ok':
		case 'pending':
			return { status, ...facts };
		default:
			return { status, reason: 'Stopped.', ...facts };
	}
}

/** A checked layer of two channels with every optional field filled. */
export function sampleLayer(overrides: Partial<LayerReport> = {}): LayerReport {
	return {
		name: 'features.1',
		graph: '',
		output: 'features.1_out',
		channels: 2,
		dtype: 'float32',
		opset: 15,
		epsilon: Math.fround(1e-5),
		momentum: Math.fround(0.9),
		mode: 'inference',
		axes: 'channel',
		kind: 'batchnorm',
		source: { op: 'Conv', name: 'features.0' },
		parametersFrom: 'initializer',
		parameters: {
			gamma: Float64Array.of(1, -0.5),
			beta: Float64Array.of(0, 2),
			mean: Float64Array.of(0.25, Math.fround(0.1)),
			variance: Float64Array.of(1, 4),
		},
		affine: { scale: Float64Array.of(0.999995, -0.25), shift: Float64Array.of(-0.25, 2.025) },
		inputShape: [1, 2, 8, 8],
		recompute: {
			status: 'match',
			maxAbs: 1e-7,
			maxRel: 3e-7,
			maxUlp: 2,
			bound: 4e-6,
			perChannel: {
				maxAbs: Float64Array.of(1e-7, 0),
				bound: Float64Array.of(4e-6, 1e-6),
				boundRatio: Float64Array.of(0.03, 0),
			},
		},
		batch: { count: 64, mean: Float64Array.of(0.2, 0.1), variance: Float64Array.of(0.9, 4.2) },
		normalization: {
			verdict: 'running',
			methods: [
				{ method: 'location', statistics: 64, effectiveBatch: 2, residual: 1.2 },
				{ method: 'activation', statistics: 128, effectiveBatch: 1, residual: 1.5 },
				{ method: 'channel', statistics: 2, effectiveBatch: 64, residual: 0.25 },
				{ method: 'running', statistics: 2, residual: 6e-8 },
			],
			tolerance: 4e-6,
			margin: 62_500,
			values: 128,
		},
		foldable: { into: 'features.0', reasons: [] },
		findings: [],
		...overrides,
	};
}

export function sampleReport(overrides: Partial<Report> = {}): Report {
	return {
		format: 'batchnorm-lens.report',
		version: 1,
		model: { path: 'net.onnx', bytes: 4096, irVersion: 8, opset: 15, producer: 'pytorch 2.1', nodes: 3 },
		layers: [sampleLayer()],
		run: sampleRun('ok'),
		findings: [],
		...overrides,
	};
}

/** A report of one layer with two channels, run on a file. */
export function partReport(changes: Parameters<typeof sampleLayer>[0] = {}, from = 'a.npy'): Report {
	const report = sampleReport({ layers: [sampleLayer(changes)] });
	return { ...report, run: { ...report.run, inputs: [{ ...report.run.inputs[0], from }] } };
}
