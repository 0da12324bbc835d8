import assert from 'node:assert/strict';
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, test } from 'node:test';
import { mergeStatistics } from '../../../../../src/core/inspection/merge-statistics.js';
import { biasedVariance } from '../../../../../src/core/numbers/moments.js';
import { openModel } from '../../../../../src/engine/child/model/opened-model.js';
import { blockedGraph } from '../../../../../src/engine/child/reestimate/blocked-graph.js';
import { BlockedRun } from '../../../../../src/engine/child/reestimate/blocked-run.js';
import { chainOf as productChain } from '../../../../../src/engine/child/reestimate/covariance-statistics.js';
import { type GraphResults, GraphRun } from '../../../../../src/engine/child/reestimate/graph-run.js';
import { imageGroups } from '../../../../../src/engine/child/reestimate/image-groups.js';
import { largestRounding, stagedMoments } from '../../../../../src/engine/child/reestimate/measure-batch.js';
import { singleGraph } from '../../../../../src/engine/child/reestimate/single-graph.js';
import { StagedRun } from '../../../../../src/engine/child/reestimate/staged-run.js';
import { planStages } from '../../../../../src/engine/child/reestimate/stages.js';
import { chainOf as valueChain } from '../../../../../src/engine/child/reestimate/value-statistics.js';
import { encodeNpy } from '../../../../../src/engine/child/tensors/npy.js';
import { seededRandom } from '../../../../../src/engine/child/tensors/random.js';
import { runtime, sharedKernel } from '../../../support/inspect.js';
import { buildModel, type NodeSpec, type TensorSpec } from '../../../support/model-builder.js';
import { reestimateModel, scratch } from '../../../support/reestimate.js';

const folder = scratch();
after(() => rmSync(folder, { recursive: true }));

const IMAGE = [3, 10, 9];

/** Builds networks of convolutions and layers. */
class Network {
	readonly nodes: NodeSpec[] = [];
	readonly initializers: TensorSpec[] = [];
	readonly #random = seededRandom(5);

