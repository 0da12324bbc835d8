/** Networks with one wrong layer, quantized afterwards in every form, and the answer of a comparison with a run. */
import { comparisonStatus } from '../../src/cli/exit.js';
import type { Comparison, LayerComparison } from '../../src/core/report/comparison/comparison.js';
import { compareBytes } from '../unit/support/compare-bytes.js';
import { buildModel, type GraphSpec, type ModelSpec } from '../unit/support/model-builder.js';
import { observedRanges } from '../unit/support/observed-ranges.js';
import { quantizedActivations } from '../unit/support/quantized-activations.js';
import { type Grid, type QuantizedForm, quantized, type Ranges } from '../unit/support/quantized-forms.js';
import { type FaultSet, isIdentifiable, SINGLES } from './cases.js';
import type { RandomLayer } from './layers.js';
import { type Architecture, faultyNetwork } from './quantized-networks.js';

export interface WrittenForm {
	readonly name: string;
	readonly write: (graph: GraphSpec, ranges: Ranges) => ModelSpec;
}

const weights = (graph: GraphSpec, form: QuantizedForm, grid: Grid, opset = 18) =>
	quantized({ opset, graph }, form, grid);

const qdq =
	(grid: Grid, type: 'int8' | 'uint8'): WrittenForm['write'] =>
	(graph, ranges) =>
		quantizedActivations(weights(graph, 'qdq', { ...grid, ranges }), { ranges, type });

/** Forms that quantizers write. */
export const QUANTIZED_FORMS: readonly WrittenForm[] = [
	{ name: 'QDQ per channel, uint8 activations', write: qdq({ perChannel: true }, 'uint8') },
	{ name: 'QDQ per channel, int8 activations', write: qdq({ perChannel: true }, 'int8') },
	{ name: 'QDQ per tensor, uint8', write: qdq({ perChannel: false, unsigned: true }, 'uint8') },
	{ name: 'QDQ per tensor, int8', write: qdq({ perChannel: false }, 'int8') },
	{
		name: 'QLinearConv and QGemm per channel',
		write: (graph, ranges) => weights(graph, 'qoperator', { perChannel: true, ranges }),
	},
	{
		name: 'QLinearConv and QGemm per tensor',
		write: (graph, ranges) => weights(graph, 'qoperator', { perChannel: false, ranges }),
	},
	{ name: 'dynamic', write: (graph) => weights(graph, 'dynamic', { perChannel: false, unsigned: true }) },
	{ name: 'weights in the graph', write: (graph) => weights(graph, 'training', { perChannel: true }) },
	{ name: 'weights only, 8 bits', write: (graph) => weights(graph, 'qdq', { perChannel: true }) },
	{
		name: 'weights only, blocks of 4 bits',
		write: (graph) => weights(graph, 'blocked', { perChannel: true }, 21),
	},
	{ name: 'MatMulNBits', write: (graph) => weights(graph, 'packed', { perChannel: true }, 21) },
];

export interface QuantizedRun {
	readonly architecture: Architecture;
	readonly form: WrittenForm;
	readonly set: FaultSet;
	readonly seed: number;
	readonly channels: number;
}

export interface QuantizedAnswer {
	readonly comparison: Comparison;
	readonly status: number;
	readonly faulty: LayerComparison;
	readonly others: readonly LayerComparison[];
	/** The fault changes the result by more than the grid hides, and no other fault makes the same. */
	readonly isVisible: boolean;
	/** Causes of the layer with the faults, without the rounding to the grid. */
	readonly named: string;
	readonly original: Uint8Array;
	readonly deployed: Uint8Array;
}

/** Seed of the calibration, apart from that of the network. */
const CALIBRATION = 7;

/** Builds a network with a fault, quantizes it, and compares it. @param run false: compares the files alone */
export async function runQuantizedNetwork(
	{ architecture, form, set, seed, channels }: QuantizedRun,
	run = true,
): Promise<QuantizedAnswer> {
	const network = faultyNetwork(architecture, set, { seed, channels });
	const [input] = network.deployed.inputs ?? [];
	const shape = (typeof input === 'object' ? (input.shape ?? []) : []).map(Number);
	const ranges = await observedRanges({ opset: 18, graph: network.deployed }, shape, CALIBRATION);
	const original = buildModel({ opset: 18, graph: network.original });
	const deployed = buildModel(form.write(network.deployed, ranges));
	const comparison = await compareBytes(original, deployed, { run });
	const index = comparison.layers.findIndex(({ name }) => name === network.name);
	const faulty = comparison.layers[index];
	return {
		comparison,
		status: comparisonStatus(comparison, 'error'),
		faulty,
		others: comparison.layers.filter((layer) => layer !== faulty),
		isVisible: isVisible(network.layer, set, seed),
		named: faulty.causes.filter((code) => code !== 'quantized-int8' && code !== 'unknown').join(' + '),
		original,
		deployed,
	};
}

const ROUNDED = SINGLES.filter(({ name }) => name === 'quantized-int8').flatMap(({ faults }) => faults);

function isVisible(layer: RandomLayer, { name, faults }: FaultSet, seed: number): boolean {
	return faults.length > 0 && isIdentifiable(layer, { name, faults: [...faults, ...ROUNDED] }, seed);
}
