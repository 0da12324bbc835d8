import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import type { Report } from '../../../../../src/core/report/types.js';
import { encodeNpy, parseNpy } from '../../../../../src/engine/child/tensors/npy.js';
import type { RuntimeTensor } from '../../../../../src/engine/child/tensors/tensor.js';
import { inspectBytes, runtime } from '../../../support/inspect.js';
import { buildModel, type GraphSpec, type NodeSpec, type TensorSpec } from '../../../support/model-builder.js';

const C = 3;
const SHAPE = [2, C, 4, 5];
let folder: string;
before(async () => {
	folder = await mkdtemp(path.join(tmpdir(), 'bnl-control-flow-'));
});
after(() => rm(folder, { recursive: true }));

const wave = (length: number, phase: number) => Array.from({ length }, (_, i) => Math.sin(i * 1.7 + phase));

function parameters(prefix: string): TensorSpec[] {
	const phase = prefix.length;
	return [
		{ name: `${prefix}.g`, values: wave(C, phase) },
		{ name: `${prefix}.b`, values: wave(C, phase + 1) },
		{ name: `${prefix}.m`, values: wave(C, phase + 2) },
		{ name: `${prefix}.v`, values: wave(C, phase + 3).map((value) => 1.1 + value) },
	];
}

function batchNorm(name: string, input: string, output: string): NodeSpec {
	const inputs = [input, ...['g', 'b', 'm', 'v'].map((each) => `${name}.${each}`)];
	return { op: 'BatchNormalization', name, inputs, outputs: [output] };
}

function conv(name: string, input: string, output: string): NodeSpec {
	return { op: 'Conv', name, inputs: [input, `${name}.w`], outputs: [output] };
}

const weight = (name: string): TensorSpec => ({
	name: `${name}.w`,
	dims: [C, C, 1, 1],
	values: wave(C * C, name.length),
});

const condition = (value: number): readonly NodeSpec[] => [
	{ op: 'ReduceMax', inputs: ['x'], outputs: ['top'], attributes: { keepdims: { i: 0 } } },
	{ op: 'Constant', outputs: ['limit'], attributes: { value: { t: { dims: [], values: [value] } } } },
	{ op: 'Greater', name: 'above', inputs: ['top', 'limit'], outputs: ['cond'] },
];

function choice(thenBranch: GraphSpec, elseBranch: GraphSpec, output = 'y', input = 'cond'): NodeSpec {
	const attributes = { then_branch: { g: thenBranch }, else_branch: { g: elseBranch } };
	return { op: 'If', name: 'choice', inputs: [input], outputs: [output], attributes };
}

/** One branch has a Conv of the outer graph's, one everything of its own. */
const THEN: GraphSpec = {
	nodes: [conv('outer', 'h', 't'), batchNorm('then', 't', 'then.y')],
	initializers: parameters('then'),
	outputs: ['then.y'],
};
const ELSE: GraphSpec = {
	nodes: [conv('own', 'h', 'e'), batchNorm('otherwise', 'e', 'else.y')],
	initializers: [weight('own')],
	outputs: ['else.y'],
};

const graphOf = (nodes: readonly NodeSpec[], more: Partial<GraphSpec> = {}): GraphSpec => ({
	inputs: [{ name: 'x', shape: SHAPE }],
	outputs: ['y'],
	initializers: [weight('first'), weight('outer'), ...parameters('otherwise')],
	nodes,
	...more,
});

/** A model that chooses by what x has, behind a Conv. */
const choosing = (limit: number, more: Partial<GraphSpec> = {}): GraphSpec =>
	graphOf([conv('first', 'x', 'h'), ...condition(limit), choice(THEN, ELSE)], more);

interface Checked {
	readonly report: Report;
	/** The model's own output y. */
	readonly y: RuntimeTensor;
	/** What was recomputed, by the layer's name. */
	readonly recomputed: ReadonlyMap<string, readonly number[]>;
}

