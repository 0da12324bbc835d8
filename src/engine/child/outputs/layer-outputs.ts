import type { Graph, Node } from '../../../core/onnx/model.js';
import type { Comparison, LayerComparison } from '../../../core/report/comparison/comparison.js';
import type { OpenedModel } from '../model/opened-model.js';

/** Names of both models' tensors that hold a layer's output. */
export interface OutputPair {
	readonly layer: string;
	readonly original: string;
	readonly deployed: string;
}

/** Finds the outputs of layers in the deployed model. Layers of the main graph only, in graph order. */
export function findOutputPairs({
	original,
	deployed,
	comparison,
}: {
	readonly original: OpenedModel;
	readonly deployed: OpenedModel;
	readonly comparison: Pick<Comparison, 'layers'>;
}): OutputPair[] {
	const { graph } = deployed.model;
	return original.layers.flatMap((layer, index) => {
		const compared = comparison.layers[index];
		const output = compared && layer.graphPath === '' ? outputIn(graph, compared) : undefined;
		return output === undefined ? [] : [{ layer: layer.name, original: layer.output, deployed: output }];
	});
}

/** Returns the output of the operator that a layer was folded into, behind the bias and the layer if they follow it. */
function outputIn(graph: Graph, { into, status }: LayerComparison): string | undefined {
	const node = into && graph.nodes.find(({ name, outputs }) => (name || outputs[0]) === into.name);
	// Fused operators (domain not '') contain the activation, too.
	if (!into || node?.domain !== '') {
		return undefined;
	}
	let output = node.outputs[0];
	for (let next = onlyConsumer(graph, output); next; next = onlyConsumer(graph, output)) {
		const addsBias = next.opType === 'Add' && into.bias !== null && next.inputs.includes(into.bias);
		const isLayer = next.opType === 'BatchNormalization' && status !== 'match';
		if (!addsBias && !isLayer) {
			break;
		}
		output = next.outputs[0];
	}
	return output;
}

function onlyConsumer(graph: Graph, tensor: string | undefined): Node | undefined {
	const consumers = graph.nodes.filter(({ inputs }) => tensor !== undefined && inputs.includes(tensor));
	return consumers.length === 1 ? consumers[0] : undefined;
}
