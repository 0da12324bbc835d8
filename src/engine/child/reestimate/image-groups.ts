import type { Node } from '../../../core/onnx/model.js';
import type { Tensors } from '../tensors/tensor.js';
import type { BlockedGraph } from './blocked-graph.js';
import { BLOCKED_DOMAIN } from './graph-additions.js';

/**
 * Groups of images into which the large tensors of a batch are divided. Other tensors hold all images. A single group is
 * the undivided batch.
 */
export class ImageGroups {
	/** Images of each group, in order. */
	readonly sizes: readonly number[];
	/** Names of the tensors that are divided. */
	readonly #divided: ReadonlySet<string>;

	constructor(sizes: readonly number[], divided: Iterable<string>) {
		this.sizes = sizes;
		this.#divided = new Set(sizes.length > 1 ? divided : []);
	}

	isDivided(name: string): boolean {
		return this.#divided.has(name);
	}

	/** Returns the name of a tensor in a group. */
	nameOf(name: string, group: number): string {
		return this.#divided.has(name) ? `${name}//group${group}` : name;
	}

	/** Returns the names of a tensor in all groups, or its own name if it is not divided. */
	namesOf(name: string): readonly string[] {
		return this.#divided.has(name) ? this.sizes.map((_, group) => this.nameOf(name, group)) : [name];
	}
}

/** A tensor in groups of images. */
export interface GroupedTensor {
	/** Names in each group. */
	readonly groups: readonly string[];
	/** Images of each group. */
	readonly sizes: readonly number[];
	/** Shape of the layer's input, which has the same images and pixels. */
	readonly shape: readonly number[];
}

/** Maximum bytes of a group's largest layer input: more leave no room for its results in a cache of 32 MB. */
export const GROUP_BYTES = 20e6;
/** Maximum number of groups. Each adds a copy of all nodes, and a node takes some microseconds. */
const MAX_GROUPS = 16;

/** Operators of ONNX that treat each image by itself. */
const BY_IMAGE: ReadonlySet<string> = new Set([
	...['Add', 'Mul', 'Sub', 'Div', 'Relu', 'Clip', 'LeakyRelu', 'Sigmoid', 'Tanh', 'HardSigmoid', 'HardSwish', 'Erf'],
	...['Conv', 'AveragePool', 'MaxPool', 'GlobalAveragePool', 'GlobalMaxPool'],
]);

/**
 * Divides a batch into groups of images that fit the processor's cache. The statistics need the whole batch, but the
 * operators between two layers do not: a group goes through all of them before the next one begins. Behind the last layer
 * that is too large for the cache with all images, the batch is not divided, since each group has a copy of all nodes.
 * @param inputs of the model, to be divided along their first axis
 * @param shapes of the layers' inputs, by layer index
 * @param groupBytes maximum bytes of a group's largest layer input, unless that of one image takes more
 */
export function imageGroups(
	{ layers, nodes }: BlockedGraph,
	inputs: Tensors,
	shapes: ReadonlyMap<number, readonly number[]>,
	groupBytes: number,
): ImageGroups {
	const sizes = layers.map(({ index, width }) => {
		const [images = 0, , rows = 0, columns = 0] = shapes.get(index) ?? [];
		return { images, bytes: 4 * width * rows * columns };
	});
	const [{ images }] = sizes;
	const large = layers.filter((_, position) => images * sizes[position].bytes > groupBytes);
	const divided = nodesOfLarge(
		nodes,
		new Set(large.flatMap(({ source, marker }) => [source.outputs[0], marker.outputs[0]])),
	);
	const isDivisible =
		images > 0 &&
		sizes.every((size) => size.images === images) &&
		[...inputs.values()].every(({ dims }) => dims[0] === images) &&
		divided.every(isByImage);
	if (!isDivisible || divided.length === 0) {
		return new ImageGroups([images], []);
	}
	const fitting = Math.floor(groupBytes / Math.max(...sizes.map(({ bytes }) => bytes)));
	const size = Math.max(1, fitting, Math.ceil(images / MAX_GROUPS));
	const whole = new Array<number>(Math.floor(images / size)).fill(size);
	// The rest goes first, because the last group gives the centers.
	const names = [...inputs.keys(), ...divided.flatMap(({ outputs }) => outputs)];
	return new ImageGroups(images % size > 0 ? [images % size, ...whole] : whole, names);
}

/** Returns the nodes that compute or read large tensors, and all in front of them. @param nodes in executable order */
function nodesOfLarge(nodes: readonly Node[], large: ReadonlySet<string>): readonly Node[] {
	const needed = new Set(large);
	return nodes.toReversed().filter(({ inputs, outputs }) => {
		const isNeeded = outputs.some((name) => needed.has(name)) || inputs.some((name) => large.has(name));
		for (const name of isNeeded ? inputs : []) {
			needed.add(name);
		}
		return isNeeded;
	});
}

function isByImage({ domain, opType, attributes }: Node): boolean {
	return domain === BLOCKED_DOMAIN || BY_IMAGE.has(opType) || (opType === 'Concat' && attributes.get('axis')?.i === 1);
}