/** Inspects a model on a known x, and runs it as it is on the same. */
async function check(graph: GraphSpec, name: string, shape: readonly number[] = SHAPE): Promise<Checked> {
	const bytes = buildModel({ opset: 17, graph });
	const data = Float32Array.from(
		wave(
			shape.reduce((product, size) => product * size, 1),
			0.3,
		),
	);
	const [file, saveOutputs] = [path.join(folder, `${name}.npy`), path.join(folder, name)];
	await writeFile(file, encodeNpy({ type: 'float32', shape, data }));
	const { report } = await inspectBytes(bytes, { inputs: [{ input: 'x', path: file }], saveOutputs });
	const session = await runtime.createSession(bytes, { levels: ['disabled'] });
	const outputs = await session.run(new Map([['x', { type: 'float32', dims: shape, data }]]), ['y']);
	await session.release();
	const recomputed = new Map<string, readonly number[]>();
	for (const [index, layer] of report.layers.entries()) {
		if (layer.recompute.status !== 'skipped') {
			const bytesOf = await readFile(path.join(saveOutputs, `${index}.npy`));
			recomputed.set(layer.name, Array.from<number | bigint, number>(parseNpy(bytesOf, name).data, Number));
		}
	}
	return { report, y: outputs.get('y') as RuntimeTensor, recomputed };
}

const numbers = ({ data }: RuntimeTensor) => Array.from<number | bigint, number>(data, Number);
const verdicts = (report: Report) => report.layers.map(({ graph, recompute: { status } }) => [graph, status]);

function assertClose(found: readonly number[] | undefined, right: readonly number[], bound = 1e-5): void {
	assert.equal(found?.length, right.length);
	const worst = Math.max(...right.map((value, i) => Math.abs(value - (found?.[i] ?? Number.NaN))));
	assert.ok(worst <= bound, `differs by ${worst}`);
}

test('the branch that an input takes is checked, and its output is the output of the If; the other branch gives the reason', async () => {
	const expectations = [
		[0.5, 'true', 'then', ['match', 'skipped']],
		[1e6, 'false', 'else', ['skipped', 'match']],
	] as const;
	for (const [limit, value, branch, statuses] of expectations) {
		const { report, y, recomputed } = await check(choosing(limit), `if-${value}`);
		assert.equal(report.run.status, 'ok', report.run.reason);
		assert.deepEqual(verdicts(report), [
			['choice/then_branch', statuses[0]],
			['choice/else_branch', statuses[1]],
		]);
		assertClose([...recomputed.values()][0], numbers(y));
		const [taken, other] = branch === 'then' ? report.layers : report.layers.toReversed();
		assert.equal(taken.recompute.reason, undefined);
		assert.equal(taken.batch?.count, 40);
		const not = branch === 'then' ? 'else_branch' : 'then_branch';
		assert.equal(
			other.recompute.reason,
			`Not checked: on this input condition "cond" is ${value}, so ${not} does not run.`,
		);
		assert.equal(other.recompute.cause, 'not-taken');
		assert.equal(other.batch, null);
	}
});

test('a condition that is an input or an initializer, and layers around the If', async () => {
	const nodes = [batchNorm('otherwise', 'x', 'h'), choice(THEN, ELSE, 'c'), batchNorm('then', 'c', 'y')];
	const flag = { name: 'cond', dtype: 'bool' as const };
	const outer = [...parameters('otherwise'), ...parameters('then'), weight('outer')];
	const own = { ...THEN, initializers: [] };
	const around = nodes.map((node) => (node.op === 'If' ? choice(own, ELSE, 'c') : node));
	const fixed = { initializers: [...outer, { ...flag, dims: [], values: [0] }] };
	const { report, recomputed, y } = await check(graphOf(around, fixed), 'if-fixed');
	assert.deepEqual(verdicts(report), [
		['', 'match'],
		['choice/then_branch', 'skipped'],
		['choice/else_branch', 'match'],
		['', 'match'],
	]);
	assertClose(recomputed.get(report.layers[3].name), numbers(y));
	const given = graphOf(around, {
		initializers: outer,
		inputs: [
			{ name: 'x', shape: SHAPE },
			{ ...flag, shape: [1] },
		],
	});
	const { report: random } = await inspectBytes(buildModel({ graph: given }));
	const checked = random.layers.filter(({ recompute }) => recompute.status === 'match');
	assert.equal(checked.length, 3, JSON.stringify(random.layers.map(({ recompute }) => recompute.reason)));
});

