import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compareModels } from '../../../../../src/core/folding/compare/compare.js';
import { pairOperators } from '../../../../../src/core/folding/pairing/pairing.js';
import { readNetwork } from '../../../../../src/core/folding/targets/network.js';
import { seededRandom } from '../../../../../src/engine/child/tensors/random.js';
import { foldedModel } from '../../../support/folded.js';
import type { NodeSpec, TensorSpec } from '../../../support/model-builder.js';
import { mobileNetV2 } from '../../../support/networks.js';
import { open, openBytes } from '../../../support/open.js';

const C = 8;

/** A Conv whose weight is drawn from a seed, or the constant 0.5. */
interface Block {
	readonly seed: number | 'constant';
	readonly input: string;
	readonly output: string;
	/** Every element multiplied by this. */
	readonly factor?: number;
	readonly kernel?: number;
}

function weightOf({ seed, output, factor = 1, kernel = 3 }: Block): TensorSpec {
	const length = C * C * kernel * kernel;
	const random = seed === 'constant' ? undefined : seededRandom(seed);
	const values = Array.from({ length }, () => Math.fround((random ? random.normal() : 0.5) * factor));
	return { name: `w ${output}`, dims: [C, C, kernel, kernel], values };
}

async function network(blocks: readonly Block[], rest: readonly NodeSpec[] = []) {
	const nodes = blocks.map(
		({ input, output }): NodeSpec => ({ op: 'Conv', name: output, inputs: [input, `w ${output}`], outputs: [output] }),
	);
	const { model, source } = await open({
		graph: { nodes: [...nodes, ...rest], initializers: blocks.map(weightOf), inputs: ['x'], outputs: ['y'] },
	});
	return readNetwork(model, { source });
}

/** "a-d": which original operator is paired with which deployed one, by name; "?" beside a pair that has rivals. */
async function pairs(original: Awaited<ReturnType<typeof network>>, deployed: Awaited<ReturnType<typeof network>>) {
	const { byOriginal } = await pairOperators(original, deployed);
	return [...byOriginal.values()]
		.map((pair) => `${pair.original.name}-${pair.deployed.name}${pair.rivals ? '?' : ''}`)
		.sort()
		.join(' ');
}

const block = (seed: Block['seed'], input: string, output: string, rest: Partial<Block> = {}): Block => ({
	seed,
	input,
	output,
	...rest,
});
const sum = (a: string, b: string): NodeSpec => ({ op: 'Add', inputs: [a, b], outputs: ['y'] });

test('weights distinguish branches that an optimizer has reordered', async () => {
	const original = await network([block(1, 'x', 'a'), block(2, 'x', 'b'), block(3, 'x', 'c')], [sum('a', 'b')]);
	const deployed = await network(
		[block(3, 'x', 'p', { factor: 7 }), block(1, 'x', 'q', { factor: -2 }), block(2, 'x', 'r')],
		[sum('q', 'r')],
	);
	assert.equal(await pairs(original, deployed), 'a-q b-r c-p');
});

test('place distinguishes operators with equal weights', async () => {
	const original = await network([block(1, 'x', 'a'), block(1, 'a', 'b'), block(1, 'b', 'y')]);
	const deployed = await network([block(1, 'x', 'p'), block(1, 'p', 'q'), block(1, 'q', 'y')]);
	assert.equal(await pairs(original, deployed), 'a-p b-q y-y');
	const constant = await network([block('constant', 'x', 'a'), block('constant', 'a', 'y')]);
	assert.equal(
		await pairs(constant, await network([block('constant', 'x', 'p'), block('constant', 'p', 'y')])),
		'a-p y-y',
	);
});

test('place pairs operators with other weights, in any order', async () => {
	const original = await network([block(1, 'x', 'a'), block(2, 'a', 'b'), block(3, 'b', 'y')]);
	const deployed = await network([block(12, 'p', 'q'), block(13, 'q', 'y'), block(11, 'x', 'p')]);
	assert.equal(await pairs(original, deployed), 'a-p b-q y-y');
});

test('a pair without evidence against another is ambiguous', async () => {
	const original = await network([block(1, 'x', 'a'), block(2, 'x', 'b')], [sum('a', 'b')]);
	const deployed = await network([block(11, 'x', 'p'), block(12, 'x', 'q')], [sum('p', 'q')]);
	assert.equal(await pairs(original, deployed), 'a-p? b-q?');
	// One of them recognised leaves the other no rival worth the name.
	const half = await network([block(11, 'x', 'p'), block(1, 'x', 'q')], [sum('p', 'q')]);
	assert.match(await pairs(original, half), /a-q( |$)/);
});

