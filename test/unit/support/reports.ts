import type { LayerReport, Report } from '../../../src/core/report/types.js';

/** A layer before anything is run. */
export function pendingLayer(name: string): LayerReport {
	return {
		name,
		graph: '',
		output: `${name}_out`,
		channels: 1,
		dtype: 'float32',
		opset: 15,
		epsilon: 1e-5,
		momentum: 0.9,
		mode: 'inference',
		axes: 'channel',
		source: null,
		parameters: null,
		affine: null,
		recompute: { status: 'pending' },
		batch: null,
		foldable: { into: null, reasons: [] },
		findings: [],
	};
}

/** A model's structure, before anything is run. */
export function pendingReport(...layers: string[]): Report {
	return {
		format: 'batchnorm-lens.report',
		version: 1,
		model: { path: '/m.onnx', bytes: 1, irVersion: 8, opset: 15, producer: '', nodes: layers.length },
		layers: layers.map(pendingLayer),
		run: { status: 'pending', runtime: '', inputs: [], milliseconds: {} },
		findings: [],
	};
}
