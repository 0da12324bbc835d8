import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspectBytes } from '../../../support/inspect.js';
import { buildModel, type NodeSpec } from '../../../support/model-builder.js';

const parameters = ['gamma', 'beta', 'mean', 'variance'].map((name) => ({ name, values: [1, 1] }));

function batchNorm(input: string, output: string): NodeSpec {
	return {
		op: 'BatchNormalization',
		name: `bn_${output}`,
		inputs: [input, 'gamma', 'beta', 'mean', 'variance'],
		outputs: [output],
	};
}

test('an overflow is reported at the first layer behind it, and in every branch that it enters by itself', async () => {
	const nodes: NodeSpec[] = [
		batchNorm('x', 'a'),
		{ op: 'Mul', inputs: ['a', 'huge'], outputs: ['over'] },
		batchNorm('over', 'b'),
		{ op: 'Sub', inputs: ['b', 'b'], outputs: ['nan'] },
		...Array.from({ length: 20 }, (_, i) => batchNorm(i === 0 ? 'nan' : `d${i - 1}`, `d${i}`)),
		// A second overflow beside the first.
		{ op: 'Mul', inputs: ['x', 'huge'], outputs: ['side'] },
		batchNorm('side', 'e'),
		{ op: 'Add', inputs: ['d19', 'e'], outputs: ['y'] },
	];
	const { report } = await inspectBytes(
		buildModel({
			graph: {
				inputs: [{ name: 'x', shape: [1, 2, 4, 4] }],
				outputs: ['y'],
				initializers: [...parameters, { name: 'huge', dims: [], values: [3e38] }],
				nodes,
			},
		}),
		{ batch: 1 },
	);
	const reporting = report.layers.filter(({ findings }) => findings.some(({ code }) => code === 'non-finite'));
	assert.deepEqual(
		reporting.map(({ name }) => name),
		['bn_b', 'bn_e'],
	);
	assert.match(reporting[0].findings[0].message, /Layers behind this one get them, too/);
	assert.ok(report.layers.filter(({ batch }) => batch?.nonFinite).length > 20);
});

test('a scale beyond float32 is the fault of the file, not of the runtime', async () => {
	const [C, last] = [4, 1];
	const values = (value: number, odd: number) => Array.from({ length: C }, (_, c) => (c === last ? odd : value));
	const { report } = await inspectBytes(
		buildModel({
			graph: {
				inputs: [{ name: 'x', shape: [1, C, 6, 6] }],
				outputs: ['y'],
				initializers: [
					// Scale and shift overflow to infinities, whose sum is NaN.
					{ name: 'gamma', values: values(1, 3e38) },
					{ name: 'beta', values: values(0, 0) },
					{ name: 'mean', values: values(0, -0.5) },
					{ name: 'variance', values: values(1, 1e-4) },
				],
				nodes: [batchNorm('x', 'y')],
			},
		}),
	);
	const [{ recompute, findings }] = report.layers;
	assert.equal(recompute.status, 'skipped');
	assert.match(
		'reason' in recompute ? (recompute.reason ?? '') : '',
		/^Not judged in channel 1: scale or shift is beyond/,
	);
	assert.deepEqual(
		findings.map(({ code, meaning, severity }) => [code, meaning, severity]),
		[['exploding-scale', 'beyond-range', 'error']],
	);
});
