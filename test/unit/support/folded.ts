import { planFold } from '../../../src/core/folding/rewrite/fold-model.js';
import type { Model } from '../../../src/core/onnx/model.js';
import { planEdits, renderEdits } from '../../../src/core/onnx/write/edit.js';
import { openBytes } from './open.js';

/**
 * A model with its normalization folded, as a converter would leave it.
 * @param epsilons of the n-th BatchNormalization node of the main graph, for a converter that gets it wrong
 */
export async function foldedModel(
	bytes: Uint8Array,
	epsilons: Readonly<Record<number, number>> = {},
): Promise<Uint8Array> {
	const { model, source } = await openBytes(bytes);
	const { edits } = await planFold(withEpsilons(model, epsilons), { source });
	const chunks: Uint8Array[] = [];
	for await (const chunk of renderEdits(await planEdits(source, edits), source)) {
		chunks.push(chunk.slice());
	}
	return Uint8Array.from(Buffer.concat(chunks));
}

function withEpsilons(model: Model, epsilons: Readonly<Record<number, number>>): Model {
	let count = 0;
	const nodes = model.graph.nodes.map((node) => {
		const epsilon = node.opType === 'BatchNormalization' ? epsilons[count++] : undefined;
		return epsilon === undefined
			? node
			: { ...node, attributes: new Map([...node.attributes, ['epsilon', { name: 'epsilon', f: epsilon }] as const]) };
	});
	return { ...model, graph: { ...model.graph, nodes } };
}
