import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LayerReport } from '../../../../../src/core/report/types.js';
import { seededRandom } from '../../../../../src/engine/child/tensors/random.js';
import { inspectBytes } from '../../../support/inspect.js';
import { buildModel, type NodeSpec, type TensorSpec } from '../../../support/model-builder.js';

const C = 6;
const FLOAT = 1;

function values(seed: number, length: number): number[] {
	const random = seededRandom(seed);
	return Array.from({ length }, () => random.normal());
}

/** Constants of a layer with a value per channel along `axis` of data with `rank` dimensions. */
function constants(name: string, axis: number, rank: number): TensorSpec[] {
	const dims = Array.from({ length: rank }, (_, at) => (at === axis ? C : 1));
	return ['mean', 'scale', 'shift'].map((part, i) => ({
		name: `${name}_${part}`,
		dims,
		values: values(i + 1, C).map((value) => (part === 'scale' ? value + 3 * Math.sign(value) : value)),
	}));
}

interface Shape {
	/** Shape of the data that the layer normalizes. */
	readonly shape: readonly number[];
	readonly axis: number;
	/** Writes a Cast to float32 in front of every step. */
	readonly casts?: boolean;
	/** Last step: + shift or - shift. */
	readonly last?: 'Add' | 'Sub';
	readonly dtype?: 'float32' | 'float64';
}

/** Inspects (x - mean) * scale + shift, whose constants lie along one axis of the input. */
async function layersOf({ shape, axis, casts = false, last = 'Add' }: Shape): Promise<readonly LayerReport[]> {
	const nodes: NodeSpec[] = [];
	let at = 'x';
	const step = (op: string, constant: string) => {
		if (casts) {
			nodes.push({ op: 'Cast', inputs: [at], outputs: [`${constant}_cast`], attributes: { to: { i: FLOAT } } });
			at = `${constant}_cast`;
		}
		const output = op === last ? 'y' : constant.replace('_', '_of_');
		nodes.push({ op, inputs: [at, constant], outputs: [output] });
		at = output;
	};
	nodes.push({ op: 'Sub', inputs: ['x', 'bn_mean'], outputs: ['centered'] });
	at = 'centered';
	step('Mul', 'bn_scale');
	step(last, 'bn_shift');
	const initializers = constants('bn', axis, shape.length);
	const inputs = [{ name: 'x', shape }];
	const { report } = await inspectBytes(buildModel({ graph: { nodes, initializers, inputs, outputs: ['y'] } }));
	assert.equal(report.run.status, 'ok', report.run.reason);
	return report.layers;
}

test('a decomposed layer is found, recomputed and measured on whatever axis its channels lie', async () => {
	for (const [shape, axis] of [
		[[3, 4, 5, C], 3],
		[[3, 7, C], 2],
		[[3, 4, C, 5], 2],
		[[2, 3, 2, 3, C], 4],
		[[3, C, 4, 5], 1],
		[[C, 4, 5], 0],
	] as const) {
		for (const last of ['Add', 'Sub'] as const) {
			const [layer, ...others] = await layersOf({ shape, axis, last, casts: true });
			assert.ok(layer && others.length === 0, `${shape} along ${axis}`);
			assert.equal(layer.recompute.status, 'match', layer.recompute.reason);
			assert.deepEqual([layer.channels, layer.channelAxis ?? 1], [C, axis]);
			const size = shape.reduce((product, dim) => product * dim, 1);
			assert.deepEqual(layer.batch?.mean.length, C);
			assert.deepEqual([layer.batch?.count, layer.batch?.images], [size / C, axis === 0 ? 1 : shape[0]]);
			const sign = last === 'Sub' ? -1 : 1;
			const [mean, scale, shift] = constants('bn', axis, shape.length).map((tensor) =>
				Float32Array.from(tensor.values ?? [], Number),
			);
			assert.deepEqual([...(layer.affine?.scale ?? [])], [...scale]);
			assert.deepEqual(
				[...(layer.affine?.shift ?? [])],
				[...shift].map((value, c) => sign * value - mean[c] * scale[c]),
			);
		}
	}
});

test('a wrong constant of a channels-last layer is found, because the statistics belong to the channels', async () => {
	const [layer] = await layersOf({ shape: [2, 3, C], axis: 2 });
	const [first] = await layersOf({ shape: [2, C, 3], axis: 1 });
	assert.notDeepEqual(layer.batch?.mean, first.batch?.mean);
	assert.equal(layer.normalization?.methods.find(({ method }) => method === 'location')?.statistics, 3);
	assert.equal(layer.normalization?.methods.find(({ method }) => method === 'activation')?.statistics, 3 * C);
});