test('branches within branches, with tensors of every graph around them', async () => {
	const inner: GraphSpec = {
		nodes: [
			{ op: 'Not', inputs: ['cond'], outputs: ['not'] },
			{ op: 'Neg', inputs: ['h'], outputs: ['n'] },
			{
				...choice(
					{ nodes: [batchNorm('then', 'n', 'a')], outputs: ['a'] },
					{
						nodes: [
							{ op: 'Add', inputs: ['n', 'h0'], outputs: ['s'] },
							batchNorm('otherwise', 's', 'b'),
							{ op: 'Relu', inputs: ['b'], outputs: ['r'] },
						],
						outputs: ['r'],
					},
					'inner.y',
					'not',
				),
				name: 'inner',
			},
		],
		initializers: parameters('then'),
		outputs: ['inner.y'],
	};
	const nodes = [
		{ op: 'Abs', inputs: ['x'], outputs: ['h0'] },
		conv('first', 'h0', 'h'),
		...condition(0.5),
		choice(inner, ELSE),
	];
	const { report, y, recomputed } = await check(graphOf(nodes), 'nested');
	assert.deepEqual(verdicts(report), [
		['choice/then_branch/inner/then_branch', 'skipped'],
		['choice/then_branch/inner/else_branch', 'match'],
		['choice/else_branch', 'skipped'],
	]);
	assert.match(report.layers[0].recompute.reason ?? '', /condition "not" is false, so then_branch/);
	const [output] = recomputed.values();
	assertClose(
		output.map((value) => Math.max(0, value)),
		numbers(y),
	);
});

test('several inputs that take different branches: each layer is checked with the inputs that reach it', async () => {
	const bytes = buildModel({ graph: choosing(1) });
	const files: string[] = [];
	for (const [i, factor] of [0.1, 3, 0.5].entries()) {
		const data = Float32Array.from(wave(2 * C * 20, i).map((value) => value * factor));
		files.push(path.join(folder, `several-${i}.npy`));
		await writeFile(files[i], encodeNpy({ type: 'float32', shape: SHAPE, data }));
	}
	const inputs = files.map((file) => ({ input: 'x', path: file }));
	const { report } = await inspectBytes(bytes, { inputs });
	assert.deepEqual(
		report.layers.map(({ recompute: { status }, batch }) => [status, batch?.images]),
		[
			['match', 2],
			['match', 4],
		],
	);
});

/** The body of a Loop: a step number, whether to go on, and a state that a layer is added to. */
const STEP: GraphSpec = {
	inputs: [
		{ name: 'i', dtype: 'int64', shape: [] },
		{ name: 'on', dtype: 'bool', shape: [] },
		{ name: 'state', shape: SHAPE },
	],
	nodes: [
		batchNorm('otherwise', 'state', 'n'),
		{ op: 'Add', inputs: ['n', 'h'], outputs: ['next'] },
		{ op: 'Identity', inputs: ['on'], outputs: ['going.on'] },
		{ op: 'Identity', inputs: ['n'], outputs: ['kept'] },
	],
	outputs: [
		{ name: 'going.on', dtype: 'bool', shape: [] },
		{ name: 'next', shape: SHAPE },
		{ name: 'kept', shape: SHAPE },
	],
};

function looping(times: number): GraphSpec {
	const loop = { op: 'Loop', name: 'loop', inputs: ['times', '', 'h'], outputs: ['last', 'y'] };
	return graphOf([conv('first', 'x', 'h'), { ...loop, attributes: { body: { g: STEP } } }], {
		initializers: [
			weight('first'),
			...parameters('otherwise'),
			{ name: 'times', dtype: 'int64', dims: [], values: [times] },
		],
	});
}

test('every iteration of a Loop is checked, with the results of the previous iteration', async () => {
	const { report, y, recomputed } = await check(looping(5), 'loop');
	const [layer] = report.layers;
	assert.equal(layer.recompute.status, 'match', layer.recompute.reason);
	assert.equal(layer.recompute.reason, 'Checked in all 5 iterations of Loop "loop".');
	assert.equal(layer.batch?.count, 5 * 40);
	// What is saved is the first iteration's; the runtime collects those of all.
	const size = 2 * C * 20;
	assertClose(recomputed.get(layer.name), numbers(y).slice(0, size));
});

