import type { Graph, Node } from '../../../core/onnx/model.js';
import type { Comparison, LayerComparison } from '../../../core/report/comparison.js';
import type { ModelFile } from '../model/model-file.js';

/** The tensors of both models that hold a layer's output. */
export interface LayerTensors {
	readonly layer: string;
	readonly original: string;
	readonly deployed: string;
}

/** For the layers of the main graph whose output can be found in the deployed model, in graph order. */
export function layerTensors({
	own,
	other,
	comparison,
}: {
	readonly own: ModelFile;
	readonly other: ModelFile;
	readonly comparison: Comparison;
}): LayerTensors[] {
	const { graph } = other.model;
	return own.layers.flatMap((layer, index) => {
		const compared = comparison.layers[index];
		const deployed = compared && layer.graphPath === '' ? outputIn(graph, compared) : undefined;
		return deployed === undefined ? [] : [{ layer: layer.name, original: layer.output, deployed }];
	});
}

/** The output of the operator that a layer went into, past what still belongs to the layer. */
function outputIn(graph: Graph, { into, status }: LayerComparison): string | undefined {
	const node = into && graph.nodes.find(({ name, outputs }) => (name || outputs[0]) === into.name);
	// The runtime's own fusions have the activation in them, too.
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
