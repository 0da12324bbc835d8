import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Node } from '../../../../../src/core/onnx/model.js';
import type { Report } from '../../../../../src/core/report/types.js';
import { hasSameMeaning } from '../../../../../src/engine/child/model/operator-changes.js';
import { inspectBytes } from '../../../support/inspect.js';
import {
	buildModel,
	type FunctionSpec,
	type ModelSpec,
	type NodeSpec,
	type TensorSpec,
} from '../../../support/model-builder.js';

const C = 3;
const DOMAIN = 'local';

function parameters(prefix: string, phase: number): TensorSpec[] {
	const values = (offset: number) => Array.from({ length: C }, (_, c) => 1.5 + Math.sin(phase + offset + c));
	return ['g', 'b', 'm', 'v'].map((name, i) => ({ name: `${prefix}${name}`, values: values(i) }));
}

/** x and the four parameters in, normalized and rectified out; the convolution's weight is the function's own. */
const BLOCK: FunctionSpec = {
	name: 'Block',
	domain: DOMAIN,
	inputs: ['in', 'g', 'b', 'm', 'v'],
	outputs: ['out'],
	nodes: [
		{ op: 'Abs', name: 'abs', inputs: ['in'], outputs: ['t'] },
		{ op: 'BatchNormalization', name: 'bn', inputs: ['t', 'g', 'b', 'm', 'v'], outputs: ['n'] },
		{ op: 'Relu', name: 'relu', inputs: ['n'], outputs: ['out'] },
	],
};

const call = (name: string, input: string, output: string): NodeSpec => ({
	op: 'Block',
	domain: DOMAIN,
	name,
	inputs: [input, ...['g', 'b', 'm', 'v'].map((each) => `${name}${each}`)],
	outputs: [output],
});

function model(
	functions: readonly FunctionSpec[],
	nodes: readonly NodeSpec[],
	more: Partial<ModelSpec> = {},
): Uint8Array {
	return buildModel({
		opset: 17,
		opsets: { [DOMAIN]: 1 },
		functions,
		...more,
		graph: {
			inputs: [{ name: 'x', shape: [2, C, 4, 4] }],
			outputs: [{ name: 'y', shape: [2, C, 4, 4] }],
			initializers: ['one', 'two', 'three'].flatMap((name, i) => parameters(name, i)),
			nodes,
		},
	});
}

const verdicts = (report: Report) => report.layers.map(({ graph, recompute: { status } }) => [graph, status]);

test('layers in functions are checked, each call with its own parameters and name', async () => {
	const bytes = model([BLOCK], [call('one', 'x', 'a'), call('two', 'a', 'y')]);
	const { report } = await inspectBytes(bytes);
	assert.equal(report.run.status, 'ok', report.run.reason);
	assert.deepEqual(verdicts(report), [
		['one', 'match'],
		['two', 'match'],
	]);
	const [first, second] = report.layers;
	assert.deepEqual([first.output, first.batch?.count], ['n', 32]);
	assert.notDeepEqual(first.parameters, second.parameters);
	// Abs in front of each layer: no input of a layer is below 0.
	assert.ok(report.layers.every(({ batch }) => batch?.mean.every((mean) => mean > 0)));
});

test('functions that call functions, and layers outside of them, keep their order', async () => {
	const outer: FunctionSpec = {
		name: 'Outer',
		domain: DOMAIN,
		inputs: ['in', 'g', 'b', 'm', 'v'],
		outputs: ['out'],
		nodes: [
			{ op: 'Block', domain: DOMAIN, name: 'inner', inputs: ['in', 'g', 'b', 'm', 'v'], outputs: ['t'] },
			{ op: 'Neg', inputs: ['t'], outputs: ['out'] },
		],
		opsets: { '': 17, [DOMAIN]: 1 },
	};
	const plain: NodeSpec = {
		op: 'BatchNormalization',
		name: 'plain',
		inputs: ['a', 'threeg', 'threeb', 'threem', 'threev'],
		outputs: ['b'],
	};
	const nodes = [{ ...call('one', 'x', 'a'), op: 'Outer' }, plain, call('two', 'b', 'y')];
	const { report } = await inspectBytes(model([BLOCK, outer], nodes));
	assert.deepEqual(verdicts(report), [
		['one/inner', 'match'],
		['', 'match'],
		['two', 'match'],
	]);
	// Neg behind Relu: what the plain layer gets is below 0.
	assert.ok(report.layers[1].batch?.mean.every((mean) => mean < 0));
});

