import type { Graph, Node } from '../../../core/onnx/model.js';

/** Operators before the first convolution that keep the channels. */
const PASSING: ReadonlySet<string> = new Set(['Identity', 'Cast', 'Relu', 'Pad', 'Clip', 'Dropout']);
/** Nodes walked from an input. */
const MAX_WALK = 32;

/** Returns sizes that inputs leave open and the graph implies: the channels in front of a first convolution, by "input:1". */
export function impliedSizes(graph: Graph): Record<string, number> {
	const sizes: Record<string, number> = {};
	for (const { name, shape } of graph.inputs) {
		const channels = shape && shape.length > 2 && typeof shape[1] !== 'number' ? channelsOf(graph, name) : undefined;
		if (channels !== undefined) {
			sizes[`${name}:1`] = channels;
		}
	}
	return sizes;
}

function channelsOf(graph: Graph, input: string): number | undefined {
	const queue = [input];
	for (const name of queue) {
		for (const node of graph.nodes.filter(({ inputs }) => inputs[0] === name)) {
			const found = convolved(graph, node);
			if (found !== undefined) {
				return found;
			}
			if (PASSING.has(node.opType) && queue.length < MAX_WALK) {
				queue.push(node.outputs[0] ?? '');
			}
		}
	}
	return undefined;
}

/** Returns the number of channels that a convolution reads. */
function convolved({ initializers }: Graph, { opType, inputs, attributes }: Node): number | undefined {
	const dims = initializers.get(inputs[1] ?? '')?.dims;
	const group = attributes.get('group')?.i ?? 1;
	if (!dims || dims.length < 3) {
		return undefined;
	}
	return opType === 'Conv' ? dims[1] * Number(group) : opType === 'ConvTranspose' ? dims[0] : undefined;
}
