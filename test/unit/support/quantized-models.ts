import { buildModel, type GraphSpec } from './model-builder.js';
import { quantizedActivations } from './quantized-activations.js';
import { quantized } from './quantized-forms.js';

/** Quantizes a graph and writes it as a model, by the form that a quantizer gives it. */
export const QUANTIZATIONS: Readonly<Record<string, (graph: GraphSpec) => Uint8Array>> = {
	'QDQ per channel': (graph) =>
		buildModel(quantizedActivations(quantized({ opset: 17, graph }, 'qdq', { perChannel: true }))),
	'QDQ per tensor, uint8': (graph) =>
		buildModel(quantizedActivations(quantized({ opset: 17, graph }, 'qdq', { perChannel: false, unsigned: true }))),
	QLinearConv: (graph) => buildModel(quantized({ opset: 17, graph }, 'qoperator', { perChannel: true })),
	'dynamic quantization': (graph) =>
		buildModel(quantized({ opset: 17, graph }, 'dynamic', { perChannel: false, unsigned: true })),
	'weights only': (graph) => buildModel(quantized({ opset: 17, graph }, 'qdq', { perChannel: false })),
	'weights quantized in the graph': (graph) =>
		buildModel(quantized({ opset: 17, graph }, 'training', { perChannel: true })),
	'weights in blocks of 4 bits': (graph) =>
		buildModel(quantized({ opset: 21, graph }, 'blocked', { perChannel: true })),
};
