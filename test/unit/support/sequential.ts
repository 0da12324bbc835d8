/** Networks of convolutions and normalizations in a row: as a checkpoint, and as a deployed model with folded layers. */
import { type Affine, affine } from '../../../src/core/batchnorm/affine.js';
import { compareCheckpoint } from '../../../src/core/folding/checkpoint/compare-checkpoint.js';
import { openCheckpoint } from '../../../src/core/formats/open.js';
import { memorySource } from '../../../src/core/onnx/source.js';
import type { Comparison } from '../../../src/core/report/comparison/comparison.js';
import { seededRandom } from '../../../src/engine/child/tensors/random.js';
import { inflate } from '../../../src/platform/inflate.js';
import { safetensorsOf } from './checkpoint-builder.js';
import { buildModel, type NodeSpec, type TensorSpec } from './model-builder.js';
import { openBytes } from './open.js';
import { type Code, orderedDict, tensor, torchZip } from './pickle-builder.js';

export interface ConvStep {
	readonly conv: string;
	readonly from: number;
	readonly to: number;
	/** Kernel size; 1 by default. */
	readonly kernel?: number;
	readonly group?: number;
	readonly bias?: boolean;
	/** Padding; 0 by default. */
	readonly pad?: number;
}

export interface NormStep {
	readonly norm: string;
	/** 1e-5 by default. */
	readonly epsilon?: number;
}

/** A PRelu with a slope for each channel. */
export interface PReluStep {
	readonly prelu: string;
}

/** An activation ends the row of layers that fold into a convolution. */
export type Step = ConvStep | NormStep | PReluStep | 'Relu';

/** Statistics as those of a trained, a hardly trained and a new layer. */
export type Training = 'trained' | 'begun' | 'new';

export interface NormValues {
	readonly gamma: Float64Array;
	readonly beta: Float64Array;
	readonly mean: Float64Array;
	readonly variance: Float64Array;
	readonly epsilon: number;
}

export interface ConvValues {
	readonly weight: Float64Array;
	readonly bias: Float64Array | null;
}

export interface SequentialNetwork {
	readonly steps: readonly Step[];
	readonly convs: ReadonlyMap<string, ConvValues>;
	readonly norms: ReadonlyMap<string, NormValues>;
	readonly slopes: ReadonlyMap<string, Float64Array>;
}

/** Draws the values of a network, all exact in float32. */
export function drawNetwork(steps: readonly Step[], seed: number, training: Training = 'trained'): SequentialNetwork {
	const random = seededRandom(seed);
	const draw = (length: number, of: () => number) => Float64Array.from({ length }, () => Math.fround(of()));
	const convs = new Map<string, ConvValues>();
	const norms = new Map<string, NormValues>();
	const slopes = new Map<string, Float64Array>();
	let channels = 0;
	for (const step of steps) {
		if (step === 'Relu') {
			continue;
		}
		if ('conv' in step) {
			const { from, to, kernel = 1, group = 1 } = step;
			const weight = draw((to * from * kernel ** 2) / group, () => random.normal());
			convs.set(step.conv, { weight, bias: step.bias ? draw(to, () => random.normal()) : null });
			channels = to;
		} else if ('prelu' in step) {
			slopes.set(
				step.prelu,
				draw(channels, () => random.uniform()),
			);
		} else {
			const spread = training === 'trained' ? 1 : training === 'begun' ? 0.03 : 0;
			norms.set(step.norm, {
				gamma: draw(channels, () => 1 + 0.5 * spread * random.normal()),
				beta: draw(channels, () => spread * random.normal()),
				mean: draw(channels, () => spread * random.normal()),
				variance: draw(channels, () => Math.exp(1.5 * spread * random.normal())),
				epsilon: Math.fround(step.epsilon ?? 1e-5),
			});
		}
	}
	return { steps, convs, norms, slopes };
}

export type Named = Readonly<Record<string, { readonly values: Float64Array; readonly size: readonly number[] }>>;

/** Tensors of a network's state_dict. @param order of the modules; by default that of the steps */
export function stateDictOf({ steps, convs, norms, slopes }: SequentialNetwork, order?: readonly string[]): Named {
	const modules = new Map(
		steps.flatMap((step): [string, Named][] => {
			if (step === 'Relu') {
				return [];
			}
			if ('conv' in step) {
				const { conv, from, to, kernel = 1, group = 1 } = step;
				const { weight, bias } = convs.get(conv) ?? missing(conv);
				return [
					[
						conv,
						{
							[`${conv}.weight`]: { values: weight, size: [to, from / group, kernel, kernel] },
							...(bias && { [`${conv}.bias`]: { values: bias, size: [to] } }),
						},
					],
				];
			}
			if ('prelu' in step) {
				const values = slopes.get(step.prelu) ?? missing(step.prelu);
				return [[step.prelu, { [`${step.prelu}.weight`]: { values, size: [values.length] } }]];
			}
			const { gamma, beta, mean, variance } = norms.get(step.norm) ?? missing(step.norm);
			const leaves = { weight: gamma, bias: beta, running_mean: mean, running_var: variance };
			return [
				[
					step.norm,
					Object.fromEntries(
						Object.entries(leaves).map(([leaf, values]) => [`${step.norm}.${leaf}`, { values, size: [values.length] }]),
					),
				],
			];
		}),
	);
	return Object.assign({}, ...(order ?? [...modules.keys()]).map((name) => modules.get(name) ?? missing(name)));
}

function missing(name: string): never {
	throw new Error(`no module ${name}`);
}

