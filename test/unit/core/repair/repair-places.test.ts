/** Repairs of layers in other places than one fold each: kept, folded forward, in chains, or without a bias. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compareNetworks } from '../../../../src/core/folding/compare/compare.js';
import { editedBytes, planEdits } from '../../../../src/core/onnx/write/edit.js';
import { planFoldRepair } from '../../../../src/core/repair/fold-repair.js';
import { seededRandom } from '../../../../src/engine/child/tensors/random.js';
import { compareBytes } from '../../support/compare-bytes.js';
import { Graph, layerOf, scaleRows, WIDTH, weightOf } from '../../support/deployed-forms.js';
import { buildModel, type GraphSpec } from '../../support/model-builder.js';
import { type OpenModel, openBytes, openGraph } from '../../support/open.js';

interface Parts {
	readonly random: ReturnType<typeof seededRandom>;
	readonly from: Graph;
	readonly to: Graph;
}

/** Writes a block into the original, and into the deployed model with a fault. */
type WrongBlock = (parts: Parts, x: string, y: string) => readonly [string, string];

const times = (a: Float64Array, b: Float64Array) => a.map((value, index) => value * b[index]);
const plus = (a: Float64Array, b: Float64Array) => a.map((value, index) => value + b[index]);
const FACTOR = new Float64Array(WIDTH).fill(1.7);