test('the batch statistics of a Loop cover all data that the runtime puts through it', async () => {
	const graph = looping(4);
	const loud: GraphSpec = {
		...STEP,
		nodes: STEP.nodes?.map((node) => (node.outputs?.[0] === 'kept' ? { ...node, inputs: ['state'] } : node)),
	};
	const nodes = graph.nodes?.map((node) =>
		node.op === 'Loop' ? { ...node, attributes: { body: { g: loud } } } : node,
	);
	const { report, y } = await check({ ...graph, ...(nodes && { nodes }) }, 'loop-states');
	for (let c = 0; c < C; c++) {
		const values = numbers(y).filter((_, i) => Math.floor(i / 20) % C === c);
		const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
		assert.equal(values.length, 4 * 40);
		assert.ok(Math.abs((report.layers[0].batch?.mean[c] ?? Number.NaN) - mean) < 1e-5);
	}
});

test('of a long Loop the first iterations are checked, of an empty Loop none', async () => {
	const { report: long } = await check(looping(1000), 'loop-long');
	assert.equal(long.layers[0].recompute.reason, 'Checked in the first 16 iterations of Loop "loop", which has more.');
	const { report: none } = await inspectBytes(buildModel({ graph: looping(0) }));
	assert.deepEqual(none.layers[0].recompute, {
		status: 'skipped',
		reason: 'Not checked: Loop "loop" does not run a single iteration for this input.',
		cause: 'not-taken',
	});
});

test('every step of a Scan is checked: any axis, backwards, with states', async () => {
	const body: GraphSpec = {
		inputs: [
			{ name: 'state', shape: [2, C, 5] },
			{ name: 'slice', shape: [2, C, 5] },
		],
		nodes: [
			{ op: 'Add', inputs: ['state', 'slice'], outputs: ['sum'] },
			batchNorm('otherwise', 'sum', 'n'),
			{ op: 'Tanh', inputs: ['n'], outputs: ['next'] },
			{ op: 'Identity', inputs: ['n'], outputs: ['kept'] },
		],
		outputs: [
			{ name: 'next', shape: [2, C, 5] },
			{ name: 'kept', shape: [2, C, 5] },
		],
	};
	const scan = (backwards: number): GraphSpec => {
		const attributes = {
			body: { g: body },
			num_scan_inputs: { i: 1 },
			scan_input_axes: { ints: [-2] },
			scan_input_directions: { ints: [backwards] },
		};
		return graphOf([{ op: 'Scan', name: 'scan', inputs: ['zero', 'x'], outputs: ['last', 'y'], attributes }], {
			initializers: [...parameters('otherwise'), { name: 'zero', dims: [2, C, 5], values: wave(2 * C * 5, 9) }],
		});
	};
	for (const backwards of [0, 1]) {
		const { report, y, recomputed } = await check(scan(backwards), `scan-${backwards}`);
		const [layer] = report.layers;
		assert.equal(layer.recompute.status, 'match', layer.recompute.reason);
		assert.equal(layer.recompute.reason, 'Checked in all 4 iterations of Scan "scan".');
		assertClose(recomputed.get(layer.name), numbers(y).slice(0, 2 * C * 5));
		const values = numbers(y);
		assert.equal(layer.batch?.count, values.length / C);
	}
});

