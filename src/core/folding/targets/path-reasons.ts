import type { BatchNormLayer } from '../../batchnorm/layer.js';
import type { Place } from '../../onnx/graph/traverse.js';
import type { DataTypeCode, Node } from '../../onnx/model.js';
import type { FoldReason } from '../../report/fold-reasons.js';
import type { FoldTarget } from './target.js';
import { MOVING } from './walk-path.js';

/**
 * Returns the obstacles between an operator and a layer with channels traced to it: a node that does more than move or
 * add, or a tensor that another node reads.
 * @param from the operator, or the layer folded into it that this one follows; `path` leads from there on. `type`:
 * element type of the operator's output; 0 if unknown
 */
export function wayReasons(
	{ scope }: BatchNormLayer,
	{ from, path, type }: { readonly from: Node; readonly path: FoldTarget['path']; readonly type: DataTypeCode },
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
	if (!path.every((place) => keepsValues(place, type))) {
		reasons.push('operator-between');
	}
	return reasons;
}

/** True for a Dropout that hands on its input in every run. */
function isInactiveDropout({ scope, node }: Place): boolean {
	const opset = scope.opset();
	const isSwitched =
		opset >= 12 ? (node.inputs[2] ?? '') !== '' : opset < 7 && scope.attribute(node, 'is_test')?.i !== 1;
	return node.opType === 'Dropout' && !isSwitched;
}

/** True for a node that moves or averages elements, adds a constant, or leaves its elements as they are. */
export function keepsValues(place: Place, type: DataTypeCode): boolean {
	const { scope, node } = place;
	const { opType } = node;
	const isCast = opType === 'Cast' && type !== 0 && scope.attribute(node, 'to')?.i === type;
	return isCast || isInactiveDropout(place) || opType === 'Identity' || opType === 'Add' || MOVING.has(opType);
}
