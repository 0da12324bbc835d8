import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LayerReport } from '../../../../../src/core/report/types.js';
import { inspectBytes } from '../../../support/inspect.js';
import { buildModel, type GraphSpec, type NodeSpec, type TensorSpec } from '../../../support/model-builder.js';

const C = 3;
const SHAPE = [2, C, 4, 5];
const wave = (length: number, phase: number) => Array.from({ length }, (_, i) => Math.sin(i * 1.7 + phase));

const PARAMETERS: readonly TensorSpec[] = [
	{ name: 'g', values: wave(C, 1) },
	{ name: 'b', values: wave(C, 2) },
	{ name: 'm', values: wave(C, 3) },
	{ name: 'v', values: wave(C, 4).map((value) => 1.1 + value) },
];
const integer = (name: string, value: number): TensorSpec => ({ name, dtype: 'int64', dims: [], values: [value] });
const batchNorm = (input: string, output: string): NodeSpec => ({
	op: 'BatchNormalization',
	name: 'bn',
	inputs: [input, 'g', 'b', 'm', 'v'],
	outputs: [output],
});

/** Ends a body of a Loop: the condition stays true. */
const goOn: NodeSpec = { op: 'Identity', inputs: ['on'], outputs: ['on.next'] };
const loopInputs = [
	{ name: 'i', dtype: 'int64', shape: [] },
	{ name: 'on', dtype: 'bool', shape: [] },
] as const;

async function layersOf(
	nodes: readonly NodeSpec[],
	initializers: readonly TensorSpec[],
): Promise<readonly LayerReport[]> {
	const graph: GraphSpec = {
		nodes,
		inputs: [{ name: 'x', shape: SHAPE }],
		outputs: ['y'],
		initializers: [...PARAMETERS, ...initializers],
	};
	const { report } = await inspectBytes(buildModel({ graph }));
	assert.equal(report.run.status, 'ok', report.run.reason);
	return report.layers;
}

/** A Loop that appends the output of its layer to a sequence, and carries it on. */
function appending(times: number): readonly NodeSpec[] {
	const body: GraphSpec = {
		nodes: [
			goOn,
			batchNorm('state', 'next'),
			{ op: 'SequenceInsert', inputs: ['list', 'next'], outputs: ['list.next'] },
		],
		inputs: [...loopInputs, { name: 'state', shape: SHAPE }, 'list'],
		outputs: [{ name: 'on.next', dtype: 'bool', shape: [] }, 'next', 'list.next'],
	};
	return [
		{ op: 'Constant', outputs: ['times'], attributes: { value: { t: { dtype: 'int64', dims: [], values: [times] } } } },
		{ op: 'SequenceEmpty', outputs: ['empty'] },
		{
			...{ op: 'Loop', name: 'loop', inputs: ['times', '', 'x', 'empty'], outputs: ['last', 'all'] },
			attributes: { body: { g: body } },
		},
		{ op: 'Identity', inputs: ['last'], outputs: ['y'] },
	];
}

/** Values of a channel of x. */
const VALUES = 4 * 5 * 2;

test('a Loop that carries a sequence is checked in every iteration', async () => {
	for (const [times, count, words] of [
		[1, 1, 'Checked in the only iteration of Loop "loop".'],
		[3, 3, 'Checked in all 3 iterations of Loop "loop".'],
		[20, 16, 'Checked in the first 16 iterations of Loop "loop", which has more.'],
	] as const) {
		const [layer] = await layersOf(appending(times), []);
		assert.deepEqual([layer?.recompute.status, layer?.recompute.reason], ['match', words]);
		assert.equal(layer?.batch?.count, count * VALUES);
	}
	const [layer] = await layersOf(appending(0), []);
	assert.equal(layer?.recompute.status, 'skipped');
	assert.equal(layer?.recompute.reason, 'Not checked: Loop "loop" does not run a single iteration for this input.');
});

