import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Affine, affine } from '../../../../../src/core/batchnorm/affine.js';
import { compareCheckpoint } from '../../../../../src/core/folding/checkpoint/compare-checkpoint.js';
import { openCheckpoint } from '../../../../../src/core/formats/open.js';
import { memorySource } from '../../../../../src/core/onnx/source.js';
import { seededRandom } from '../../../../../src/engine/child/tensors/random.js';
import { inflate } from '../../../../../src/platform/inflate.js';
import { buildModel } from '../../../support/model-builder.js';
import { openBytes } from '../../../support/open.js';
import { type Code, orderedDict, tensor, torchZip } from '../../../support/pickle-builder.js';

const C = 6;
const EPSILON = Math.fround(1e-5);

interface Branch {
	readonly name: string;
	/** Kernel size; 0 for a layer without a convolution. */
	readonly kernel: number;
	readonly weight: Float64Array;
	readonly gamma: Float64Array;
	readonly beta: Float64Array;
	readonly mean: Float64Array;
	readonly variance: Float64Array;
}

type Blocks = readonly (readonly Branch[])[];

/** Two blocks as RepVGG trains them: a 3x3 and a 1x1 convolution with their layers, and a layer alone. */
function blocks(seed: number): Blocks {
	const random = seededRandom(seed);
	const draw = (length: number, of: () => number) => Float64Array.from({ length }, () => Math.fround(of()));
	const branch = (name: string, kernel: number): Branch => ({
		name,
		kernel,
		weight: draw(C * C * kernel * kernel, () => random.normal()),
		gamma: draw(C, () => 0.5 + random.uniform()),
		beta: draw(C, () => random.normal()),
		mean: draw(C, () => random.normal()),
		variance: draw(C, () => 0.1 + random.uniform()),
	});
	return [0, 1].map((block) => [
		branch(`stage.${block}.rbr_dense`, 3),
		branch(`stage.${block}.rbr_1x1`, 1),
		branch(`stage.${block}.rbr_identity`, 0),
	]);
}

function checkpointOf(network: readonly (readonly Branch[])[]): Uint8Array {
	const entries: Record<string, Code> = {};
	const storages: Record<string, Uint8Array> = {};
	const add = (name: string, values: Float64Array, size: readonly number[]) => {
		const key = String(Object.keys(storages).length);
		storages[key] = new Uint8Array(Float32Array.from(values).buffer);
		const stride = size.map((_, axis) => size.slice(axis + 1).reduce((a, b) => a * b, 1));
		entries[name] = tensor({ key, count: values.length, size, stride });
	};
	for (const { name, kernel, weight, gamma, beta, mean, variance } of network.flat()) {
		if (kernel > 0) {
			add(`${name}.conv.weight`, weight, [C, C, kernel, kernel]);
		}
		const layer = kernel > 0 ? `${name}.bn` : name;
		const leaves = { weight: gamma, bias: beta, running_mean: mean, running_var: variance };
		for (const [leaf, values] of Object.entries(leaves)) {
			add(`${layer}.${leaf}`, values, [C]);
		}
	}
	return torchZip(orderedDict(entries), storages);
}

/** Sums the branches of a block into one 3x3 convolution. @param mapOf scale and shift of each branch */
function merged(block: readonly Branch[], mapOf: (branch: Branch) => Affine) {
	const values = new Float64Array(C * C * 9);
	const bias = new Float64Array(C);
	for (const branch of block) {
		const { kernel, weight } = branch;
		const { scale, shift } = mapOf(branch);
		for (let row = 0; row < C; row++) {
			bias[row] += shift[row];
			for (let input = 0; input < C; input++) {
				const at = (row * C + input) * 9;
				for (let position = 0; position < 9; position++) {
					const isCentre = position === 4;
					const own =
						kernel === 3
							? weight[at + position]
							: !isCentre
								? 0
								: kernel === 1
									? weight[row * C + input]
									: Number(row === input);
					values[at + position] += own * scale[row];
				}
			}
		}
	}
	return { values, bias };
}

const rightMap = ({ gamma, beta, mean, variance }: Branch) => affine(gamma, beta, mean, variance, EPSILON);