const WRONG: Readonly<Record<string, WrongBlock>> = {
	'a kept layer with other parameters': ({ random, from, to }, x, y) => {
		const weight = weightOf(random, WIDTH, WIDTH, 3);
		const layer = layerOf(random, WIDTH);
		const wrong = { ...layer, gamma: times(layer.gamma, FACTOR), mean: plus(layer.mean, FACTOR) };
		return [from.batchNorm(from.conv(x, weight), layer), to.batchNorm(to.conv(y, weight), wrong)];
	},
	'a kept layer behind changed weights': ({ random, from, to }, x, y) => {
		const weight = weightOf(random, WIDTH, WIDTH, 3);
		const layer = layerOf(random, WIDTH);
		return [from.batchNorm(from.conv(x, weight), layer), to.batchNorm(to.conv(y, scaleRows(weight, FACTOR)), layer)];
	},
	'a layer folded and kept': ({ random, from, to }, x, y) => {
		const weight = weightOf(random, WIDTH, WIDTH, 3);
		const layer = layerOf(random, WIDTH);
		return [
			from.batchNorm(from.conv(x, weight), layer),
			to.batchNorm(to.conv(y, scaleRows(weight, layer.scale), layer.shift), layer),
		];
	},
	'a kept layer in training mode': ({ random, from, to }, x, y) => {
		const weight = weightOf(random, WIDTH, WIDTH, 3);
		const layer = layerOf(random, WIDTH);
		return [from.batchNorm(from.conv(x, weight), layer), to.batchNorm(to.conv(y, weight), layer, true)];
	},
	'a layer kept as Mul and Add with another shift': ({ random, from, to }, x, y) => {
		const layer = layerOf(random, WIDTH);
		const weight = weightOf(random, WIDTH, WIDTH, 3);
		const scale = to.tensor([WIDTH, 1, 1], times(layer.scale, FACTOR));
		const scaled = to.node('Mul', [to.relu(to.conv(y, weight)), scale]);
		return [from.batchNorm(from.relu(from.conv(x, weight)), layer), to.add(scaled, plus(layer.shift, FACTOR))];
	},
	'a layer folded forward without its shift': ({ random, from, to }, x, y) => {
		const weight = weightOf(random, WIDTH, WIDTH, 1);
		const layer = layerOf(random, WIDTH);
		const scaled = { ...weight, values: weight.values.map((value, i) => value * layer.scale[i % WIDTH]) };
		return [
			from.conv(from.batchNorm(from.relu(x), layer), weight),
			to.conv(to.relu(y), scaled, new Float64Array(WIDTH)),
		];
	},
	'layers in front of an operator and behind it, both wrong': ({ random, from, to }, x, y) => {
		const weight = weightOf(random, WIDTH, WIDTH, 1);
		const [before, behind] = [layerOf(random, WIDTH), layerOf(random, WIDTH)];
		return [
			from.batchNorm(from.conv(from.batchNorm(from.relu(x), before), weight), behind),
			to.conv(to.relu(y), scaleRows(weight, behind.gamma), behind.beta),
		];
	},
	'one layer of a chain missing': ({ random, from, to }, x, y) => {
		const weight = weightOf(random, WIDTH, WIDTH, 3);
		const [first, second] = [layerOf(random, WIDTH), layerOf(random, WIDTH)];
		return [
			from.batchNorm(from.batchNorm(from.conv(x, weight), first), second),
			to.conv(y, scaleRows(weight, first.scale), first.shift),
		];
	},
	'a dropped bias': ({ random, from, to }, x, y) => {
		const weight = weightOf(random, WIDTH, WIDTH, 3);
		const layer = layerOf(random, WIDTH);
		return [from.batchNorm(from.conv(x, weight), layer), to.conv(y, scaleRows(weight, layer.scale))];
	},
	'a dropped bias in front of an Add of the original': ({ random, from, to }, x, y) => {
		const weight = weightOf(random, WIDTH, WIDTH, 3);
		const layer = layerOf(random, WIDTH);
		return [
			from.add(from.batchNorm(from.conv(x, weight), layer), FACTOR),
			to.add(to.conv(y, scaleRows(weight, layer.scale)), FACTOR),
		];
	},
	'a wrong bias in an Add behind the operator': ({ random, from, to }, x, y) => {
		const weight = weightOf(random, WIDTH, WIDTH, 3);
		const layer = layerOf(random, WIDTH);
		return [
			from.batchNorm(from.conv(x, weight), layer),
			to.add(to.conv(y, scaleRows(weight, layer.scale)), plus(layer.shift, FACTOR)),
		];
	},
	'a wrong bias in a Sub behind the operator, in front of an Add of the original': ({ random, from, to }, x, y) => {
		const weight = weightOf(random, WIDTH, WIDTH, 3);
		const layer = layerOf(random, WIDTH);
		const shift = to.tensor(
			[WIDTH, 1, 1],
			layer.shift.map((value) => 1 - value),
		);
		return [
			from.add(from.batchNorm(from.conv(x, weight), layer), FACTOR),
			to.add(to.node('Sub', [to.conv(y, scaleRows(weight, layer.gamma)), shift]), FACTOR),
		];
	},
	'a weight that two layers share, with the fold of the first': ({ random, from, to }, x, y) => {
		const weight = weightOf(random, WIDTH, WIDTH, 3);
		const [first, second] = [layerOf(random, WIDTH), layerOf(random, WIDTH)];
		const pads = { pads: { ints: [1, 1, 1, 1] } };
		const shared = from.tensor(weight.dims, weight.values);
		const folded = to.tensor(weight.dims, scaleRows(weight, first.scale).values);
		const bias = [first, second].map(({ shift }) => to.tensor([WIDTH], shift));
		return [
			from.batchNorm(
				from.node('Conv', [from.relu(from.batchNorm(from.node('Conv', [x, shared], pads), first)), shared], pads),
				second,
			),
			to.node('Conv', [to.relu(to.node('Conv', [y, folded, bias[0]], pads)), folded, bias[1]], pads),
		];
	},
	'a wrong copy of an operator that was copied for each of its layers': ({ random, from, to }, x, y) => {
		const weight = weightOf(random, WIDTH, WIDTH, 3);
		const layers = [layerOf(random, WIDTH), layerOf(random, WIDTH)];
		const shared = from.conv(x, weight);
		return [
			from.node(
				'Add',
				layers.map((layer) => from.relu(from.batchNorm(shared, layer))),
			),
			to.node(
				'Add',
				layers.map(({ scale, shift }, index) => {
					const wrong = scale.map((value, row) => (index === 1 && row < 2 ? 2 * value : value));
					return to.relu(to.conv(y, scaleRows(weight, wrong), shift));
				}),
			),
		];
	},
	'a fold that took in the Mul and Add behind the layer': ({ random, from, to }, x, y) => {
		const weight = weightOf(random, WIDTH, WIDTH, 3);
		const layer = layerOf(random, WIDTH);
		const factor = layerOf(random, WIDTH);
		const normalized = from.batchNorm(from.conv(x, weight), layer);
		const scaled = from.node('Mul', [normalized, from.tensor([WIDTH, 1, 1], factor.gamma)]);
		const shift = plus(times(layer.shift, factor.gamma), factor.beta);
		return [from.add(scaled, factor.beta), to.conv(y, scaleRows(weight, times(layer.gamma, factor.gamma)), shift)];
	},
};

const compared = ({ model, source }: OpenModel) => ({ model, access: { source } });

/** A block between two convolutions, each with a layer that was folded correctly. */
function pairWith(block: WrongBlock, seed: number): readonly [GraphSpec, GraphSpec] {
	const random = seededRandom(seed);
	const [from, to] = [new Graph('a'), new Graph('b')];
	const folded = (x: string, y: string, columns: number): readonly [string, string] => {
		const weight = weightOf(random, WIDTH, columns, 3);
		const layer = layerOf(random, WIDTH);
		return [
			from.relu(from.batchNorm(from.conv(x, weight), layer)),
			to.relu(to.conv(y, scaleRows(weight, layer.scale), layer.shift)),
		];
	};
	const [x, y] = block({ random, from, to }, ...folded('x', 'x', 4));
	const [last, other] = folded(from.relu(x), to.relu(y), WIDTH);
	return [from.finish(last), to.finish(other)];
}