test('every step of every image is checked in a Scan of opset 8, which has a batch of its own', async () => {
	const [images, steps] = [2, 4];
	const body: GraphSpec = {
		inputs: [
			{ name: 'state', shape: [1, C] },
			{ name: 'slice', shape: [1, C] },
		],
		nodes: [
			{ op: 'Add', inputs: ['state', 'slice'], outputs: ['sum'] },
			batchNorm('otherwise', 'sum', 'n'),
			{ op: 'Tanh', inputs: ['n'], outputs: ['next'] },
		],
		outputs: [
			{ name: 'next', shape: [1, C] },
			{ name: 'n', shape: [1, C] },
		],
	};
	for (const { lengths, backwards } of [
		{ lengths: undefined, backwards: 0 },
		{ lengths: [4, 2], backwards: 1 },
	]) {
		const attributes = { body: { g: body }, num_scan_inputs: { i: 1 }, directions: { ints: [backwards] } };
		const inputs = [lengths ? 'lengths' : '', 'zero', 'x'];
		const graph: GraphSpec = {
			inputs: [{ name: 'x', shape: [images, steps, 1, C] }],
			outputs: ['y'],
			initializers: [
				...parameters('otherwise'),
				{ name: 'zero', dims: [images, 1, C], values: wave(images * C, 9) },
				{ name: 'lengths', dtype: 'int64', values: lengths ?? [] },
			],
			nodes: [{ op: 'Scan', name: 'scan', inputs, outputs: ['last', 'y'], attributes }],
		};
		const bytes = buildModel({ opset: 8, graph });
		// The outputs of the whole run show the inputs that the bodies should get.
		const x = Float32Array.from(wave(images * steps * C, 3));
		const found = await ownMeans(bytes, x, { images, steps: lengths ?? [4, 4], backwards });
		const file = path.join(folder, `scan8-${backwards}.npy`);
		await writeFile(file, encodeNpy({ type: 'float32', shape: [images, steps, 1, C], data: x }));
		const fed = await inspectBytes(bytes, { inputs: [{ input: 'x', path: file }] });
		const [{ recompute, batch }] = fed.report.layers;
		assert.equal(recompute.status, 'match', recompute.reason);
		assert.equal(recompute.reason, `Checked in all ${lengths ? 6 : 8} iterations of Scan "scan".`);
		assertClose(Array.from(batch?.mean ?? []), found);
	}
});

/** Means of the layer's input per channel, from x and the states that the layer's outputs of the whole run make. */
async function ownMeans(
	bytes: Uint8Array,
	x: Float32Array,
	{ images, steps, backwards }: { images: number; steps: readonly number[]; backwards: number },
): Promise<number[]> {
	const most = x.length / images / C;
	const session = await runtime.createSession(bytes, { levels: ['disabled'] });
	const results = await session.run(new Map([['x', { type: 'float32', dims: [images, most, 1, C], data: x }]]), ['y']);
	await session.release();
	const written = results.get('y');
	assert.ok(written);
	const y = numbers(written);
	const sums = new Array<number>(C).fill(0);
	for (let image = 0; image < images; image++) {
		for (let step = 0; step < steps[image]; step++) {
			const at = (position: number) => (image * most + position) * C;
			const read = at(backwards ? steps[image] - 1 - step : step);
			for (let c = 0; c < C; c++) {
				const state = step === 0 ? wave(images * C, 9)[image * C + c] : Math.tanh(y[at(step - 1) + c]);
				sums[c] += state + x[read + c];
			}
		}
	}
	return sums.map((sum) => sum / (steps[0] + steps[1]));
}

test('a branch that the runtime refuses says so, and the other branch is still checked', async () => {
	const odd: GraphSpec = {
		nodes: [
			{ op: 'Odd', name: 'odd', domain: 'com.example', inputs: ['h'], outputs: ['o'] },
			batchNorm('otherwise', 'o', 'z'),
		],
		outputs: ['z'],
	};
	const reasons = async (limit: number) => {
		const nodes = [conv('first', 'x', 'h'), ...condition(limit), choice(THEN, odd)];
		const { report } = await inspectBytes(buildModel({ opsets: { 'com.example': 1 }, graph: graphOf(nodes) }));
		assert.equal(report.run.status, limit < 1 ? 'ok' : 'failed', report.run.reason);
		return report.layers.map(({ recompute: { status, reason } }) => [status, reason]);
	};
	assert.deepEqual((await reasons(-1e6))[0], ['match', undefined]);
	const refused = 'the layer\'s input depends on Odd "odd" of domain com.example, which onnxruntime cannot run';
	assert.deepEqual((await reasons(1e6))[1], ['skipped', `Not checked: ${refused}.`]);
});

