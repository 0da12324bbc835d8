import { buildModel, type GraphSpec, type ModelSpec } from './model-builder.js';
import { quantizedActivations } from './quantized-activations.js';
import { quantized } from './quantized-forms.js';

/** Quantizes a graph, by the form that a quantizer gives it. */
export const QUANTIZED_SPECS: Readonly<Record<string, (graph: GraphSpec) => ModelSpec>> = {
	'QDQ per channel': (graph) => quantizedActivations(quantized({ opset: 17, graph }, 'qdq', { perChannel: true })),
	'QDQ per tensor, uint8': (graph) =>
		quantizedActivations(quantized({ opset: 17, graph }, 'qdq', { perChannel: false, unsigned: true })),
	QLinearConv: (graph) => quantized({ opset: 17, graph }, 'qoperator', { perChannel: true }),
	'dynamic quantization': (graph) => quantized({ opset: 17, graph }, 'dynamic', { perChannel: false, unsigned: true }),
	'weights only': (graph) => quantized({ opset: 17, graph }, 'qdq', { perChannel: false }),
	'weights quantized in the graph': (graph) => quantized({ opset: 17, graph }, 'training', { perChannel: true }),
	'weights in blocks of 4 bits': (graph) => quantized({ opset: 21, graph }, 'blocked', { perChannel: true }),
};

/** Writes a quantized graph as a model. */
export const QUANTIZATIONS: Readonly<Record<string, (graph: GraphSpec) => Uint8Array>> = Object.fromEntries(
	Object.entries(QUANTIZED_SPECS).map(([name, write]) => [name, (graph: GraphSpec) => buildModel(write(graph))]),
);
