import type { BatchNormLayer } from '../../batchnorm/layer.js';
import type { Node } from '../../onnx/model.js';
import type { FoldReason } from '../../report/fold-reasons.js';
import type { FoldTarget } from './target.js';
import { MOVING } from './walk-path.js';

/**
 * What keeps a layer whose channels were followed to an operator from being folded into it: something else than moves
 * and additions on the way, or a tensor on the way that somebody else sees.
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