test('layers that the runtime has no kernel for, in training mode, or behind a call, are checked in a branch as outside', async () => {
	const old: GraphSpec = {
		...graphOf([
			{ op: 'Abs', inputs: ['x'], outputs: ['h'] },
			choice(
				{ nodes: [{ ...batchNorm('otherwise', 'h', 'a'), attributes: { is_test: { i: 1 } } }], outputs: ['a'] },
				{ nodes: [{ op: 'Neg', inputs: ['h'], outputs: ['b'] }], outputs: ['b'] },
			),
		]),
		inputs: [
			{ name: 'x', shape: SHAPE },
			{ name: 'cond', dtype: 'bool', shape: [1] },
		],
	};
	const flag = path.join(folder, 'flag.npy');
	await writeFile(flag, encodeNpy({ type: 'bool', shape: [1], data: Uint8Array.of(1) }));
	const inputs = [{ input: 'cond', path: flag }];
	const { report } = await inspectBytes(buildModel({ opset: 6, graph: old }), { inputs });
	assert.equal(
		report.layers[0].recompute.reason,
		'onnxruntime has no BatchNormalization kernel for opset 6; the layer was recomputed here, but there is nothing to compare it with.',
	);
	assert.equal(report.layers[0].batch?.count, 40);

	const training: GraphSpec = {
		nodes: [
			{
				...batchNorm('otherwise', 'h', 'a'),
				outputs: ['a', 'mean', 'variance'],
				attributes: { training_mode: { i: 1 } },
			},
		],
		outputs: ['a'],
	};
	const nodes = [conv('first', 'x', 'h'), ...condition(-1e6), choice(training, ELSE)];
	const trained = await check(graphOf(nodes), 'if-training');
	assert.deepEqual(verdicts(trained.report)[0], ['choice/then_branch', 'match']);
	assertClose([...trained.recomputed.values()][0], numbers(trained.y), 1e-4);

	const block = {
		name: 'Block',
		domain: 'local',
		inputs: ['in', 'g', 'b', 'm', 'v'],
		outputs: ['out'],
		nodes: [{ op: 'BatchNormalization', name: 'bn', inputs: ['in', 'g', 'b', 'm', 'v'], outputs: ['out'] }],
	};
	const called: GraphSpec = {
		nodes: [{ ...batchNorm('otherwise', 'h', 'a'), op: 'Block', domain: 'local' }],
		outputs: ['a'],
	};
	const calling = graphOf([conv('first', 'x', 'h'), ...condition(-1e6), choice(called, ELSE)]);
	const { report: inside } = await inspectBytes(
		buildModel({ opset: 17, opsets: { local: 1 }, functions: [block], graph: calling }),
	);
	assert.deepEqual(verdicts(inside), [
		['choice/then_branch/otherwise', 'match'],
		['choice/else_branch', 'skipped'],
	]);
});

test('an outer value of a body may be no tensor, and all layers are checked', async () => {
	const taking: GraphSpec = {
		nodes: [{ op: 'SequenceAt', inputs: ['list', 'zero'], outputs: ['s'] }, batchNorm('then', 's', 'a')],
		initializers: [...parameters('then'), { name: 'zero', dtype: 'int64', dims: [], values: [0] }],
		outputs: ['a'],
	};
	const nodes = [
		conv('first', 'x', 'h'),
		...condition(-1e6),
		{ op: 'SequenceConstruct', inputs: ['h', 'h'], outputs: ['list'] },
		choice(taking, ELSE, 'c'),
		{ ...choice({ ...THEN, nodes: [batchNorm('then', 'c', 'then.y')] }, ELSE), name: 'second' },
	];
	const { report } = await inspectBytes(buildModel({ graph: graphOf(nodes) }));
	assert.equal(report.run.status, 'ok', report.run.reason);
	assert.deepEqual(
		report.layers.map(({ recompute: { status } }) => status),
		['match', 'skipped', 'match', 'skipped'],
	);
});

