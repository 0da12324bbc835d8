import { affine } from '../batchnorm/affine.js';
import { DEFAULT_THRESHOLDS, layerHealth } from '../batchnorm/health.js';
import { uniqueNames } from '../batchnorm/names.js';
import type { ParameterLayer } from '../report/payload.js';
import { type LayerReport, REPORT_FORMAT, REPORT_VERSION, type Report } from '../report/types.js';

const NO_MODEL = 'Only parameters were given: there is no model to run.';

/** Builds a report from parameters alone: health, scale and shift, without a run. */
export function reportFromParameters(layers: readonly ParameterLayer[]): Report {
	const names = uniqueNames(layers.map((layer, index) => ({ own: layer.name || `layer ${index}`, path: '' })));
	return {
		format: REPORT_FORMAT,
		version: REPORT_VERSION,
		model: { path: '', bytes: 0, irVersion: 0, opset: 0, producer: '', nodes: 0 },
		layers: layers.map((layer, index) => layerFromParameters(layer, names[index])),
		run: { status: 'skipped', reason: NO_MODEL, runtime: '', inputs: [], milliseconds: {} },
		findings: [],
	};
}

function layerFromParameters(layer: ParameterLayer, name: string): LayerReport {
	const { mean, variance, epsilon } = layer;
	const gamma = layer.gamma ?? new Float64Array(mean.length).fill(1);
	const beta = layer.beta ?? new Float64Array(mean.length);
	const known = { gamma, beta, mean, variance };
	const subject = { parameters: known, epsilon, mode: 'inference', axes: 'channel' } as const;
	return {
		name,
		graph: '',
		output: '',
		channels: mean.length,
		dtype: 'unknown',
		opset: 0,
		epsilon,
		momentum: layer.momentum ?? 0,
		mode: 'inference',
		axes: 'channel',
		kind: 'batchnorm',
		source: null,
		parametersFrom: 'notebook',
		parameters: known,
		affine: affine(gamma, beta, mean, variance, epsilon),
		recompute: { status: 'skipped', reason: NO_MODEL },
		batch: null,
		foldable: { into: null, reasons: [] },
		findings: layerHealth({ ...subject, feedsRelu: false, afterReshape: false, dtype: 'unknown' }, DEFAULT_THRESHOLDS),
	};
}
