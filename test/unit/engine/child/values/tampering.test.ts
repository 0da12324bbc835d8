import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { comparisonStatus } from '../../../../../src/cli/exit.js';
import type { Comparison } from '../../../../../src/core/report/comparison/comparison.js';
import { seededRandom } from '../../../../../src/engine/child/tensors/random.js';
import { compareBytes } from '../../../support/compare-bytes.js';
import {
	type Block,
	type DeployedForm,
	deployedForm,
	FORM_NAMES,
	modelBytes,
	surround,
	WIDTH,
	weightOf,
} from '../../../support/deployed-forms.js';
import { openBytes } from '../../../support/open.js';
import { CHANGE, changeable, withChange } from '../../../support/tampered.js';

const hasMismatch = (comparison: Comparison) => comparisonStatus(comparison, 'error') === 1;

const BLOCKS: Readonly<Record<string, Block>> = {
	'plain folds': (_, x) => x,
	'operators without a layer': ({ random, from, to }, [x, y]) => {
		const weights = [weightOf(random, WIDTH, WIDTH, 3), weightOf(random, WIDTH, WIDTH, 1)];
		const bias = Float64Array.from({ length: WIDTH }, () => random.normal());
		const chain = (graph: typeof from, at: string) =>
			graph.relu(graph.conv(graph.relu(graph.conv(at, weights[0], bias)), weights[1], bias));
		return [chain(from, x), chain(to, y)];
	},
};

const forms: Readonly<Record<string, (seed: number) => DeployedForm>> = {
	...Object.fromEntries(FORM_NAMES.map((name) => [name, (seed: number) => deployedForm(name, seed)])),
	...Object.fromEntries(Object.entries(BLOCKS).map(([name, block]) => [name, (seed: number) => surround(block, seed)])),
};

/** Constants changed for each form, one at a time. */
const CHANGES = 4;

for (const [at, [name, form]] of Object.entries(forms).entries()) {
	test(`a single changed weight is found: ${name}`, async () => {
		const seed = 1 + at;
		const random = seededRandom(seed);
		const { original, deployed } = form(seed);
		const constants = changeable(deployed);
		for (let change = 0; change < CHANGES; change++) {
			const { tensor, positions } = constants[(seed + change) % constants.length];
			const position = positions[Math.floor(random.uniform() * positions.length)];
			const changed = withChange(deployed, tensor, position);
			const result = await compareBytes(modelBytes(original), modelBytes(changed));
			assert.ok(hasMismatch(result), `${tensor.name} of [${tensor.dims}] at ${position}`);
		}
	});
}

test('a single changed weight is found although the runtime has cut the weights into blocks', async () => {
	const folder = mkdtempSync(path.join(tmpdir(), 'blocked-'));
	try {
		const { original, deployed } = surround(BLOCKS['operators without a layer'], 3);
		const wide = await blocked(modelBytes(deployed), path.join(folder, 'blocked.onnx'));
		assert.ok(!hasMismatch(await compareBytes(modelBytes(original), wide)));
		const { model } = await openBytes(wide);
		const records = [...model.graph.initializers.values()].filter(({ dims }) => dims.length === 4);
		assert.ok(model.graph.nodes.some(({ domain }) => domain === 'com.microsoft.nchwc'));
		for (const { storage, name } of records) {
			assert.ok(storage.kind === 'raw');
			const bytes = wide.slice();
			const view = new DataView(bytes.buffer, bytes.byteOffset + storage.span.offset, storage.span.length);
			const at =
				4 * [...Array(view.byteLength / 4).keys()].findIndex((i) => Math.abs(view.getFloat32(4 * i, true)) > 0.01);
			view.setFloat32(at, view.getFloat32(at, true) * (1 + CHANGE), true);
			assert.ok(hasMismatch(await compareBytes(modelBytes(original), bytes)), name);
		}
	} finally {
		rmSync(folder, { recursive: true });
	}
});

/** Returns a model as onnxruntime optimizes it for this processor. */
async function blocked(bytes: Uint8Array, file: string): Promise<Uint8Array> {
	const { InferenceSession } = await import('onnxruntime-node');
	const session = await InferenceSession.create(bytes, { graphOptimizationLevel: 'all', optimizedModelFilePath: file });
	await session.release();
	return new Uint8Array(readFileSync(file));
}
