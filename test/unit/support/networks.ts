/**
 * Whole networks with the shapes of the published ones and seeded random weights: files of realistic size and structure
 * that need not be kept in the repository.
 */
import { seededRandom } from '../../../src/engine/child/tensors/random.js';
import { buildModel, type ModelSpec, type NodeSpec, type TensorSpec } from './model-builder.js';

interface ConvShape {
	readonly from: number;
	readonly to: number;
	readonly kernel: number;
	readonly stride?: number;
	readonly group?: number;
	/** Variance of the outputs over that of the inputs, for inputs around 0; 2, the default, makes up for a Relu in front. */
	readonly gain?: number;
}

interface BatchNormParameters {
	readonly gamma: Float32Array;
	readonly beta: Float32Array;
	readonly mean: Float32Array;
	readonly variance: Float32Array;
}

/** Adds operators one after the other and remembers what they need. */
class NetworkWriter {
	readonly nodes: NodeSpec[] = [];
	readonly initializers: TensorSpec[] = [];
	private readonly random;
	private count = 0;
	private layers = 0;
	/** Index of the layer whose gamma is 1 in every channel. */
	private readonly withoutGamma: number;

	constructor(seed: number, withoutGamma = -1) {
		this.random = seededRandom(seed);
		this.withoutGamma = withoutGamma;
	}

	private tensor(name: string, dims: readonly number[], draw: () => number): string {
		const values = Float32Array.from({ length: dims.reduce((a, b) => a * b, 1) }, draw);
		this.initializers.push({ name, dims, raw: new Uint8Array(values.buffer) });
		return name;
	}

	private node(op: string, inputs: readonly string[], attributes: NodeSpec['attributes'] = {}): string {
		this.count += 1;
		const output = `${op}_${this.count}_out`;
		this.nodes.push({ op, name: `${op}_${this.count}`, inputs, outputs: [output], attributes });
		return output;
	}

	/**
	 * Conv without bias, then BatchNormalization with statistics like those of a trained network.
	 * @param adjust changes the parameters in place before they are written
	 */
	convBatchNorm(
		x: string,
		{ from, to, kernel, stride = 1, group = 1, gain = 2 }: ConvShape,
		adjust: (parameters: BatchNormParameters) => void = () => {},
	): string {
		const name = `block${this.count}`;
		const { normal } = this.random;
		const fanIn = (from / group) * kernel * kernel;
		const pad = (kernel - 1) >> 1;
		const weight = this.tensor(
			`${name}.weight`,
			[to, from / group, kernel, kernel],
			() => normal() * Math.sqrt(gain / fanIn),
		);
		const conv = this.node('Conv', [x, weight], {
			kernel_shape: { ints: [kernel, kernel] },
			strides: { ints: [stride, stride] },
			pads: { ints: [pad, pad, pad, pad] },
			group: { i: group },
		});
		const draw = (value: () => number) => Float32Array.from({ length: to }, value);
		const parameters: BatchNormParameters = {
			gamma: draw(() => 1 + 0.2 * normal()),
			beta: draw(() => 0.1 * normal()),
			mean: draw(() => 0.1 * normal()),
			variance: draw(() => Math.exp(0.3 * normal())),
		};
		adjust(parameters);
		if (this.layers++ === this.withoutGamma) {
			parameters.gamma.fill(1);
		}
		const names = Object.entries(parameters).map(([key, values]: [string, Float32Array]) => {
			this.initializers.push({ name: `${name}.${key}`, dims: [to], raw: new Uint8Array(values.buffer) });
			return `${name}.${key}`;
		});
		return this.node('BatchNormalization', [conv, ...names], { epsilon: { f: 1e-5 } });
	}

	/** The model of what was written, from `input` of this shape to `output`. */
	plainModel(shape: readonly number[], output: string): ModelSpec {
		return {
			opset: 15,
			producer: 'example',
			graph: {
				nodes: this.nodes,
				initializers: this.initializers,
				inputs: [{ name: 'input', shape }],
				outputs: [{ name: output, shape: shape.map(() => null) }],
			},
		};
	}

