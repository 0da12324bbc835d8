import type { Comparison, LayerComparison } from '../../src/core/report/comparison/comparison.js';
import type { HostToComparison } from '../../src/protocol/host-comparison.js';
import {
	agreement,
	comparedLayer,
	emptyLayer,
	sampleComparison,
	wrongEpsilon,
} from '../unit/support/sample-comparison.js';
import { HOSTILE_NAMES } from './states.js';

const show = (...args: Parameters<typeof sampleComparison>): readonly HostToComparison[] => [
	{ type: 'comparison', comparison: sampleComparison(...args) },
];

/** MobileNetV2's layer names, each layer folded correctly. */
function mobilenetLayers(): LayerComparison[] {
	return Array.from({ length: 52 }, (_, i) =>
		comparedLayer(
			{
				name: `/features/features.${Math.floor(i / 3)}/conv/conv.${i % 3}.1/BatchNormalization`,
				channels: 16 + 8 * (i % 7),
				seed: i,
			},
			{ behavior: agreement(140 + 6 * Math.sin(2 * i)) },
		),
	);
}

const outputs = {
	runtime: 'onnxruntime-node 1.30.0',
	inputs: [{ name: 'input', shape: [1, 3, 224, 224], dtype: 'float32', from: 'random normal, seed 0' }],
	milliseconds: 214,
};

function oneWrong(): readonly HostToComparison[] {
	const layers = mobilenetLayers();
	const name = layers[10]?.name ?? '';
	const wrong = { ...wrongEpsilon(name), behavior: agreement(41, { status: 'mismatch' }) };
	const parted = layers.with(10, wrong).map((layer, index) => {
		const behavior = agreement(44 + 6 * Math.sin(index), { status: 'behind' });
		return index > 10 ? { ...layer, behavior } : layer;
	});
	return show(parted, {
		firstDifference: `${name}_output_0`,
		outputs: { ...outputs, status: 'mismatch', maxAbs: 0.021, maxRel: 0.0031, bound: 8.1e-6, firstLayer: name },
	});
}

function everyStatus(): readonly HostToComparison[] {
	const half = comparedLayer(
		{ name: 'block1.bn2', channels: 48, seed: 3, bias: (channel) => (channel % 7 === 2 ? 0.3 + 0.01 * channel : 0) },
		{
			status: 'mismatch',
			cause: 'unknown',
			causes: ['unknown'],
			confidence: 0,
			evidence:
				'41 of 48 channels carry the right fold; the bias of channels 2, 9, 16, 23, 30 and 2 more differs, the weights do not; the largest error is 0.74, 3.7e6 times what rounding allows.',
			details: { unexplained: [2, 9, 16, 23, 30, 37, 44], notIdentifiable: [5] },
		},
	);
	return show(
		[
			comparedLayer({ name: 'stem.bn', channels: 24, seed: 1 }),
			comparedLayer(
				{ name: 'block1.bn1', channels: 24, seed: 2 },
				{ status: 'match', cause: 'rounding-fp16', causes: ['rounding-fp16'], confidence: 1 },
			),
			half,
			comparedLayer({ name: 'block2.bn1', channels: 24, seed: 5 }, { status: 'kept', evidence: 'Kept, unchanged.' }),
			emptyLayer({
				name: 'block2.bn2',
				status: 'unmatched',
				evidence:
					'No operator of the deployed model has the shape and place of Conv_12, which feeds this layer, and the layer itself is gone.',
			}),
			emptyLayer({
				name: 'head.bn',
				status: 'not-identifiable',
				cause: 'not-identifiable',
				evidence: 'Every channel has gamma 0: nothing tells whether 16 channels were folded.',
			}),
		],
		{
			notes: [
				'The deployed model has 11 linear operators where the original has 12: parts of the network were removed.',
			],
			outputs: { status: 'skipped', reason: 'The models take different inputs.' },
		},
	);
}

/** MobileNetV2 in int8 with these ratios behind its layers, in dB. Values below 8 dB are too noisy to judge. */
function quantized(ratioOf: (index: number) => number, overrides: Partial<Comparison>): readonly HostToComparison[] {
	const layers = mobilenetLayers().map((layer, index): LayerComparison => {
		const snrDb = ratioOf(index);
		const noisy = { status: 'skipped', reason: 'Rounding the deployed weights explains all of it.' } as const;
		return {
			...layer,
			cause: 'quantized-int8',
			causes: ['quantized-int8'],
			evidence: 'The fold arrived, quantized: each weight and bias is within half a step of its right value.',
			behavior: agreement(snrDb, { unroundedSnrDb: snrDb + 9, ...(snrDb < 8 && noisy) }),
		};
	});
	return show(layers, { firstDifference: null, ...overrides });
}

const differences = { maxAbs: 0.4, maxRel: 0.06, bound: 1.9, boundRatio: 0.21, roundedMaxRel: 0.8 };

/** Messages that bring the comparison page into a state to test. */
export const COMPARISON_STATES = {
	comparing: [{ type: 'progress', progress: { stage: 'comparing', done: 3, total: 52 } }],
	right: show(mobilenetLayers(), {
		firstDifference: null,
		outputs: { ...outputs, status: 'match', maxAbs: 2.1e-6, maxRel: 3.2e-7, bound: 9e-6 },
	}),
	oneWrong: oneWrong(),
	everyStatus: everyStatus(),
	unjudged: show(
		[
			comparedLayer({ name: 'stem.bn', channels: 24, seed: 1 }, { behavior: agreement(131) }),
			emptyLayer({
				name: 'block1.bn1',
				status: 'unmatched',
				evidence: 'No operator of the deployed model has the shape and place of Conv_12, which feeds this layer.',
			}),
			comparedLayer({ name: 'head.bn', channels: 24, seed: 3 }, { behavior: agreement(125) }),
		],
		{ outputs: { ...outputs, status: 'skipped', reason: 'The models take different inputs.' } },
	),
	quantized: quantized((index) => 40 - 0.4 * index, {
		outputs: { ...outputs, ...differences, status: 'match', snrDb: 19.5, unroundedSnrDb: 28 },
	}),
	distorted: quantized((index) => (index < 30 ? 40 - 0.4 * index : 6 - 0.1 * index), {
		outputs: { ...outputs, ...differences, status: 'match', snrDb: 1.8, unroundedSnrDb: 24 },
	}),
	noLayers: show([], {
		notes: [
			'Neither model has a BatchNormalization: there is nothing to compare. The original has to be the model from before its layers were folded.',
		],
	}),
	failure: [{ type: 'failure', message: 'deployed.onnx is not an ONNX model: byte 0 is 0x89. Choose another file.' }],
	hostile: show(
		HOSTILE_NAMES.map((name, seed) => ({
			...comparedLayer({ name, channels: 8, seed, bias: () => 1 }),
			into: { name, op: '<i>Conv</i>', weight: name, bias: name },
			evidence: name,
		})),
		{ notes: [...HOSTILE_NAMES] },
	),
} as const satisfies Readonly<Record<string, readonly HostToComparison[]>>;

export type ComparisonStateName = keyof typeof COMPARISON_STATES;

/** Returns the comparison that a state shows. */
export function comparisonOf(state: ComparisonStateName): Comparison {
	const messages: readonly HostToComparison[] = COMPARISON_STATES[state];
	const shown = messages.find((message) => message.type === 'comparison');
	if (!shown) {
		throw new RangeError(`${state} shows no comparison`);
	}
	return shown.comparison;
}
