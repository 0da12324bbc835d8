/** Names that the runtime's binding cannot pass are a reason for a missing check, never for a mismatch. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Report } from '../../../../../src/core/report/types.js';
import { inspect } from '../../../../../src/engine/child/inspect.js';
import { loadRuntime } from '../../../../../src/engine/child/runtime/runtime.js';
import { createKernel } from '../../../../../src/kernel/index.js';
import { buildModel, type NodeSpec } from '../../../support/model-builder.js';

const kernel = createKernel();
const ports = { runtime: loadRuntime, kernel: () => kernel, emit: () => {} };

function inspectBytes(bytes: Uint8Array): Promise<Report> {
	return inspect({ path: 'm.onnx', bytes }, { run: true, inputs: [], batch: 1, seed: 0 }, ports);
}

function model(output: string, before: readonly NodeSpec[] = [], input = 'x'): Uint8Array {
	const values = [1, 1, 1, 1];
	return buildModel({
		graph: {
			inputs: [{ name: 'x', shape: [1, 4, 2, 2] }],
			outputs: [{ name: output }],
			initializers: ['g', 'b', 'm', 'v'].map((name) => ({ name, values })),
			nodes: [...before, { op: 'BatchNormalization', inputs: [input, 'g', 'b', 'm', 'v'], outputs: [output] }],
		},
	});
}

/** Replaces a name by bytes of the same length that are no UTF-8. */
function withBytes(bytes: Uint8Array, name: string): Uint8Array {
	const broken = Buffer.from([0xff, 0xfe, ...new Array<number>(name.length - 3).fill(0x80), 0x28]).toString('latin1');
	return Buffer.from(Buffer.from(bytes).toString('latin1').replaceAll(name, broken), 'latin1');
}

const ODD = ['__proto__', 'constructor', 'toString', 'hasOwnProperty', '1', ''];

for (const name of ODD.filter((odd) => odd !== '')) {
	test(`an output that is called ${name} is no mismatch`, async () => {
		const { layers, run } = await inspectBytes(model(name));
		const { status, reason } = layers[0].recompute;
		if (name === '__proto__') {
			assert.equal(status, 'skipped', `${run.status} ${reason}`);
			assert.match(reason ?? '', /cannot pass a tensor named "__proto__": rename it in the model\.$/);
		} else {
			assert.equal(status, 'match', `${name}: ${reason}`);
		}
	});
}

test('an output whose name is not UTF-8 is no mismatch', async () => {
	const { layers } = await inspectBytes(withBytes(model('output_name'), 'output_name'));
	assert.equal(layers[0].recompute.status, 'skipped');
	assert.match(layers[0].recompute.reason ?? '', /cannot pass a tensor named ".*\\udc.*": rename it in the model\.$/);
});

test('an input whose name is not UTF-8 is no mismatch', async () => {
	const bytes = withBytes(model('y', [{ op: 'Relu', inputs: ['input_name'], outputs: ['r'] }], 'r'), 'input_name');
	const { layers } = await inspectBytes(bytes);
	assert.notEqual(layers[0].recompute.status, 'mismatch');
});

test('a node of 200,000 inputs does not overflow the stack', async () => {
	const inputs = new Array<string>(200_000).fill('x');
	const { layers } = await inspectBytes(
		model('y', [{ op: 'Concat', inputs, outputs: ['c'], attributes: { axis: { i: 0 } } }], 'c'),
	);
	assert.notEqual(layers[0].recompute.status, 'mismatch');
	const names = inputs.map((_, index) => `missing${index}`);
	const missing = model('y', [{ op: 'Concat', inputs: names, outputs: ['c'], attributes: { axis: { i: 0 } } }], 'c');
	assert.notEqual((await inspectBytes(missing)).layers[0].recompute.status, 'mismatch');
});
