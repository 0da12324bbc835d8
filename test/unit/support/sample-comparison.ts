import type { CauseCode } from '../../../src/core/report/causes.js';
import type { LayerBehavior } from '../../../src/core/report/comparison/behavior.js';
import { type Comparison, type LayerComparison, summarize } from '../../../src/core/report/comparison/comparison.js';
import { seededRandom } from '../../../src/engine/child/tensors/random.js';

/** A folded layer as a comparison has it: right to within rounding, unless something is done to it. */
export function comparedLayer(
	options: {
		readonly name?: string;
		readonly channels?: number;
		readonly seed?: number;
		/** Factor on the weights of a channel, 1 where they are right. */
		readonly scale?: (channel: number, variance: number) => number;
		/** Added to the bias of a channel. */
		readonly bias?: (channel: number) => number;
	} = {},
	overrides: Partial<LayerComparison> = {},
): LayerComparison {
	const { name = 'features.1', channels = 32, seed = 1, scale = () => 1, bias = () => 0 } = options;
	const random = seededRandom(seed);
	const all = Array.from({ length: channels }, (_, channel) => {
		const variance = Math.exp(random.normal() - 2);
		const s = (1 + 0.3 * random.normal()) / Math.sqrt(variance + 1e-5);
		const expected = 0.4 * random.normal();
		const rounding = 4e-8 * random.normal();
		return { s, expected, ratio: s * scale(channel, variance), error: bias(channel) + rounding, rounding };
	});
	const pick = (value: (channel: (typeof all)[number], index: number) => number) => Float64Array.from(all, value);
	const boundRatio = pick(({ s, ratio, error, rounding }) =>
		Math.max(Math.abs(error) / 2e-7, ratio === s ? 0 : Math.abs(ratio / s - 1) / 4e-7, Math.abs(rounding) / 2e-7),
	);
	const worst = Math.max(...boundRatio);
	const biasError = pick(({ error }) => error);
	return {
		name,
		status: worst > 1 ? 'mismatch' : 'match',
		into: { name: `${name}/conv`, op: 'Conv', weight: 'onnx::Conv_123', bias: 'onnx::Conv_124' },
		cause: null,
		causes: [],
		confidence: 1,
		evidence: `The fold of all ${channels} channels arrived: the largest error is 30 % of what rounding allows.`,
		details: {},
		alternatives: [],
		maxAbs: Math.max(...biasError.map(Math.abs)),
		maxRel: 1.4e-7,
		maxUlp: 1.2,
		bound: 2.4e-6,
		perChannel: {
			weightRatio: pick(({ ratio }) => ratio),
			weightResidual: pick(({ rounding }) => Math.abs(rounding)),
			biasError,
			expectedRatio: pick(({ s }) => s),
			biasBound: pick(() => 2e-7),
			foundBias: pick(({ expected, error }) => expected + error),
			expectedBias: pick(({ expected }) => expected),
			boundRatio,
		},
		...overrides,
	};
}

/** A layer with nothing to compare, one value or array at a time. */
export function emptyLayer(overrides: Partial<LayerComparison>): LayerComparison {
	const none = new Float64Array(0);
	return {
		...comparedLayer(),
		into: null,
		confidence: 0,
		maxAbs: null,
		maxRel: null,
		maxUlp: null,
		bound: null,
		perChannel: { weightRatio: none, weightResidual: none, biasError: none },
		...overrides,
	};
}

export function wrongEpsilon(name = 'features.3', channels = 64): LayerComparison {
	const layer = comparedLayer(
		{ name, channels, seed: 7, scale: (_, variance) => Math.sqrt((variance + 1e-5) / (variance + 1e-3)) },
		{
			status: 'mismatch',
			cause: 'wrong-epsilon',
			causes: ['wrong-epsilon'],
			confidence: 0.99,
			evidence: `The weights fit epsilon 1e-3, the default of Keras and MXNet; the original says 1e-5; ${channels} of ${channels} channels fit this to 3e-8.`,
			details: { 'wrong-epsilon': { epsilon: 1e-3 } },
			alternatives: [{ causes: ['epsilon-clamped' satisfies CauseCode], confidence: 0.02 }],
			maxAbs: 0.031,
			maxRel: 0.0042,
			maxUlp: 35_231,
		},
	);
	const { weightRatio, expectedBias } = layer.perChannel;
	return {
		...layer,
		perChannel: {
			...layer.perChannel,
			explainedRatio: weightRatio,
			...(expectedBias && { explainedBias: expectedBias }),
		},
	};
}

/** Values behind a layer that both models compute. */
export function agreement(snrDb: number, overrides: Partial<LayerBehavior> = {}): LayerBehavior {
	return { status: 'match', tensor: 'deployed', snrDb, maxAbs: 1e-6, bound: 1e-5, ...overrides };
}

export function sampleComparison(layers: readonly LayerComparison[], overrides: Partial<Comparison> = {}): Comparison {
	const model = { irVersion: 8, opset: 15, producer: 'pytorch 2.1' };
	return {
		format: 'batchnorm-lens.comparison',
		version: 1,
		original: { ...model, path: '/models/mobilenet_v2.onnx', bytes: 14_085_223, nodes: 152 },
		deployed: { ...model, path: '/models/mobilenet_v2.deployed.onnx', bytes: 13_964_571, nodes: 100 },
		layers,
		summary: summarize(layers),
		notes: [],
		...overrides,
	};
}