test('a function with another operator set is inlined if its operators kept their meaning', async () => {
	for (const opset of [9, 13, 18]) {
		const { report } = await inspectBytes(model([{ ...BLOCK, opsets: { '': opset } }], [call('one', 'x', 'y')]));
		assert.deepEqual(verdicts(report), [['one', 'match']], `opset ${opset}: ${report.run.reason}`);
	}
});

test('operators keep their meaning between two versions only if none in between changed it', () => {
	const node = (opType: string, outputs = ['y'], domain = '') => ({ opType, outputs, domain }) as unknown as Node;
	const cases: readonly (readonly [Node, number, number, boolean])[] = [
		[node('Conv'), 1, 22, true],
		[node('Softmax'), 12, 13, false],
		[node('Softmax'), 13, 17, true],
		[node('Clip'), 11, 10, false],
		[node('BatchNormalization'), 13, 17, true],
		[node('BatchNormalization', ['y', 'mean', 'variance']), 13, 17, false],
		[node('BatchNormalization'), 8, 9, false],
		[node('Unheard'), 13, 17, false],
		[node('Unheard'), 17, 17, true],
		[node('Conv', ['y'], 'other'), 1, 2, false],
		[node('constructor'), 13, 17, false],
	];
	for (const [each, a, b, expected] of cases) {
		assert.equal(hasSameMeaning(each, a, b), expected, `${each.opType} ${a} ${b}`);
	}
});

test('a function with more than a list of nodes is not inlined, and its layers say so', async () => {
	const older = { ...BLOCK, opsets: { '': 8 } };
	const { report } = await inspectBytes(model([older], [call('one', 'x', 'y')]));
	assert.deepEqual(verdicts(report), [['one', 'skipped']]);
	assert.match(report.layers[0].recompute.reason ?? '', /^Not checked: the layer is inside one, where/);
	// Calls of others are replaced all the same, also around it.
	const outer: FunctionSpec = {
		...BLOCK,
		name: 'Outer',
		nodes: [
			{ op: 'BatchNormalization', name: 'first', inputs: ['in', 'g', 'b', 'm', 'v'], outputs: ['t'] },
			{ op: 'Block', domain: DOMAIN, name: 'inner', inputs: ['t', 'g', 'b', 'm', 'v'], outputs: ['out'] },
		],
		opsets: { '': 17, [DOMAIN]: 1 },
	};
	const nodes = [{ ...call('one', 'x', 'a'), op: 'Outer' }, call('two', 'a', 'y')];
	const mixed = await inspectBytes(model([older, outer], nodes));
	assert.equal(mixed.report.run.status, 'ok', mixed.report.run.reason);
	assert.deepEqual(verdicts(mixed.report), [
		['one', 'match'],
		['one/inner', 'skipped'],
		['two', 'skipped'],
	]);
});

test('functions with bodies: their layers are checked as in the main graph, each call with its own tensors', async () => {
	const block: FunctionSpec = {
		...BLOCK,
		nodes: [
			{ op: 'ReduceMax', inputs: ['in'], outputs: ['top'], attributes: { keepdims: { i: 0 } } },
			{ op: 'Constant', outputs: ['limit'], attributes: { value: { t: { dims: [], values: [0] } } } },
			{ op: 'Greater', inputs: ['top', 'limit'], outputs: ['positive'] },
			{
				op: 'If',
				name: 'choice',
				inputs: ['positive'],
				outputs: ['out'],
				attributes: {
					then_branch: {
						g: {
							nodes: [
								{ op: 'Mul', inputs: ['in', 'half'], outputs: ['t'] },
								{ op: 'BatchNormalization', name: 'then', inputs: ['t', 'g', 'b', 'm', 'v'], outputs: ['n'] },
								{ op: 'Abs', inputs: ['n'], outputs: ['a'] },
								{ op: 'Neg', inputs: ['a'], outputs: ['y'] },
							],
							initializers: [{ name: 'half', dims: [], values: [0.5] }],
							outputs: [{ name: 'y', shape: [2, C, 4, 4] }],
						},
					},
					else_branch: {
						g: {
							nodes: [{ op: 'BatchNormalization', name: 'else', inputs: ['in', 'g', 'b', 'm', 'v'], outputs: ['y2'] }],
							outputs: ['y2'],
						},
					},
				},
			},
		],
	};
	const { report } = await inspectBytes(model([block], [call('one', 'x', 'a'), call('two', 'a', 'y')]));
	assert.equal(report.run.status, 'ok', report.run.reason);
	// What the first call puts out is never above 0.
	assert.deepEqual(verdicts(report), [
		['one/choice/then_branch', 'match'],
		['one/choice/else_branch', 'skipped'],
		['two/choice/then_branch', 'skipped'],
		['two/choice/else_branch', 'match'],
	]);
	assert.ok(report.layers[3].batch?.mean.every((mean) => mean < 0));
});