/** @param deployed branches of the deployed model, by default those of the checkpoint */
async function statuses(network: Blocks, mapOf: (branch: Branch) => Affine, deployed: Blocks = network) {
	const nodes = network.map((_, index) => ({
		op: 'Conv',
		name: `conv${index}`,
		inputs: [index === 0 ? 'x' : `y${index - 1}`, `w${index}`, `b${index}`],
		outputs: [`y${index}`],
		attributes: { pads: { ints: [1, 1, 1, 1] } },
	}));
	const initializers = deployed.flatMap((block, index) => {
		const { values, bias } = merged(block, mapOf);
		return [
			{ name: `w${index}`, dims: [C, C, 3, 3], values: [...values] },
			{ name: `b${index}`, dims: [C], values: [...bias] },
		];
	});
	const graph = { nodes, initializers, inputs: [{ name: 'x', shape: [1, C, 8, 8] }], outputs: ['y1'] };
	const { model, source: deployedSource } = await openBytes(buildModel({ graph }));
	const source = memorySource(checkpointOf(network), 'original.pth');
	const { layers, notes } = await compareCheckpoint(
		{ checkpoint: await openCheckpoint(source, { inflate }), access: { source } },
		{ model, access: { source: deployedSource } },
	);
	return { layers: layers.map(({ status, cause, into }) => [status, cause, into?.name]), notes };
}

test('branches that were merged into one convolution arrived, and the note counts them', async () => {
	const { layers, notes } = await statuses(blocks(1), rightMap);
	assert.deepEqual(
		layers,
		[0, 0, 0, 1, 1, 1].map((block) => ['match', null, `conv${block}`]),
	);
	assert.match(notes[0] ?? '', /^6 layers on parallel branches were merged into 2 operators:/);
});

test('the branch with an error of the catalogue is named', async () => {
	const { layers } = await statuses(blocks(2), (branch) => {
		const { beta, gamma, mean, variance } = branch;
		const isWrong = branch.name === 'stage.1.rbr_1x1';
		return isWrong
			? affine(new Float64Array(C).fill(1), beta, mean, variance, EPSILON)
			: rightMap({ ...branch, gamma });
	});
	assert.deepEqual(
		layers.map(([status, cause]) => [status, cause]),
		[...Array(4).fill(['match', null]), ['mismatch', 'gamma-dropped'], ['match', null]],
	);
});

test('another mean in a branch makes the bias of the block wrong, and no branch can be named', async () => {
	const { layers } = await statuses(blocks(3), (branch) => {
		const mean = branch.mean.map((value) => value + Number(branch.name === 'stage.0.rbr_dense'));
		return rightMap({ ...branch, mean });
	});
	assert.deepEqual(
		layers.map(([status, cause]) => [status, cause]),
		[...Array(3).fill(['mismatch', 'unknown']), ...Array(3).fill(['match', null])],
	);
});

test('a branch with another epsilon than the other blocks, and a branch with permuted parameters, are named', async () => {
	const isWrong = ({ name }: Branch) => name === 'stage.1.rbr_dense';
	const epsilon = await statuses(blocks(4), (branch) => {
		const { gamma, beta, mean, variance } = branch;
		return isWrong(branch) ? affine(gamma, beta, mean, variance, 1e-2) : rightMap(branch);
	});
	const rotated = await statuses(blocks(5), (branch) => {
		const [gamma, beta, mean, variance] = [branch.gamma, branch.beta, branch.mean, branch.variance].map((values) =>
			values.map((_, channel) => values[(channel + 1) % C]),
		);
		return isWrong(branch) ? affine(gamma, beta, mean, variance, EPSILON) : rightMap(branch);
	});
	const verdicts = ({ layers }: typeof epsilon) => layers.map(([status, cause]) => [status, cause]);
	const right = ['match', null];
	assert.deepEqual(verdicts(epsilon), [right, right, right, ['mismatch', 'wrong-epsilon'], right, right]);
	assert.deepEqual(verdicts(rotated), [right, right, right, ['mismatch', 'parameters-permuted'], right, right]);
});

test('a sum of branches with an edited weight is no right sum, and names no branch', async () => {
	const network = blocks(6);
	const edited = network.map((block) =>
		block.map((branch) => ({ ...branch, weight: branch.weight.map((value, at) => value + Number(at === 0)) })),
	);
	const { layers } = await statuses(network, rightMap, [edited[0] ?? [], network[1] ?? []]);
	assert.deepEqual(
		layers.map(([status, cause]) => [status, cause]),
		[...Array(3).fill(['mismatch', 'unknown']), ...Array(3).fill(['match', null])],
	);
});
