/** Pure fold cases for the diagnosis, made from the generator's layers. */

import type { FoldCase } from '../../../src/core/folding/diagnosis/observed/fold-case.js';
import { alongAxis, alongGroupedAxis } from '../../../src/core/folding/operators/layout.js';
import type { RandomLayer } from '../../folding/layers.js';
import type { Folded } from '../../folding/tool.js';

const inFloat64 = (values: Float32Array): Float64Array => Float64Array.from(values);

/** `found` as a fold of the layer. */
export function foldCaseOf(layer: RandomLayer, found: Folded): FoldCase {
	const { op, dims, group, transB } = layer;
	const layout =
		op === 'ConvTranspose' ? alongGroupedAxis(dims, group) : alongAxis(dims, op === 'Conv' || transB ? 0 : 1);
	return {
		original: { weight: layer.weight, layout, bias: layer.bias && inFloat64(layer.bias) },
		deployed: { weight: found.weight, layout, bias: inFloat64(found.bias) },
		parameters: {
			gamma: inFloat64(layer.gamma),
			beta: inFloat64(layer.beta),
			mean: inFloat64(layer.mean),
			variance: inFloat64(layer.variance),
			epsilon: layer.epsilon,
		},
		dims,
		stored: 'float32',
		source: 'float32',
		groups: group > 1 ? [group] : [],
		gemmBetas: [],
	};
}