	relu(x: string): string {
		return this.node('Relu', [x]);
	}

	add(a: string, b: string): string {
		return this.node('Add', [a, b]);
	}

	maxPool(x: string): string {
		return this.node('MaxPool', [x], {
			kernel_shape: { ints: [3, 3] },
			strides: { ints: [2, 2] },
			pads: { ints: [1, 1, 1, 1] },
		});
	}

	classifier(x: string, channels: number): string {
		const flat = this.node('Flatten', [this.node('GlobalAveragePool', [x])]);
		const weight = this.tensor('classifier.weight', [1000, channels], () => this.random.normal() / Math.sqrt(channels));
		const bias = this.tensor('classifier.bias', [1000], () => 0);
		return this.node('Gemm', [flat, weight, bias], { transB: { i: 1 } });
	}

	model(size: number, output: string): ModelSpec {
		return {
			opset: 15,
			producer: 'example',
			graph: {
				nodes: this.nodes,
				initializers: this.initializers,
				inputs: [{ name: 'input', shape: ['N', 3, size, size] }],
				outputs: [{ name: output, shape: ['N', 1000] }],
			},
		};
	}
}

/** Of a branch that is added to what it came from: small, or the sums would grow from block to block. */
function branch({ gamma }: BatchNormParameters): void {
	for (const [channel, value] of gamma.entries()) {
		gamma[channel] = 0.4 * value;
	}
}

/**
 * MobileNetV2 (arXiv 1801.04381, table 2): 52 BatchNormalization layers, 14 MB.
 * @param withoutGamma index of a layer whose gamma is 1 in every channel, for a fold that drops gamma
 */
export function mobileNetV2(size = 224, withoutGamma = -1): Uint8Array {
	const net = new NetworkWriter(2, withoutGamma);
	let x = net.relu(net.convBatchNorm('input', { from: 3, to: 32, kernel: 3, stride: 2, gain: 1 }));
	let from = 32;
	for (const [expansion, to, repeats, firstStride] of [
		[1, 16, 1, 1],
		[6, 24, 2, 2],
		[6, 32, 3, 2],
		[6, 64, 4, 2],
		[6, 96, 3, 1],
		[6, 160, 3, 2],
		[6, 320, 1, 1],
	]) {
		for (let repeat = 0; repeat < repeats; repeat++) {
			const stride = repeat === 0 ? firstStride : 1;
			const wide = from * expansion;
			const expanded = expansion === 1 ? x : net.relu(net.convBatchNorm(x, { from, to: wide, kernel: 1, gain: 1 }));
			const filtered = net.relu(net.convBatchNorm(expanded, { from: wide, to: wide, kernel: 3, stride, group: wide }));
			const projected = net.convBatchNorm(filtered, { from: wide, to, kernel: 1 }, branch);
			x = stride === 1 && from === to ? net.add(x, projected) : projected;
			from = to;
		}
	}
	x = net.relu(net.convBatchNorm(x, { from, to: 1280, kernel: 1, gain: 1 }));
	return buildModel(net.model(size, net.classifier(x, 1280)));
}

/** ResNet-50 (arXiv 1512.03385, table 1): 53 BatchNormalization layers, 102 MB. */
export function resNet50(size = 224): Uint8Array {
	const net = new NetworkWriter(50);
	let x = net.maxPool(net.relu(net.convBatchNorm('input', { from: 3, to: 64, kernel: 7, stride: 2 })));
	let from = 64;
	for (const [width, repeats, firstStride] of [
		[64, 3, 1],
		[128, 4, 2],
		[256, 6, 2],
		[512, 3, 2],
	]) {
		for (let repeat = 0; repeat < repeats; repeat++) {
			const stride = repeat === 0 ? firstStride : 1;
			const to = width * 4;
			const reduced = net.relu(net.convBatchNorm(x, { from, to: width, kernel: 1 }));
			const filtered = net.relu(net.convBatchNorm(reduced, { from: width, to: width, kernel: 3, stride }));
			const expanded = net.convBatchNorm(filtered, { from: width, to, kernel: 1 }, branch);
			const shortcut = repeat === 0 ? net.convBatchNorm(x, { from, to, kernel: 1, stride }) : x;
			x = net.relu(net.add(expanded, shortcut));
			from = to;
		}
	}
	return buildModel(net.model(size, net.classifier(x, from)));
}

