import type { BatchNormLayer, Parameter } from '../../../core/batchnorm/layer.js';
import { isApproximate } from '../../../core/onnx/graph/approximate.js';

/** Returns the parameters of a layer that only a run can determine, also to the last bit. */
export function runTimeParameters(layer: BatchNormLayer): Parameter[] {
	return [layer.gamma, layer.beta, layer.mean, layer.variance].filter(isRunTime);
}

/** True for a BatchNormalization in training mode, which writes new statistics over the session's constants. */
export function overwritesStatistics({ kind, mode }: BatchNormLayer): boolean {
	return kind === 'batchnorm' && mode === 'training';
}

function isRunTime({ values, origin }: Parameter): boolean {
	return isApproximate(origin) || (values === null && (origin.kind === 'graph-input' || origin.kind === 'runtime'));
}