/** A file as torch.save writes it, with the tensors in their order. */
export function torchFile(tensors: Named): Uint8Array {
	const entries: Record<string, Code> = {};
	const storages: Record<string, Uint8Array> = {};
	for (const [key, [name, { values, size }]] of Object.entries(tensors).entries()) {
		storages[key] = new Uint8Array(Float32Array.from(values).buffer);
		const stride = size.map((_, axis) => size.slice(axis + 1).reduce((a, b) => a * b, 1));
		entries[name] = tensor({ key: String(key), count: values.length, size, stride });
	}
	return torchZip(orderedDict(entries), storages);
}

/** A safetensors file, which sorts the names. */
export function sortedFile(tensors: Named): Uint8Array {
	const sorted = Object.entries(tensors).sort(([a], [b]) => (a < b ? -1 : 1));
	return safetensorsOf(
		Object.fromEntries(sorted.map(([name, { values }]) => [name, [...values]])),
		Object.fromEntries(sorted.map(([name, { size }]) => [name, size])),
	);
}

export const mapOf = ({ gamma, beta, mean, variance, epsilon }: NormValues): Affine =>
	affine(gamma, beta, mean, variance, epsilon);

export interface Deployment {
	/** Maps that go into the weights instead of a layer's own. */
	readonly maps?: Readonly<Record<string, Affine>>;
	/** Changes the weights of all convolutions in their order, after the fold. */
	readonly change?: (folded: readonly FoldedConv[]) => void;
	/** Slopes that differ from the network's. */
	readonly slopes?: Readonly<Record<string, Float64Array>>;
}

/** A convolution of the deployed model; its values may be changed. */
export interface FoldedConv {
	readonly step: ConvStep;
	readonly weight: Float64Array;
	readonly bias: Float64Array;
}

/** Folds each layer into the convolution in front of it. A layer behind a Relu, or without a convolution, is left out. */
export function deployedModel(
	{ steps, convs, norms, slopes }: SequentialNetwork,
	{ maps = {}, change, slopes: changed = {} }: Deployment = {},
): Uint8Array {
	const folded: FoldedConv[] = [];
	const nodes: NodeSpec[] = [];
	const slopeTensors: TensorSpec[] = [];
	let input = 'x';
	let isBehindConv = false;
	for (const [index, step] of steps.entries()) {
		const last = folded.at(-1);
		if (step === 'Relu' || 'prelu' in step) {
			if (step === 'Relu') {
				nodes.push({ op: 'Relu', inputs: [input], outputs: [`r${index}`] });
			} else {
				const values = changed[step.prelu] ?? slopes.get(step.prelu) ?? missing(step.prelu);
				slopeTensors.push({ name: `s${index}`, dims: [values.length, 1, 1], values: [...values] });
				nodes.push({ op: 'PRelu', inputs: [input, `s${index}`], outputs: [`r${index}`] });
			}
			input = `r${index}`;
			isBehindConv = false;
		} else if ('conv' in step) {
			const { weight, bias } = convs.get(step.conv) ?? missing(step.conv);
			folded.push({ step, weight: weight.slice(), bias: bias?.slice() ?? new Float64Array(step.to) });
			const [kernel, pad] = [step.kernel ?? 1, step.pad ?? 0];
			nodes.push({
				op: 'Conv',
				name: `/${step.conv}/Conv`,
				inputs: [input, `w${folded.length - 1}`, `b${folded.length - 1}`],
				outputs: [`c${index}`],
				attributes: {
					group: { i: step.group ?? 1 },
					kernel_shape: { ints: [kernel, kernel] },
					pads: { ints: [pad, pad, pad, pad] },
				},
			});
			input = `c${index}`;
			isBehindConv = true;
		} else if (isBehindConv && last) {
			const { scale, shift } = maps[step.norm] ?? mapOf(norms.get(step.norm) ?? missing(step.norm));
			const length = last.weight.length / scale.length;
			for (let at = 0; at < last.weight.length; at++) {
				last.weight[at] *= scale[Math.floor(at / length)];
			}
			scale.forEach((s, row) => {
				last.bias[row] = last.bias[row] * s + shift[row];
			});
		}
	}
	change?.(folded);
	const initializers = folded.flatMap(({ step, weight, bias }, index): TensorSpec[] => {
		const { from, to, kernel = 1, group = 1 } = step;
		return [
			{ name: `w${index}`, dims: [to, from / group, kernel, kernel], values: [...weight] },
			{ name: `b${index}`, dims: [to], values: [...bias] },
		];
	});
	initializers.push(...slopeTensors);
	const inputs = [{ name: 'x', shape: [1, folded[0]?.step.from ?? 1, 32, 32] }];
	return buildModel({ graph: { nodes, initializers, inputs, outputs: [input] } });
}

/** Compares a checkpoint's bytes with a deployed model's. */
export async function compareBytes(checkpoint: Uint8Array, deployed: Uint8Array): Promise<Comparison> {
	const source = memorySource(checkpoint, 'original.pth');
	const { model, source: deployedSource } = await openBytes(deployed);
	return compareCheckpoint(
		{ checkpoint: await openCheckpoint(source, { inflate }), access: { source } },
		{ model, access: { source: deployedSource } },
	);
}

/** Layers that are neither right nor still there: name, status, cause. */
export function wrongLayers({ layers }: Comparison): readonly (readonly [string, string, string | null])[] {
	return layers
		.filter(({ status }) => status !== 'match' && status !== 'kept')
		.map(({ name, status, cause }) => [name, status, cause] as const);
}
