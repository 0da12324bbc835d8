import type { BatchNormLayer } from '../../batchnorm/layer.js';
import type { Node } from '../../onnx/model.js';
import type { FoldReason } from '../../report/fold-reasons.js';
import type { FoldTarget } from './target.js';
import { MOVING } from './walk-path.js';

/**
 * Returns the obstacles between an operator and a layer whose channels were traced to it: a node that does more than
 * move or add, or a tensor that another node reads.
 * @param from the operator, or the layer folded into it that this one follows; `path` leads from there on.
 */
export function wayReasons(
	{ scope }: BatchNormLayer,
	{ from, path }: { readonly from: Node; readonly path: FoldTarget['path'] },
): FoldReason[] {
	const between = path.map((place) => place.node);
	const tensors = [from, ...between].map(({ outputs }) => outputs[0] ?? '');
	const reasons: FoldReason[] = [];
	if (tensors.some((name) => scope.consumers(name).length > 1)) {
		reasons.push('several-consumers');
	}
	if (tensors.some((name) => scope.isOutput(name))) {
		reasons.push('graph-output');
	}
	const isUnchanged = between.every(({ opType }) => opType === 'Identity' || opType === 'Add' || MOVING.has(opType));
	if (!isUnchanged) {
		reasons.push('operator-between');
	}
	return reasons;
}
