/** Quantized models in other forms than the original's, in which one integer code is changed. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { comparisonStatus } from '../../../../../src/cli/exit.js';
import { seededRandom } from '../../../../../src/engine/child/tensors/random.js';
import { compareBytes } from '../../../support/compare-bytes.js';
import { BLOCKS, type FormName, modelBytes, surround } from '../../../support/deployed-forms.js';
import { buildModel, type GraphSpec, type ModelSpec } from '../../../support/model-builder.js';
import { QUANTIZED_SPECS } from '../../../support/quantized-models.js';

/** Forms in which no deployed weight is that of one layer. */
const FORMS: readonly FormName[] = [
	'three branches merged into one convolution',
	'one layer split over two convolutions',
	'two layers merged into one convolution',
	'hidden channels in another order',
	'channels equalized across two layers',
];
const QUANTIZATIONS = [
	'QDQ per channel',
	'QDQ per tensor, uint8',
	'QLinearConv',
	'dynamic quantization',
	'weights only',
];

/** Steps by which a code is changed: more than rounding may, and less than the noise of the values. */
const STEPS = 3;

/** Changes the code of one weight. @param at share of the way through all codes */
function withChangedCode(spec: ModelSpec, at: number): ModelSpec {
	const { initializers = [] } = spec.graph;
	const isWeight = ({ dtype, dims = [] }: (typeof initializers)[number]) =>
		(dtype === 'int8' || dtype === 'uint8') && dims.length > 1;
	const weights = initializers.filter(isWeight);
	const changed = weights[Math.floor(at * weights.length)];
	const values = (changed.values ?? []).map(Number);
	const middle = changed.dtype === 'uint8' ? 128 : 0;
	// Codes far from the middle of the range are no zeros of a kernel, and leave room towards it.
	const candidates = [...values.keys()].filter((index) => Math.abs(values[index] - middle) > 20);
	const index = candidates[Math.floor(((at * weights.length) % 1) * candidates.length)];
	values[index] += values[index] > middle ? -STEPS : STEPS;
	const graph: GraphSpec = {
		...spec.graph,
		initializers: initializers.map((tensor) => (tensor === changed ? { ...tensor, values } : tensor)),
	};
	return { ...spec, graph };
}

for (const [at, name] of FORMS.entries()) {
	const quantization = QUANTIZATIONS[at % QUANTIZATIONS.length];
	test(`a changed code is found: ${name}, ${quantization}`, async () => {
		const random = seededRandom(at);
		const { original, deployed } = surround(BLOCKS[name], 40 + at);
		const right = QUANTIZED_SPECS[quantization](deployed);
		const compared = (spec: ModelSpec, run: boolean) => compareBytes(modelBytes(original), buildModel(spec), { run });
		for (const run of [true, false]) {
			const { layers } = await compared(right, run);
			const said = layers.map((layer) => `${layer.name}: ${layer.status}, ${layer.evidence}`).join('\n');
			assert.ok(
				layers.every(({ status }) => status === 'match' || status === 'kept'),
				`run ${run}: ${said}`,
			);
		}
		for (let change = 0; change < 3; change++) {
			const share = (change + random.uniform()) / 3;
			const comparison = await compared(withChangedCode(right, share), true);
			const said = comparison.layers.map((layer) => `${layer.name}: ${layer.status}, ${layer.evidence}`).join('\n');
			assert.notEqual(comparisonStatus(comparison, 'error'), 0, `at ${share}: ${said}`);
		}
	});
}