/** Blocks of Conv 1x1, BatchNormalization and Relu one after the other, that keep the shape of what they are given. */
export function convolutionChain(blocks: number, shape: readonly [number, number, number, number]): Uint8Array {
	const net = new NetworkWriter(7);
	let x = 'input';
	for (let block = 0; block < blocks; block++) {
		x = net.relu(net.convBatchNorm(x, { from: shape[1], to: shape[1], kernel: 1 }));
	}
	return buildModel(net.plainModel(shape, x));
}

/** A small network each of whose layers is unhealthy in a way of its own, the first excepted. */
export function unhealthyNetwork(size = 56): Uint8Array {
	const net = new NetworkWriter(13);
	const shape = { from: 32, to: 32, kernel: 3 };
	let x = net.relu(net.convBatchNorm('input', { from: 3, to: 32, kernel: 3, stride: 2 }));
	const layers: ((parameters: BatchNormParameters) => void)[] = [
		// Pruned channels: gamma 0, two of them with a beta that makes them constants.
		({ gamma, beta }) => {
			gamma.fill(0, 4, 9);
			beta.fill(0, 4, 7).fill(1.5, 7, 9);
		},
		// Two channels whose variance has collapsed: their scale blows up.
		({ variance }) => variance.fill(3e-7, 11, 13),
		// Variance exactly 0, as dead filters in front leave it.
		({ variance, mean }) => {
			variance.fill(0, 20, 24);
			mean.fill(0, 20, 24);
		},
		// Outputs that the following ReLU always cuts off.
		({ beta, gamma }) => {
			beta.fill(-2, 0, 3);
			gamma.fill(0.3, 0, 3);
		},
		// Still as it was initialized.
		({ gamma, beta, mean, variance }) => {
			gamma.fill(1);
			beta.fill(0);
			mean.fill(0);
			variance.fill(1);
		},
	];
	for (const adjust of layers) {
		x = net.relu(net.convBatchNorm(x, shape, adjust));
	}
	return buildModel(net.model(size, net.classifier(x, 32)));
}

/**
 * MatMul, Transpose and BatchNormalization over as many rows as channels: onnxruntime 1.30 fuses the layer into the columns
 * of the weight, as if the Transpose were not there, and computes something else.
 */
export function wronglyFusedNetwork(): Uint8Array {
	const { normal } = seededRandom(6);
	const draw = (length: number, value: () => number) => Array.from({ length }, value);
	return buildModel({
		opset: 15,
		producer: 'example',
		graph: {
			inputs: [{ name: 'input', shape: [6, 6] }],
			outputs: [{ name: 'output', shape: [6, 6] }],
			initializers: [
				{ name: 'weight', dims: [6, 6], values: draw(36, normal) },
				{ name: 'gamma', values: draw(6, () => 1 + 0.5 * normal()) },
				{ name: 'beta', values: draw(6, normal) },
				{ name: 'mean', values: draw(6, normal) },
				{ name: 'variance', values: draw(6, () => Math.exp(normal())) },
			],
			nodes: [
				{ op: 'MatMul', name: 'tokens', inputs: ['input', 'weight'], outputs: ['tokens_out'] },
				{
					op: 'Transpose',
					name: 'channels_first',
					inputs: ['tokens_out'],
					outputs: ['transposed'],
					attributes: { perm: { ints: [1, 0] } },
				},
				{
					op: 'BatchNormalization',
					name: 'norm',
					inputs: ['transposed', 'gamma', 'beta', 'mean', 'variance'],
					outputs: ['output'],
				},
			],
		},
	});
}
