import { affine } from '../batchnorm/affine.js';
import { DEFAULT_THRESHOLDS, layerHealth } from '../batchnorm/health.js';
import { uniqueNames } from '../batchnorm/names.js';
import { fail, isObject, list, nullable, oneOf, optional, ReportError, real, record, text, values } from './decode.js';
import { parseReport } from './json.js';
import { type LayerReport, REPORT_FORMAT, REPORT_VERSION, type Report } from './types.js';

/** A layer as a framework holds it. `gamma` and `beta` are null or absent where it learns none (affine=False). */
export interface ParameterLayer {
	readonly name: string;
	readonly gamma?: Float64Array | null;
	readonly beta?: Float64Array | null;
	readonly mean: Float64Array;
	readonly variance: Float64Array;
	readonly epsilon: number;
	/** Of no effect at inference. */
	readonly momentum?: number;
}

/** What a notebook output of our MIME type can hold. */
export type Payload =
	| { readonly kind: 'report'; readonly report: Report }
	/** Checked to be an object; whoever draws a comparison parses it. */
	| { readonly kind: 'comparison'; readonly comparison: Readonly<Record<string, unknown>> }
	| { readonly kind: 'parameters'; readonly layers: readonly ParameterLayer[] }
	/** Absolute, or relative to the notebook. */
	| { readonly kind: 'model'; readonly path: string };

/** Layers of one payload: as many as a report may have. */
const MAX_LAYERS = 20_000;

const kind = record({ kind: oneOf('report', 'comparison', 'parameters', 'model') });

const parameters = record({
	layers: list(
		record<ParameterLayer>({
			name: text,
			gamma: optional(nullable(values)),
			beta: optional(nullable(values)),
			mean: values,
			variance: values,
			epsilon: real,
			momentum: optional(real),
		}),
		MAX_LAYERS,
	),
});

const model = record({ path: text });

/**
 * Reads the data of a notebook output, which may come from anyone's notebook.
 * @throws {ReportError} naming the place, for example `layers[2].gamma has 3 values where 4 belong`.
 */
export function parsePayload(value: unknown): Payload {
	const found = kind(value, '').kind;
	// `kind` has checked that it is an object.
	const fields = isObject(value) ? value : {};
	switch (found) {
		case 'report':
			return { kind: 'report', report: parseReport(fields.report, 'report') };
		case 'comparison':
			return isObject(fields.comparison)
				? { kind: 'comparison', comparison: fields.comparison }
				: fail('comparison', 'an object', fields.comparison);
		case 'parameters': {
			const { layers } = parameters(fields, '');
			layers.forEach(checkLengths);
			return { kind: 'parameters', layers };
		}
		case 'model':
			return { kind: 'model', path: model(fields, '').path };
	}
}

function checkLengths(layer: ParameterLayer, index: number): void {
	for (const name of ['gamma', 'beta', 'variance'] as const) {
		const array = layer[name];
		if (array && array.length !== layer.mean.length) {
			const problem = `has ${array.length} values where ${layer.mean.length} belong`;
			throw new ReportError(`layers[${index}].${name}`, problem);
		}
	}
}

const NO_MODEL = 'Only parameters were given: there is no model to run.';

/** Everything that parameters alone tell, as a report that the same views draw. */
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
		findings: layerHealth({ ...subject, feedsRelu: false, afterReshape: false }, DEFAULT_THRESHOLDS),
	};
}
