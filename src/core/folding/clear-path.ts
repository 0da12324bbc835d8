import type { BatchNormLayer } from '../batchnorm/layer.js';
import type { Node } from '../onnx/model.js';
import type { FoldReason } from './reasons.js';
import type { FoldTarget } from './target.js';

/** What `foldability` says of a layer behind a reshape: it looks one node back only. */
const SEEN_FROM_ONE_NODE: ReadonlySet<FoldReason> = new Set(['operator-between', 'no-linear-operator', 'rank']);
const MOVING: ReadonlySet<string> = new Set([
	'Reshape',
	'Transpose',
	'Flatten',
	'Squeeze',
	'Unsqueeze',
	'Identity',
	'Add',
]);

/**
 * Whether a layer whose channels were followed to an operator through other nodes can be folded into it: nothing but moves
 * on the way, and no tensor on the way that somebody else sees.
 * @param from the operator, or the layer folded into it that this one follows; `path` leads from there on.
 * @param reasons what `foldability` has against the layer.
 */
export function isClearPath(
	{ scope, node, dtype, gamma }: BatchNormLayer,
	{ from, path }: { readonly from: Node; readonly path: FoldTarget['path'] },
	reasons: readonly FoldReason[],
): boolean {
	if (reasons.some((reason) => !SEEN_FROM_ONE_NODE.has(reason)) || (gamma.dtype !== dtype && dtype !== 'unknown')) {
		return false;
	}
	const readers = [...path.map((place) => place.node), node];
	return [from, ...path.map((place) => place.node)].every((writer, index) => {
		const tensor = writer.outputs[0] ?? '';
		const [reader, ...others] = scope.consumers(tensor);
		const isOwn = scope.producer(tensor) === writer && reader === readers[index] && others.length === 0;
		return isOwn && !scope.isOutput(tensor) && (writer === from || MOVING.has(writer.opType));
	});
}
