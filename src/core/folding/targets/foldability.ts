import type { BatchNormLayer } from '../../batchnorm/layer.js';
import { OnnxError } from '../../onnx/errors.js';
import type { FoldReason } from '../../report/fold-reasons.js';
import { hasSharedWeight } from '../operators/linear.js';
import { foldSteps } from './fold-steps.js';
import { type LayeredModel, readFoldNetwork } from './network.js';

export interface Foldability {
	/**
	 * Name of the node that takes the layer in, or the name of its output if it has none; null if the layer is not
	 * foldable.
	 */
	readonly into: string | null;
	/** Every obstacle found; with `into`, at most `shared-weight`. */
	readonly reasons: readonly FoldReason[];
}

/** Predicts the result of `planFold` for each layer of a model, in layer order, without reading the weights. */
export async function foldability(model: LayeredModel): Promise<readonly Foldability[]> {
	const unreadable = new Set<BatchNormLayer>();
	const network = await readFoldNetwork(model, (layer, error) => {
		if (!(error instanceof OnnxError)) {
			throw error;
		}
		unreadable.add(layer);
	});
	const steps = await foldSteps(network);
	return Array.from(steps, ([layer, step]): Foldability => {
		if (unreadable.has(layer)) {
			return { into: null, reasons: ['dynamic-parameter'] };
		}
		return Array.isArray(step)
			? { into: null, reasons: step }
			: { into: step.operator.name, reasons: hasSharedWeight(step.operator) ? ['shared-weight'] : [] };
	});
}