test('attributes that refer to the call have its values through several calls, or the defaults', async () => {
	const [abs, bn] = BLOCK.nodes;
	const inner: FunctionSpec = {
		...BLOCK,
		attributes: ['slope'],
		attributeDefaults: { eps: { f: 0.5 } },
		nodes: [
			abs,
			{ ...bn, attributes: { epsilon: { ref: 'eps', type: 1 }, momentum: { f: 0.25 } } },
			{ op: 'LeakyRelu', inputs: ['n'], outputs: ['l'], attributes: { alpha: { ref: 'slope', type: 1 } } },
			{ op: 'Transpose', inputs: ['l'], outputs: ['p'], attributes: { perm: { ref: 'order', type: 7 } } },
			{ op: 'Constant', outputs: ['k'], attributes: { value: { ref: 'offset', type: 4 } } },
			{ op: 'Add', inputs: ['p', 'k'], outputs: ['out'] },
		],
	};
	const outer: FunctionSpec = {
		name: 'Outer',
		domain: DOMAIN,
		inputs: ['in', 'g', 'b', 'm', 'v'],
		outputs: ['out'],
		attributes: ['e', 'o', 'k'],
		nodes: [
			{
				op: 'Block',
				domain: DOMAIN,
				name: 'inner',
				inputs: ['in', 'g', 'b', 'm', 'v'],
				outputs: ['out'],
				attributes: { eps: { ref: 'e', type: 1 }, order: { ref: 'o', type: 7 }, offset: { ref: 'k', type: 4 } },
			},
		],
		opsets: { '': 17, [DOMAIN]: 1 },
	};
	const attributes = { order: { ints: [0, 1, 3, 2] }, offset: { t: { dims: [], values: [10] } } };
	const outerAttributes = { e: { f: 2 }, o: attributes.order, k: attributes.offset };
	const { report } = await inspectBytes(
		model(
			[inner, outer],
			[
				// The default epsilon, and a slope of 0.01 since neither says one.
				{ ...call('one', 'x', 'a'), attributes },
				{ ...call('two', 'a', 'y'), op: 'Outer', attributes: outerAttributes },
			],
		),
	);
	assert.equal(report.run.status, 'ok', report.run.reason);
	assert.deepEqual(
		report.layers.map(({ epsilon, momentum, recompute: { status } }) => [epsilon, momentum, status]),
		[
			[0.5, 0.25, 'match'],
			[2, 0.25, 'match'],
		],
	);
	// What reaches the second one went through everything behind the first: 10 was added to it.
	assert.ok(report.layers[1].batch?.mean.every((mean) => mean > 5));
});

test('parameters known only at run time are judged, unless they are random', async () => {
	const nodes: NodeSpec[] = [
		{ op: 'Mul', inputs: ['oneg', 'factor'], outputs: ['scaled'] },
		{ op: 'Where', inputs: ['mask', 'scaled', 'zero'], outputs: ['gamma'] },
		{ op: 'BatchNormalization', name: 'bn', inputs: ['x', 'gamma', 'oneb', 'onem', 'onev'], outputs: ['y'] },
	];
	const graph = (isInput: boolean) => ({
		inputs: [{ name: 'x', shape: [2, C, 4, 4] }, ...(isInput ? [{ name: 'factor', shape: [C] }] : [])],
		outputs: [{ name: 'y', shape: [2, C, 4, 4] }],
		initializers: [
			...parameters('one', 0),
			{ name: 'mask', dtype: 'bool' as const, values: [0, 1, 1] },
			{ name: 'zero', values: [0] },
			...(isInput ? [] : [{ name: 'factor', values: [1, 1, 1] }]),
		],
		// An operator that the file's own constants are not evaluated through.
		nodes: isInput
			? nodes
			: [{ op: 'Erf', inputs: ['factor'], outputs: ['f'] }, { ...nodes[0], inputs: ['oneg', 'f'] }, ...nodes.slice(1)],
	});
	const codes = async (isInput: boolean) => {
		const { report } = await inspectBytes(buildModel({ graph: graph(isInput) }));
		assert.equal(report.layers[0].parameters?.gamma[0], 0, report.layers[0].recompute.reason);
		return report.layers[0].findings.map(({ code }) => code);
	};
	// Gamma 0 with a beta of its own: the channel is that constant.
	assert.deepEqual(await codes(false), ['constant-channel']);
	assert.deepEqual(await codes(true), []);
});
