import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Report } from '../../../../src/core/report/types.js';
import { inspectBytes } from '../../support/inspect.js';
import {
	buildModel,
	type FunctionSpec,
	type ModelSpec,
	type NodeSpec,
	type TensorSpec,
} from '../../support/model-builder.js';

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

test('layers in functions are checked, each call with its own parameters, under the names that they have', async () => {
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

test('a function that is more than a list of nodes is left alone, and its layers say so', async () => {
	const [abs, bn, relu] = BLOCK.nodes;
	const leaky = { ...relu, op: 'LeakyRelu', attributes: { alpha: { ref: 'slope', type: 1 } } };
	const withAttribute = { ...BLOCK, attributes: ['slope'], nodes: [abs, bn, leaky] };
	const nodes = [{ ...call('one', 'x', 'y'), attributes: { slope: { f: 0.5 } } }];
	const { report } = await inspectBytes(model([withAttribute], nodes));
	assert.deepEqual(verdicts(report), [['one', 'skipped']]);
	assert.match(report.layers[0].recompute.reason ?? '', /^Not checked: the layer is inside one, where/);
	const older = { ...BLOCK, opsets: { '': 13 } };
	assert.deepEqual(verdicts((await inspectBytes(model([older], [call('one', 'x', 'y')]))).report), [
		['one', 'skipped'],
	]);
});

test('the parameters that only a run tells are judged, unless they are made up', async () => {
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
