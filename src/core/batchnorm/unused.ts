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
	const known = { used: new Set<Node>(), unused: new Set<Node>() };
	// Starts with the last layer, so that earlier searches end at known nodes.
	const unused = layers.toReversed().filter((layer) => !leadsToOutput(layer, known));
	return new Set(unused);
}

/** Layers' nodes that are known to lead to an output, and all nodes that are known to lead to none. */
interface KnownNodes {
	readonly used: Set<Node>;
	readonly unused: Set<Node>;
}

/** @param known nodes that earlier searches have decided; adds those of this search */
function leadsToOutput({ scope, node: start }: BatchNormLayer, { used, unused }: KnownNodes): boolean {
	const seen = new Set([start]);
	for (const node of seen) {
		if (used.has(node) || node.outputs.some((name) => scope.isOutput(name))) {
			used.add(start);
			return true;
		}
		for (const reader of node.outputs.flatMap((name) => scope.consumers(name))) {
			if (!unused.has(reader)) {
				seen.add(reader);
			}
		}
	}
	for (const node of seen) {
		unused.add(node);
	}
	return false;
}
