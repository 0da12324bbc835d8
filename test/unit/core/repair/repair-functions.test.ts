/** Repairs of layers in functions: each call has constants of its own behind the same names. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compareNetworks } from '../../../../src/core/folding/compare/compare.js';
import { editedBytes, planEdits } from '../../../../src/core/onnx/write/edit.js';
import { planFoldRepair } from '../../../../src/core/repair/fold-repair.js';
import { seededRandom } from '../../../../src/engine/child/tensors/random.js';
import { layerOf, scaleRows, type Weight, WIDTH, weightOf } from '../../support/deployed-forms.js';
import { buildModel, type NodeSpec, type TensorSpec } from '../../support/model-builder.js';
import { type OpenModel, openBytes } from '../../support/open.js';

const compared = ({ model, source }: OpenModel) => ({ model, access: { source } });
const PADS = { pads: { ints: [1, 1, 1, 1] } };

/** A model of two calls of a function. @param constants of each call, in the order of the function's inputs */
function calls(nodes: readonly NodeSpec[], constants: readonly (readonly TensorSpec[])[]): Uint8Array {
	const names = constants.map((own, call) => own.map(({ name }) => `${name}${call}`));
	const inputs = ['x', ...constants[0].map(({ name = '' }) => name)];
	const block = { name: 'Block', domain: 'own', inputs, outputs: ['y'], nodes, opsets: { '': 15 } };
	return buildModel({
		opset: 15,
		opsets: { own: 1 },
		functions: [block],
		graph: {
			nodes: names.map((own, call) => ({
				op: 'Block',
				domain: 'own',
				name: `call${call}`,
				inputs: [call === 0 ? 'in' : 'between', ...own],
				outputs: [call === 0 ? 'between' : 'out'],
			})),
			initializers: constants.flatMap((own, call) => own.map((tensor, at) => ({ ...tensor, name: names[call][at] }))),
			inputs: [{ name: 'in', shape: [1, WIDTH, 8, 8] }],
			outputs: ['out'],
		},
	});
}

const tensor = (name: string, dims: readonly number[], values: ArrayLike<number>): TensorSpec => ({
	name,
	dims,
	values: Array.from(values, Math.fround),
});
const weightTensor = ({ dims, values }: Weight) => tensor('w', dims, values);

test('a wrong fold in a call is put right, and no other call is said to share its weight', async () => {
	const random = seededRandom(3);
	const layers = [layerOf(random, WIDTH), layerOf(random, WIDTH)];
	const weight = weightOf(random, WIDTH, WIDTH, 3);
	const original = calls(
		[
			{ op: 'Conv', inputs: ['x', 'w'], outputs: ['c'], attributes: PADS },
			{ op: 'BatchNormalization', inputs: ['c', 'g', 'b', 'm', 'v'], outputs: ['n'] },
			{ op: 'Relu', inputs: ['n'], outputs: ['y'] },
		],
		layers.map(({ gamma, beta, mean, variance }) => [
			weightTensor(weight),
			...Object.entries({ g: gamma, b: beta, m: mean, v: variance }).map(([name, values]) =>
				tensor(name, [WIDTH], values),
			),
		]),
	);
	const factors = [1, 1.7];
	const deployed = calls(
		[
			{ op: 'Conv', inputs: ['x', 'w', 'b'], outputs: ['n'], attributes: PADS },
			{ op: 'Relu', inputs: ['n'], outputs: ['y'] },
		],
		layers.map(({ scale, shift }, call) => [
			weightTensor(
				scaleRows(
					weight,
					scale.map((value, row) => (row === 1 ? factors[call] * value : value)),
				),
			),
			tensor('b', [WIDTH], shift),
		]),
	);
	const [before, after] = await Promise.all([openBytes(original), openBytes(deployed)]);
	const files = await compareNetworks(compared(before), compared(after));
	assert.deepEqual(
		files.comparison.layers.map(({ status }) => status),
		['match', 'mismatch'],
	);
	assert.notEqual(files.comparison.layers[1].cause, 'shared-weight');
	const plan = await planFoldRepair(files, { source: after.source });
	assert.deepEqual([plan.repaired.length, plan.unrepaired], [1, []]);
	const bytes = await editedBytes(await planEdits(after.source, plan.edits), after.source);
	const again = await compareNetworks(compared(before), compared(await openBytes(bytes)));
	assert.deepEqual(
		again.comparison.layers.map(({ status }) => status),
		['match', 'match'],
	);
});
