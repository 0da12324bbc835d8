import type { Scope } from '../onnx/graph/scope.js';
import type { Graph, Node } from '../onnx/model.js';
import type { Finding } from '../report/types.js';
import type { BatchNormLayer } from './layer.js';

/** Finding about a layer that {@link unusedLayers} returns. */
export const UNUSED: Finding = {
	code: 'unused-by-runtime',
	severity: 'warning',
	channels: [],
	message: 'No output of the graph depends on the layer: runtimes leave it out.',
};

/** Returns the layers on which no output of their graph depends. Takes a time that grows with nodes and names only. */
export function unusedLayers(layers: readonly BatchNormLayer[]): ReadonlySet<BatchNormLayer> {
	const used = new Map<Graph, ReadonlySet<Node>>();
	const unused = layers.filter(({ scope, node }) => {
		const known = used.get(scope.graph) ?? nodesBeforeOutputs(scope);
		used.set(scope.graph, known);
		return !known.has(node);
	});
	return new Set(unused);
}

/** Returns the nodes of a graph on which its outputs depend. Several nodes of a broken graph may write one name. */
function nodesBeforeOutputs(scope: Scope): ReadonlySet<Node> {
	const writers = new Map<string, Node[]>();
	for (const node of scope.graph.nodes) {
		for (const name of node.outputs) {
			append(writers, name, node);
		}
	}
	const namesRead = new Map<Node, string[]>();
	const names = new Set<string>();
	for (const name of writers.keys()) {
		for (const reader of scope.consumers(name)) {
			append(namesRead, reader, name);
		}
		if (scope.isOutput(name)) {
			names.add(name);
		}
	}
	const found = new Set<Node>();
	for (const name of names) {
		for (const node of writers.get(name) ?? []) {
			if (!found.has(node)) {
				found.add(node);
				for (const read of namesRead.get(node) ?? []) {
					names.add(read);
				}
			}
		}
	}
	return found;
}

function append<K, V>(lists: Map<K, V[]>, key: K, value: V): void {
	const list = lists.get(key);
	if (list) {
		list.push(value);
	} else {
		lists.set(key, [value]);
	}
}