for (const [name, block] of Object.entries(WRONG)) {
	test(`${name} is put right`, async () => {
		for (const seed of [1, 2]) {
			const [original, deployed] = await Promise.all(
				pairWith(block, seed).map((graph) => openBytes(buildModel({ graph }))),
			);
			const files = await compareNetworks(compared(original), compared(deployed));
			assert.ok(files.comparison.summary.mismatch > 0, 'the fault is found');
			const plan = await planFoldRepair(files, { source: deployed.source });
			assert.deepEqual(plan.unrepaired, []);
			assert.equal(plan.repaired.length, files.comparison.summary.mismatch);
			for (const { op, change } of plan.repaired.filter((part) => /^(gamma|mean|scale)/.test(part.change))) {
				assert.equal(op, 'BatchNormalization', change);
			}
			const bytes = await editedBytes(await planEdits(deployed.source, plan.edits), deployed.source);
			const repaired = await openBytes(bytes);
			const { comparison } = await compareNetworks(compared(original), compared(repaired));
			const rest = comparison.layers.filter(({ status }) => status !== 'match' && status !== 'kept');
			assert.deepEqual(
				rest.map(({ evidence }) => evidence),
				[],
			);
			const { outputs } = await compareBytes(original.bytes, repaired.bytes);
			assert.equal(outputs?.status, 'match', JSON.stringify(outputs));
			const others = [...deployed.model.graph.initializers.values()].filter((record) => {
				const after = repaired.model.graph.initializers.get(record.name);
				const text = (model: OpenModel, { offset, length }: { offset: number; length: number }) =>
					Buffer.from(model.bytes.subarray(offset, offset + length)).toString('hex');
				return after && text(deployed, record.span) === text(repaired, after.span);
			});
			assert.ok(others.length >= 4, 'the constants of the right layers keep their bytes');
		}
	});
}

/** A layer folded forward into a convolution of 3 x 3, which pads. @param behind a layer behind that, wrongly folded, too */
const padded =
	(behind: boolean): WrongBlock =>
	({ random, from, to }, x, y) => {
		const weight = weightOf(random, WIDTH, WIDTH, 3);
		const [layer, second] = [layerOf(random, WIDTH), layerOf(random, WIDTH)];
		const scaled = {
			...weight,
			values: weight.values.map((value, i) => value * layer.scale[Math.floor(i / 9) % WIDTH]),
		};
		const conv = from.conv(from.batchNorm(from.relu(x), layer), weight);
		return [behind ? from.batchNorm(conv, second) : conv, to.conv(to.relu(y), scaled)];
	};

test('a layer that was folded forward into a padded convolution is put back, because no weights make it right', async () => {
	for (const behind of [false, true]) {
		const [original, deployed] = await Promise.all(
			pairWith(padded(behind), 3).map((graph) => openBytes(buildModel({ graph }))),
		);
		const files = await compareNetworks(compared(original), compared(deployed));
		const { repaired, unrepaired, edits } = await planFoldRepair(files, { source: deployed.source });
		assert.deepEqual(unrepaired, []);
		assert.match(repaired[0]?.change ?? '', /^the layer put back in front of \S+, which pads its input, weight /);
		const bytes = await editedBytes(await planEdits(deployed.source, edits), deployed.source);
		const { comparison } = await compareNetworks(compared(original), compared(await openBytes(bytes)));
		assert.deepEqual(
			comparison.layers.map(({ status }) => status),
			['match', 'kept', ...(behind ? ['match'] : []), 'match'],
		);
	}
});

test('a parameter quantized with a scale of integers is not rewritten, with the reason', async () => {
	const layer = { op: 'BatchNormalization', name: 'bn', inputs: ['x', 'g', 'b', 'm', 'v'], outputs: ['y'] };
	const others = ['b', 'm', 'v'].map((name) => ({ name, values: [1, 2] }));
	const graph: GraphSpec = { inputs: [{ name: 'x', shape: ['N', 2, 4, 4] }], nodes: [layer], outputs: ['y'] };
	const original = await openGraph({ ...graph, initializers: [{ name: 'g', values: [3, 4] }, ...others] });
	const deployed = await openGraph({
		...graph,
		initializers: [
			{ name: 'codes', dtype: 'int8', values: [1, 2] },
			{ name: 'scale', dtype: 'int64', dims: [], values: [5] },
			...others,
		],
		nodes: [{ op: 'DequantizeLinear', inputs: ['codes', 'scale'], outputs: ['g'] }, layer],
	});
	const files = await compareNetworks(compared(original), compared(deployed));
	const { unrepaired, edits } = await planFoldRepair(files, { source: deployed.source });
	assert.match(unrepaired[0]?.reason ?? '', /scale or zero point is in a form that is not rewritten/);
	assert.deepEqual(edits, []);
});

test('a layer is not put back where its node has other attributes, with the reason', async () => {
	const [original, deployed] = await Promise.all(
		pairWith(padded(false), 3).map((graph) => openBytes(buildModel({ graph, opset: 8 }))),
	);
	const files = await compareNetworks(compared(original), compared(deployed));
	const { unrepaired, edits } = await planFoldRepair(files, { source: deployed.source });
	assert.match(
		unrepaired[0]?.reason ?? '',
		/pads its input.*not put back: the deployed model has an operator set before 9/,
	);
	assert.deepEqual(edits, []);
});
