import type { Node } from '../onnx/model.js';
import type { Finding } from '../report/types.js';
import type { BatchNormLayer } from './layer.js';

/** Finding about a layer that {@link unusedLayers} returns. */
export const UNUSED: Finding = {
	code: 'unused-by-runtime',
	severity: 'warning',
	channels: [],
	message: 'No output of the graph depends on the layer: runtimes leave it out.',
};

/** Returns the layers on which no output of their graph depends. */
export function unusedLayers(layers: readonly BatchNormLayer[]): ReadonlySet<BatchNormLayer> {
	const used = new Set<Node>();
	// Starts with the last layer, because the search from each layer ends at the next one.
	const unused = layers.toReversed().filter((layer) => !leadsToOutput(layer, used));
	return new Set(unused);
}

/** @param used layers' nodes that are known to lead to an output; this one's is added where it does */
function leadsToOutput({ scope, node: start }: BatchNormLayer, used: Set<Node>): boolean {
	const seen = new Set([start]);
	for (const node of seen) {
		if (used.has(node) || node.outputs.some((name) => scope.isOutput(name))) {
			used.add(start);
			return true;
		}
		for (const reader of node.outputs.flatMap((name) => scope.consumers(name))) {
			seen.add(reader);
		}
	}
	return false;
}
