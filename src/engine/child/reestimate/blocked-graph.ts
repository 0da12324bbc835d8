import { mkdir, readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { OnnxError } from '../../../core/onnx/errors.js';
import type { Node } from '../../../core/onnx/model.js';
import { readTensor } from '../../../core/onnx/tensor/tensor.js';
import { replaceMessage } from '../../../core/onnx/write/edit.js';
import { encodeNode } from '../../../core/onnx/write/encode.js';
import { NodeNet, namesRead } from '../model/node-net.js';
import { type OpenedModel, openModel } from '../model/opened-model.js';
import { loadPart } from '../model/partial-session.js';
import { type Runtime, RuntimeError } from '../runtime/runtime.js';
import { BLOCKED_DOMAIN, GraphAdditions } from './graph-additions.js';
import type { SingleGraph } from './single-graph.js';

/** A layer in the runtime's blocked layout. */
export interface BlockedLayer {
	readonly index: number;
	/** Convolution of 1 x 1 by channel that stands for the layer. */
	readonly marker: Node;
	/** Convolution in front of it, with no other reader. */
	readonly source: Node;
	/** Channels of the layer. */
	readonly count: number;
	/** Channels including those that fill the last block. */
	readonly width: number;
	/**
	 * Channels of the convolution's input, including those that fill the last block, if it is a product with each pixel;
	 * undefined for other convolutions.
	 */
	readonly pixelWidth: number | undefined;
}

/** A model as the runtime rewrites it for its blocked layout. */
export interface BlockedGraph {
	readonly optimized: OpenedModel;
	readonly layers: readonly BlockedLayer[];
	/** Nodes in front of the layers. */
	readonly nodes: readonly Node[];
}

/** The least number that marks a layer: 0 fills blocks and 1 is common. */
const FIRST_MARK = 2;

/**
 * Lets the runtime optimize a model in which convolutions of 1 x 1 by channel stand for the layers. Weights and biases of
 * each hold a number that tells it from the others.
 * @param scratch path of a folder that does not exist; made for the optimized model, and removed
 * @returns undefined if a layer is not directly behind a convolution in the blocked layout, or the runtime cannot do it
 */
export async function blockedGraph(
	graph: SingleGraph,
	runtime: Runtime,
	scratch: string,
): Promise<BlockedGraph | undefined> {
	const { model, layers, nodes, given, opset, batchEdits } = graph;
	const additions = new GraphAdditions(model.model.graph);
	const replacements = layers.map((index, position) => {
		const { node, channels, gamma } = model.layers[index];
		const size = channels || (gamma.values?.length ?? 0);
		const mark = new Float32Array(size).fill(position + FIRST_MARK);
		const weight = additions.constant(`layer${index}//weight`, [size, 1, 1, 1], mark);
		const bias = additions.constant(`layer${index}//bias`, [size], mark);
		const inputs = [node.inputs[0], weight, bias];
		const parts = { opType: 'Conv', name: '', inputs, outputs: [node.outputs[0]], integers: { group: size } };
		return replaceMessage(node, encodeNode(parts));
	});
	const read = new Set(nodes.flatMap((node) => [...namesRead(node)]));
	const outputs = layers.map((index) => model.layers[index].output).filter((name) => !read.has(name));
	const edits = [...batchEdits, ...replacements, ...additions.edits];
	try {
		const part = { nodes, outputs, given, edits, opset };
		const file = path.join(scratch, 'optimized.onnx');
		await mkdir(scratch);
		const options = { levels: ['all'], disabledOptimizers: ['ConstantSharing'], optimizedModelPath: file } as const;
		const session = await loadPart(model, part, runtime, options);
		await session.release();
		const optimized = await openModel({ path: file, bytes: await readFile(file) });
		// Large constants may still be in the files of the model.
		return await located({ ...optimized, folder: model.folder }, graph);
	} catch (error) {
		if (error instanceof RuntimeError || error instanceof OnnxError || isSystemError(error)) {
			return undefined;
		}
		throw error;
	} finally {
		await rm(scratch, { recursive: true, force: true, maxRetries: 5 });
	}
}

const isSystemError = (error: unknown): boolean => error instanceof Error && 'code' in error;

/** Finds the markers of all layers. Returns undefined if one is missing, changed, or not behind a convolution alone. */
async function located(
	optimized: OpenedModel,
	{ model, layers, given }: SingleGraph,
): Promise<BlockedGraph | undefined> {
	const { graph } = optimized.model;
	const net = new NodeNet(graph);
	const convolutions = graph.nodes.filter(({ domain, opType }) => domain === BLOCKED_DOMAIN && opType === 'Conv');
	const readers = new Map<string, number>();
	for (const node of graph.nodes) {
		for (const name of node.inputs) {
			readers.set(name, (readers.get(name) ?? 0) + 1);
		}
	}
	const found = new Map<number, BlockedLayer>();
	for (const marker of convolutions) {
		const mark = await markOf(optimized, marker);
		const index = mark === undefined ? undefined : layers[mark.value - FIRST_MARK];
		if (mark === undefined || index === undefined) {
			continue;
		}
		const source = net.writer(marker.inputs[0]);
		const isLinear =
			source !== undefined &&
			convolutions.includes(source) &&
			!source.attributes.has('activation') &&
			(source.inputs[3] ?? '') === '' &&
			readers.get(marker.inputs[0]) === 1;
		const { channels, gamma, epsilon } = model.layers[index];
		if (!isLinear || found.has(index) || mark.count !== (channels || gamma.values?.length) || !(epsilon > 0)) {
			return undefined;
		}
		const pixelWidth = pixelWidthOf(optimized, source);
		found.set(index, { index, marker, source, count: mark.count, width: mark.width, pixelWidth });
	}
	const sources = [...found.values()].map(({ source }) => source.outputs[0]);
	return found.size === layers.length
		? { optimized, layers: [...found.values()], nodes: net.ancestors(sources, new Set(given.keys())) }
		: undefined;
}

/** Channels of the largest block. The runtime does not divide fewer channels into blocks. */
const LARGEST_BLOCK = 16;

/** Returns the input channels of a convolution of 1 x 1 with stride 1; undefined for others, and for fewer than a block. */
function pixelWidthOf({ model }: OpenedModel, { inputs, attributes }: Node): number | undefined {
	const [, channels = 0, ...kernel] = model.graph.initializers.get(inputs[1])?.dims ?? [];
	const all = (name: string, value: number) => (attributes.get(name)?.ints ?? []).every((each) => each === value);
	const isByPixel =
		kernel.join() === '1,1' && (attributes.get('group')?.i ?? 1) === 1 && all('strides', 1) && all('pads', 0);
	return isByPixel && channels >= LARGEST_BLOCK ? channels : undefined;
}

interface Mark {
	readonly value: number;
	/** Channels that hold the value. */
	readonly count: number;
	/** All channels. Those behind hold 0. */
	readonly width: number;
}

/** Returns undefined for other convolutions, and for a marker that an optimizer has changed. */
async function markOf({ model, access }: OpenedModel, { inputs, attributes }: Node): Promise<Mark | undefined> {
	const [weight, bias] = inputs.slice(1, 3).map((name) => model.graph.initializers.get(name));
	const [width = 0, ...rest] = weight?.dims ?? [];
	if (!weight || !bias || rest.join() !== '1,1,1' || attributes.get('group')?.i !== width || bias.dims[0] !== width) {
		return undefined;
	}
	const [a, b] = [await readTensor(weight, access), await readTensor(bias, access)];
	const [value] = a.data;
	const end = a.data.findIndex((each) => each !== value);
	const count = end < 0 ? width : end;
	const isMark = Array.from(a.data).every((each, c) => each === (c < count ? value : 0) && each === b.data[c]);
	return isMark && Number.isInteger(value) && value >= FIRST_MARK ? { value, count, width } : undefined;
}
