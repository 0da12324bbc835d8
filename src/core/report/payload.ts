import { fail, isObject, list, nullable, oneOf, optional, ReportError, real, record, text, values } from './decode.js';
import { parseReport } from './json.js';
import type { Report } from './types.js';

/** A layer as a framework holds it. `gamma` and `beta` are null or absent without learned values (affine=False). */
export interface ParameterLayer {
	readonly name: string;
	readonly gamma?: Float64Array | null;
	readonly beta?: Float64Array | null;
	readonly mean: Float64Array;
	readonly variance: Float64Array;
	readonly epsilon: number;
	/** Has no effect at inference. */
	readonly momentum?: number;
}

/** Content of a notebook output of our MIME type. */
export type Payload =
	| { readonly kind: 'report'; readonly report: Report }
	/** Checked to be an object; the comparison's page parses it. */
	| { readonly kind: 'comparison'; readonly comparison: Readonly<Record<string, unknown>> }
	| { readonly kind: 'parameters'; readonly layers: readonly ParameterLayer[] }
	/** Absolute, or relative to the notebook. */
	| { readonly kind: 'model'; readonly path: string };

/** Maximum number of layers in a payload, as in a report. */
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
 * Parses the untrusted data of a notebook output.
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