test('rows of two or three elements are recognised too, as long as they fit exactly', async () => {
	const short = (seed: number, input: string, output: string, factor = 1) => {
		const random = seededRandom(seed);
		const values = Array.from({ length: C * 3 }, () => Math.fround(random.normal() * factor));
		return {
			node: { op: 'Conv', name: output, inputs: [input, `w${output}`], outputs: [output] },
			tensor: { name: `w${output}`, dims: [C, 3, 1, 1], values },
		};
	};
	const build = async (parts: readonly ReturnType<typeof short>[]) => {
		const { model, source } = await open({
			graph: {
				nodes: [...parts.map(({ node }) => node), sum('a', 'b')],
				initializers: parts.map(({ tensor }) => tensor),
				inputs: ['x'],
				outputs: ['y'],
			},
		});
		return readNetwork(model, { source });
	};
	const original = await build([short(1, 'x', 'a'), short(2, 'x', 'b')]);
	const deployed = await build([short(2, 'x', 'a', 3), short(1, 'x', 'b', -0.5)]);
	assert.equal(await pairs(original, deployed), 'a-b b-a');
});

test('only operators of equal shape are a pair', async () => {
	const original = await network([block(1, 'x', 'a'), block(2, 'a', 'y', { kernel: 1 })]);
	const deployed = await network([block(2, 'x', 'p', { kernel: 1 }), block(1, 'p', 'y')]);
	assert.equal(await pairs(original, deployed), 'a-y y-p');
	assert.equal(await pairs(original, await network([block(1, 'x', 'y', { kernel: 5 })])), '');
});

test('a cut network keeps the pairs that are left', async () => {
	const names = ['a', 'b', 'c', 'd', 'y'];
	const chain = (seeds: readonly number[]) =>
		network(
			seeds.map((seed, index) =>
				block(seed, index === 0 ? 'x' : names[index - 1], index === seeds.length - 1 ? 'y' : names[index]),
			),
		);
	const { byOriginal } = await pairOperators(await chain([1, 2, 3, 4, 5]), await chain([1, 2, 5]));
	assert.deepEqual([...byOriginal.values()].map(({ original, deployed }) => [original.index, deployed.index]).sort(), [
		[0, 0],
		[1, 1],
		[4, 2],
	]);
});

test('a matrix stored transposed is recognised', async () => {
	const random = seededRandom(4);
	const values = Array.from({ length: 6 * C }, () => random.normal());
	const transposed = Array.from({ length: 6 * C }, (_, index) => values[(index % 6) * C + Math.floor(index / 6)]);
	const dense = async (weights: readonly { readonly node: NodeSpec; readonly tensor: TensorSpec }[]) => {
		const { model, source } = await open({
			graph: {
				nodes: [...weights.map(({ node }) => node), sum('a', 'b')],
				initializers: weights.map(({ tensor }) => tensor),
				inputs: [{ name: 'x', shape: ['N', 6] }],
				outputs: ['y'],
			},
		});
		return readNetwork(model, { source });
	};
	const product = (name: string, list: readonly number[]) => ({
		node: { op: 'MatMul', name, inputs: ['x', `w${name}`], outputs: [name] },
		tensor: { name: `w${name}`, dims: [6, C], values: list },
	});
	const gemm = (name: string, list: readonly number[]) => ({
		node: { op: 'Gemm', name, inputs: ['x', `w${name}`], outputs: [name], attributes: { transB: { i: 1 } } },
		tensor: { name: `w${name}`, dims: [C, 6], values: list },
	});
	const other = Array.from({ length: 6 * C }, () => random.normal());
	const original = await dense([product('a', other), product('b', values)]);
	const deployed = await dense([gemm('a', transposed), gemm('b', other)]);
	assert.match(await pairs(original, deployed), /b-a( |$)/);
});

test('a whole network: every layer finds its own weights, and each file is read about once', async () => {
	const bytes = mobileNetV2(64);
	const folded = await foldedModel(bytes);
	const { countingSource } = await import('../../../support/counting-source.js');
	const { readModel } = await import('../../../../../src/core/onnx/read/reader.js');
	const [own, other] = [countingSource(bytes), countingSource(folded)];
	const [original, deployed] = [await readModel(own), await readModel(other)];
	const [before, beforeOther] = [own.bytesRead, other.bytesRead];
	const { summary } = await compareModels(
		{ model: original, access: { source: own } },
		{ model: deployed, access: { source: other } },
	);
	assert.deepEqual(summary, { match: 52, mismatch: 0, kept: 0, unmatched: 0, 'not-identifiable': 0 });
	assert.ok(own.bytesRead - before < 1.1 * bytes.length, `${own.bytesRead - before} of ${bytes.length}`);
	assert.ok(
		other.bytesRead - beforeOther < 1.1 * folded.length,
		`${other.bytesRead - beforeOther} of ${folded.length}`,
	);
	assert.equal(
		(await openBytes(folded)).model.graph.nodes.some(({ opType }) => opType === 'BatchNormalization'),
		false,
	);
});