test('sizes that only the graph in front of a body asks for are found, and little memory is enough', async () => {
	const nodes = [{ op: 'Conv', inputs: ['x', 'wide'], outputs: ['h'] }, ...condition(-1e6), choice(THEN, ELSE)];
	const graph = graphOf(nodes, {
		inputs: [{ name: 'x', shape: ['N', C, 'H', 'W'] }],
		initializers: [
			{ name: 'wide', dims: [C, C, 5, 5], values: wave(C * C * 25, 2) },
			weight('outer'),
			...parameters('otherwise'),
		],
	});
	for (const memoryBudget of [undefined, 1]) {
		const { report } = await inspectBytes(buildModel({ graph }), memoryBudget === undefined ? {} : { memoryBudget });
		assert.equal(report.layers[0].recompute.status, 'match', report.run.reason);
		assert.deepEqual(report.run.inputs[0].shape, [1, C, 64, 64]);
	}
});

test('parameters that a body takes from random input are not judged', async () => {
	const branch: GraphSpec = {
		nodes: [
			{ op: 'BatchNormalization', name: 'bn', inputs: ['x', 'gamma', 'then.b', 'then.m', 'then.v'], outputs: ['a'] },
		],
		initializers: parameters('then'),
		outputs: ['a'],
	};
	const nodes = [
		{ op: 'Mul', inputs: ['factor', 'zero'], outputs: ['gamma'] },
		...condition(-1e6),
		choice(branch, { nodes: [{ op: 'Neg', inputs: ['x'], outputs: ['b'] }], outputs: ['b'] }),
	];
	const graph = graphOf(nodes, {
		inputs: [
			{ name: 'x', shape: SHAPE },
			{ name: 'factor', shape: [C] },
		],
		initializers: [{ name: 'zero', values: [0] }],
	});
	const { report } = await inspectBytes(buildModel({ graph }));
	assert.equal(report.layers[0].recompute.status, 'match', report.layers[0].recompute.reason);
	assert.equal(Math.abs(report.layers[0].parameters?.gamma[0] ?? 1), 0);
	assert.deepEqual(report.layers[0].findings, []);
});

test('iterations within iterations, and branches within those, are counted where they run', async () => {
	const int64 = (name: string, value: number): TensorSpec => ({ name, dtype: 'int64', dims: [], values: [value] });
	const body = (prefix: string, nodes: readonly NodeSpec[], output: string): GraphSpec => ({
		inputs: [
			{ name: `${prefix}i`, dtype: 'int64', shape: [] },
			{ name: `${prefix}on`, dtype: 'bool', shape: [] },
			{ name: `${prefix}state`, shape: SHAPE },
		],
		nodes: [...nodes, { op: 'Identity', inputs: [`${prefix}on`], outputs: [`${prefix}go`] }],
		outputs: [`${prefix}go`, output],
	});
	const branch = (node: NodeSpec, output: string): GraphSpec => ({ nodes: [node], outputs: [output] });
	const inner = body(
		'in.',
		[
			choice(
				branch(batchNorm('otherwise', 'in.state', 'a'), 'a'),
				branch({ op: 'Neg', inputs: ['in.state'], outputs: ['b'] }, 'b'),
				'in.next',
				'odd',
			),
		],
		'in.next',
	);
	const outer = body(
		'out.',
		[
			{ op: 'Mod', inputs: ['out.i', 'two'], outputs: ['rest'] },
			{ op: 'Cast', inputs: ['rest'], outputs: ['odd'], attributes: { to: { i: 9 } } },
			{
				op: 'Loop',
				name: 'inner',
				inputs: ['three', '', 'out.state'],
				outputs: ['out.next'],
				attributes: { body: { g: inner } },
			},
		],
		'out.next',
	);
	const loop = {
		op: 'Loop',
		name: 'outer',
		inputs: ['five', '', 'x'],
		outputs: ['y'],
		attributes: { body: { g: outer } },
	};
	const graph = graphOf([loop], {
		initializers: [...parameters('otherwise'), int64('two', 2), int64('three', 3), int64('five', 5)],
	});
	const { report } = await check(graph, 'loop-loop-if');
	const [{ recompute, batch }] = report.layers;
	assert.equal(recompute.status, 'match', recompute.reason);
	// Odd are 1 and 3 of 0 to 4, with three iterations each.
	assert.equal(batch?.images, 2 * 6);
	assert.equal(
		recompute.reason,
		'Checked in all 3 iterations of Loop "inner". Checked in 2 of the 5 iterations of Loop "outer".',
	);
});