	#tensor(
		dims: readonly number[],
		value: (position: number) => number,
		change: (values: number[]) => unknown = () => {},
	) {
		const name = `t${this.initializers.length}`;
		const values = Array.from({ length: dims.reduce((a, b) => a * b, 1) }, (_, i) => value(i));
		change(values);
		this.initializers.push({ name, dims, values });
		return name;
	}

	add(op: string, inputs: readonly string[], attributes: NodeSpec['attributes'] = {}): string {
		const output = `${op}${this.nodes.length}`;
		this.nodes.push({ op, name: output, inputs, outputs: [output], attributes });
		return output;
	}

	/** @param shift of the bias; NaN: no bias @param change of the weights */
	conv(
		x: string,
		[to, from, kernel]: readonly [number, number, number],
		{ group = 1, stride = 1, shift = NaN, change = (kernel: number[]): unknown => kernel } = {},
	) {
		const { normal } = this.#random;
		const dims = [to, from / group, kernel, kernel];
		const weight = this.#tensor(dims, () => normal() / Math.sqrt((from / group) * kernel * kernel), change);
		const bias = Number.isNaN(shift) ? [] : [this.#tensor([to], () => normal() + shift)];
		const pad = (kernel - 1) / 2;
		return this.add('Conv', [x, weight, ...bias], {
			pads: { ints: [pad, pad, pad, pad] },
			strides: { ints: [stride, stride] },
			group: { i: group },
		});
	}

	norm(x: string, channels: number): string {
		const { normal } = this.#random;
		const [gamma, beta] = [0, 1].map((part) => this.#tensor([channels], () => normal() + 1 - part));
		const [mean, variance] = [0, 1].map((part) => this.#tensor([channels], () => part));
		return this.add('BatchNormalization', [x, gamma, beta, mean, variance]);
	}

	write(name: string, output: string, samples: number | string = 'N'): string {
		const file = path.join(folder, `${name}.onnx`);
		const { nodes, initializers } = this;
		const graph = {
			inputs: [{ name: 'x', shape: [samples, ...IMAGE] }],
			outputs: [{ name: output }],
			nodes,
			initializers,
		};
		writeFileSync(file, buildModel({ opset: 15, graph }));
		return file;
	}
}

/** Convolutions with and without bias, by channel, with a stride, and with a number of channels that fills no block. */
function network(name: string, { shift = 0, samples = 'N' as number | string } = {}): string {
	const net = new Network();
	const first = net.add('Relu', [net.norm(net.conv('x', [16, 3, 3], { shift }), 16)]);
	const byChannel = net.add('Relu', [net.norm(net.conv(first, [16, 16, 3], { group: 16, stride: 2 }), 16)]);
	const narrow = net.norm(net.conv(byChannel, [24, 16, 1], { shift: 0 }), 24);
	const again = net.norm(net.conv(narrow, [24, 24, 1]), 24);
	const last = net.norm(net.conv(net.add('Add', [again, narrow]), [32, 24, 3]), 32);
	return net.write(name, net.add('Relu', [last]), samples);
}

function images(count: number): Float32Array {
	const random = seededRandom(count);
	return Float32Array.from({ length: count * 3 * 10 * 9 }, () => random.normal() + 0.5);
}

const inputOf = (count: number) =>
	new Map([['x', { type: 'float32' as const, dims: [count, ...IMAGE], data: images(count) }]]);

/** Bytes that five images exceed in the first layer's input alone. */
const FIRST_LAYERS = 17_000;
/** Bytes of the largest layer input of two images. */
const TWO_IMAGES = 2 * 4 * 16 * 10 * 9;

async function opened(file: string, groupBytes?: number) {
	const model = await openModel({ path: file });
	const layers = [...model.layers.keys()];
	const graph = singleGraph(model, layers);
	assert.ok(graph);
	const unfinished = path.join(folder, 'unfinished');
	const blocked = await BlockedRun.of(graph, runtime, unfinished, groupBytes);
	assert.ok(!existsSync(unfinished));
	return { model, layers, graph, blocked };
}

/** False on processors for which the runtime has no blocked layout. */
async function isSupported(): Promise<boolean> {
	const { model, blocked } = await opened(network('plain'));
	await model.close();
	return blocked !== undefined;
}
const always = () => true;
const NOT_SUPPORTED = 'the runtime has no blocked layout for this processor';

test('moments of the blocked layout are those of the kernel, for any number of images and far from 0', async (context) => {
	for (const [shift, groupBytes] of [
		[0, undefined],
		[30, undefined],
		[0, TWO_IMAGES],
		[30, TWO_IMAGES],
		[0, FIRST_LAYERS],
	] as const) {
		const { model, layers, graph, blocked } = await opened(network(`shift-${shift}`, { shift }), groupBytes);
		if (!blocked) {
			return context.skip(NOT_SUPPORTED);
		}
		const other = new GraphRun(graph, runtime);
		const run = new StagedRun(model, planStages(model, layers), { runtime, kernel: await sharedKernel() });
		let asked = 0;
		for (const count of [5, 1, 5, 8, 2]) {
			const shapesOf = async () => {
				asked += 1;
				return new Map(Array.from(await other.moments(inputOf(count)), ([index, { dims }]) => [index, dims]));
			};
			const found = await blocked.moments(inputOf(count), shapesOf, always);
			const expected = await stagedMoments({ parts: [inputOf(count)], samples: count }, run, new Set(layers));
			assert.deepEqual([...found.keys()].toSorted(), layers);
			for (const [index, right] of expected) {
				const moments = found.get(index);
				assert.deepEqual(moments?.count, right.count);
				const [ours, theirs] = [moments ? biasedVariance(moments) : [], biasedVariance(right)];
				for (const [c, variance] of theirs.entries()) {
					const scale = variance + model.layers[index].epsilon;
					const off = Math.abs((moments?.mean[c] ?? NaN) - right.mean[c]) / Math.sqrt(scale);
					// Convolutions of a whole image and of its mean round in another way.
					const rounding = 5e-6 * Math.max(1, shift);
					assert.ok(off < rounding, `${index}, ${c}: a mean is off by ${off}`);
					assert.ok(Math.abs(ours[c] - variance) < rounding * scale, `${index}, ${c}: ${ours[c]}, not ${variance}`);
				}
			}
		}
		assert.equal(asked, 4, 'two sessions are kept, and the first is loaded once for its two batches');
		await Promise.all([blocked.dispose(), other.dispose(), run.dispose(), model.close()]);
	}
});

test('a batch is divided into groups of images that fit the cache, unless an operator may mix images', async (context) => {
	const { model, layers, graph } = await opened(network('groups'));
	const blocked = await blockedGraph(graph, runtime, path.join(folder, 'unfinished'));
	if (!blocked) {
		return context.skip(NOT_SUPPORTED);
	}
	const shapesOf = (count: number) => new Map(layers.map((index) => [index, [count, 16, 10, 9]] as const));
	const sizesOf = (count: number, bytes: number, of = blocked) =>
		imageGroups(of, inputOf(count), shapesOf(count), bytes).sizes;
	const image = Math.max(...blocked.layers.map(({ width }) => 4 * width * 90));
	assert.deepEqual(sizesOf(8, 2 * image), [2, 2, 2, 2]);
	assert.deepEqual(sizesOf(5, 2 * image), [1, 2, 2], 'the last group, which gives the centers, is no rest');
	assert.deepEqual(sizesOf(5, 9 * image), [5]);
	assert.deepEqual(sizesOf(3, 1), [1, 1, 1]);
	assert.deepEqual(sizesOf(40, 1), [1, ...new Array(13).fill(3)], 'not more than 16 groups');
	const partly = new Map(
		layers.map((index, position) => [index, position < 2 ? [8, 16, 10, 9] : [8, 16, 2, 2]] as const),
	);
	const groups = imageGroups(blocked, inputOf(8), partly, image);
	assert.deepEqual(groups.sizes, [2, 2, 2, 2]);
	assert.deepEqual(
		blocked.layers.map(({ source, marker }) => [source, marker].map(({ outputs }) => groups.isDivided(outputs[0]))),
		layers.map((_, position) => [position < 3, position < 2]),
		'convolutions that read a large tensor are the last that are divided',
	);
	const mixing = { ...blocked, nodes: blocked.nodes.map((node) => ({ ...node, domain: '', opType: 'Softmax' })) };
	assert.deepEqual(sizesOf(8, image, mixing), [8]);
	const others = new Map([...shapesOf(8), [layers[1], [4, 16, 10, 9]] as const]);
	assert.deepEqual(imageGroups(blocked, inputOf(8), others, image).sizes, [8], 'a layer sees other numbers of images');
	await model.close();
});

test('values far from the center of the last group lose no more digits than the estimate says', async (context) => {
	const { model, layers, graph, blocked } = await opened(network('center', { shift: 0 }), TWO_IMAGES / 2);
	if (!blocked) {
		return context.skip(NOT_SUPPORTED);
	}
	const run = new StagedRun(model, planStages(model, layers), { runtime, kernel: await sharedKernel() });
	const other = new GraphRun(graph, runtime);
	// The last image, which is the last group, is far from the others.
	const input = inputOf(6);
	const { data, dims } = input.get('x') ?? { data: new Float32Array(0), dims: [] };
	const moved = Float32Array.from(data, (value, at) => (at < 5 * 270 ? value : value + 40));
	const batch = new Map([['x', { type: 'float32' as const, dims, data: moved }]]);
	const shapes = new Map(Array.from(await other.moments(batch), ([index, own]) => [index, own.dims]));
	const found = await blocked.moments(batch, async () => shapes, always);
	const expected = await stagedMoments({ parts: [batch], samples: 6 }, run, new Set(layers));
	const [first] = layers;
	const [moments, right] = [found.get(first), expected.get(first)];
	assert.ok(moments?.centers && right);
	const { epsilon } = model.layers[first];
	const estimate = largestRounding(moments, epsilon);
	for (const [c, m2] of right.m2.entries()) {
		const variance = m2 / right.count[c];
		const distance = (moments.centers[c] - right.mean[c]) ** 2;
		assert.ok(distance <= 6 * variance * 1.001, 'a group of six is within the root of 6 standard deviations');
		assert.ok(Math.abs(moments.m2[c] / m2 - 1) < estimate, `${c}: ${moments.m2[c]}, not ${m2}, with ${estimate}`);
	}
	const atMean = largestRounding({ ...moments, centers: moments.mean }, epsilon);
	assert.ok(estimate > 2 * atMean, `${estimate} is not much more than ${atMean}`);
	await Promise.all([blocked.dispose(), other.dispose(), run.dispose(), model.close()]);
});

/** A layer whose first channel is the difference of two inputs that are equal but for `rest`. */
function difference(rest: number): string {
	const net = new Network();
	const pair = net.conv('x', [16, 3, 3], {
		change: (kernel) => kernel.copyWithin(27, 0, 27).fill(kernel[0] + rest, 27, 28),
	});
	const wide = net.conv(pair, [64, 16, 1], {
		change: (kernel) => kernel.fill(0, 0, 16).fill(1, 0, 1).fill(-1, 1, 2),
	});
	return net.write(`difference-${rest}`, net.add('Relu', [net.norm(wide, 64)]));
}

test('sums in float32 have at most as many terms as digits allow, and divide the pixels', () => {
	const shapes = [
		[1, 1, 112, 112],
		[1, 1, 14, 14],
		[1, 1, 7, 7],
		[1, 1, 1, 1009],
		[1, 1, 9, 300],
	] as const;
	assert.deepEqual(shapes.map(valueChain), [896, 196, 49, 1009, 900]);
	assert.deepEqual(shapes.map(productChain), [256, 196, 49, 1009, 225]);
});

test('variances follow from the covariance of a narrow input, or from values where digits are lost', async (context) => {
	for (const [rest, isByCovariance] of [
		[1, true],
		[1e-3, false],
	] as const) {
		const { model, layers, graph, blocked } = await opened(difference(rest), TWO_IMAGES);
		if (!blocked) {
			return context.skip(NOT_SUPPORTED);
		}
		const run = new StagedRun(model, planStages(model, layers), { runtime, kernel: await sharedKernel() });
		const other = new GraphRun(graph, runtime);
		const batch = inputOf(7);
		const shapes = new Map(Array.from(await other.moments(batch), ([index, own]) => [index, own.dims]));
		const [expected] = (await stagedMoments({ parts: [batch], samples: 7 }, run, new Set(layers))).values();
		const [{ epsilon }] = model.layers;
		const roundingOf = (found: GraphResults) => largestRounding([...found.values()][0], epsilon);
		const isAccurate = (found: GraphResults) => roundingOf(found) < 1e-5;
		for (const accept of [always, isAccurate]) {
			const found = await blocked.moments(batch, async () => shapes, accept);
			const [moments] = found.values();
			assert.equal(moments.spread !== undefined, accept === always || isByCovariance);
			assert.equal(isAccurate(found), accept === isAccurate || isByCovariance, `${roundingOf(found)}`);
			for (const [c, m2] of expected.m2.entries()) {
				const scale = m2 / expected.count[c] + epsilon;
				const off = Math.abs(moments.m2[c] - m2) / expected.count[c] / scale;
				assert.ok(off < roundingOf(found) + 1e-6, `${rest}, ${c}: a variance is off by ${off}`);
				assert.ok(Math.abs(moments.mean[c] - expected.mean[c]) < 5e-6 * Math.sqrt(scale + 4));
			}
		}
		await Promise.all([blocked.dispose(), other.dispose(), run.dispose(), model.close()]);
	}
});

test('only layers directly behind a convolution alone run in the blocked layout', async () => {
	const behindRelu = new Network();
	const twice = new Network();
	const conv = twice.conv('x', [16, 3, 3]);
	const both = twice.add('Add', [twice.norm(conv, 16), conv]);
	const without = new Network();
	for (const file of [
		behindRelu.write('relu', behindRelu.norm(behindRelu.add('Relu', [behindRelu.conv('x', [16, 3, 3])]), 16)),
		twice.write('twice', twice.norm(twice.conv(both, [16, 16, 3]), 16)),
		without.write('without', without.norm('x', 3)),
	]) {
		const { blocked, model } = await opened(file);
		assert.equal(blocked, undefined, file);
		await model.close();
	}
});

test('statistics of the blocked layout merge to the last bit, also of models with a fixed number of images', async (context) => {
	if (!(await isSupported())) {
		return context.skip(NOT_SUPPORTED);
	}
	const values = images(20);
	const files = [
		[0, 20],
		[0, 8],
		[8, 16],
		[16, 20],
	].map(([from, to]) => {
		const file = path.join(folder, `${from}-${to}.npy`);
		const data = values.slice(from * 270, to * 270);
		writeFileSync(file, encodeNpy({ type: 'float32', shape: [to - from, ...IMAGE], data }));
		return file;
	});
	for (const samples of ['N', 1]) {
		const model = network(`merge-${samples}`, { samples });
		const temporary = path.join(folder, 'scratch');
		const reports = [];
		for (const file of files) {
			const { statistics } = await reestimateModel(model, file, { batch: 8, temporary });
			reports.push({ file, statistics });
		}
		const [whole, ...parts] = reports;
		assert.deepEqual(mergeStatistics(parts.toReversed()), whole.statistics);
		assert.ok(!existsSync(temporary));
		const plain = await reestimateModel(model, files[0], { batch: 8 });
		assert.notDeepEqual(whole.statistics, plain.statistics, 'the blocked layout rounds in another way');
	}
});