test('a sequence of the graph around it may be used in a Loop, an If and a SequenceMap', async () => {
	const split: NodeSpec = { op: 'SplitToSequence', inputs: ['x'], outputs: ['list'], attributes: { axis: { i: 0 } } };
	const looped: GraphSpec = {
		nodes: [goOn, { op: 'SequenceAt', inputs: ['list', 'i'], outputs: ['one'] }, batchNorm('one', 'normal')],
		inputs: loopInputs,
		outputs: [{ name: 'on.next', dtype: 'bool', shape: [] }, 'normal'],
	};
	const loop = { op: 'Loop', name: 'loop', inputs: ['two', ''], outputs: ['y'], attributes: { body: { g: looped } } };
	const [inLoop] = await layersOf([split, loop], [integer('two', 2)]);
	assert.deepEqual([inLoop?.recompute.status, inLoop?.batch?.count], ['match', VALUES]);

	const mapped: GraphSpec = {
		nodes: [batchNorm('one', 'normal')],
		inputs: [{ name: 'one', shape: [1, C, 4, 5] }],
		outputs: [{ name: 'normal', shape: [1, C, 4, 5] }],
	};
	const map: readonly NodeSpec[] = [
		{ op: 'SequenceMap', name: 'map', inputs: ['list'], outputs: ['normals'], attributes: { body: { g: mapped } } },
		{ op: 'ConcatFromSequence', inputs: ['normals'], outputs: ['y'], attributes: { axis: { i: 0 } } },
	];
	const [inMap] = await layersOf([split, ...map], []);
	assert.deepEqual([inMap?.recompute.status, inMap?.batch?.count], ['match', VALUES]);

	const taken: GraphSpec = {
		nodes: [{ op: 'SequenceAt', inputs: ['list', 'zero'], outputs: ['one'] }, batchNorm('one', 'normal')],
		outputs: ['normal'],
	};
	const other: GraphSpec = { nodes: [{ op: 'Neg', inputs: ['x'], outputs: ['negative'] }], outputs: ['negative'] };
	for (const isTaken of [true, false]) {
		const branches = { then_branch: { g: taken }, else_branch: { g: other } };
		const choice = { op: 'If', name: 'choice', inputs: ['condition'], outputs: ['y'], attributes: branches };
		const condition: TensorSpec = { name: 'condition', dtype: 'bool', dims: [], values: [isTaken ? 1 : 0] };
		const [layer] = await layersOf([split, choice], [condition, integer('zero', 0)]);
		assert.equal(layer?.recompute.status, isTaken ? 'match' : 'skipped');
		assert.equal(layer?.recompute.reason, isTaken ? undefined : 'Not checked: then_branch does not run on this input.');
	}
});

test('a layer in a body inside says why it is not checked', async () => {
	const inner: GraphSpec = {
		nodes: [{ op: 'SequenceAt', inputs: ['list', 'zero'], outputs: ['one'] }, batchNorm('one', 'normal')],
		outputs: ['normal'],
	};
	const other: GraphSpec = { nodes: [{ op: 'Neg', inputs: ['x'], outputs: ['negative'] }], outputs: ['negative'] };
	const choice = (name: string, g: GraphSpec, output: string): NodeSpec => ({
		...{ op: 'If', name, inputs: ['condition'], outputs: [output] },
		attributes: { then_branch: { g }, else_branch: { g: other } },
	});
	const nodes: readonly NodeSpec[] = [
		{ op: 'SequenceConstruct', inputs: ['x', 'x'], outputs: ['list'] },
		choice('outer', { nodes: [choice('inner', inner, 'inside')], outputs: ['inside'] }, 'y'),
	];
	const condition: TensorSpec = { name: 'condition', dtype: 'bool', dims: [], values: [1] };
	const [layer] = await layersOf(nodes, [condition, integer('zero', 0)]);
	assert.equal(layer?.recompute.status, 'skipped');
	assert.match(
		layer?.recompute.reason ?? '',
		/inside outer\/then_branch\/inner\/then_branch.*"list" is a sequence or an/,
	);
});
