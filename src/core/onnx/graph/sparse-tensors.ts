import type { Graph, Model, Node, TensorRecord } from '../model.js';
import { isBacked } from '../tensor/backed.js';
import { bodies } from './graph-index.js';

/** Returns a sparse tensor that claims more elements than its values bear out; undefined if there is none. */
export function overstatedTensor({ graph, functions }: Model): TensorRecord | undefined {
	return inGraph(graph) ?? first(functions, ({ nodes }) => first(nodes, inNode));
}

function inGraph({ sparseInitializers, nodes }: Graph): TensorRecord | undefined {
	return [...sparseInitializers.values()].find((record) => !isBacked(record)) ?? first(nodes, inNode);
}

function inNode(node: Node): TensorRecord | undefined {
	const own = first([...node.attributes.values()], ({ sparse }) => (sparse && !isBacked(sparse) ? sparse : undefined));
	return own ?? first(bodies(node), ({ graph }) => inGraph(graph));
}

function first<T>(items: readonly T[], find: (item: T) => TensorRecord | undefined): TensorRecord | undefined {
	for (const item of items) {
		const found = find(item);
		if (found) {
			return found;
		}
	}
	return undefined;
}
