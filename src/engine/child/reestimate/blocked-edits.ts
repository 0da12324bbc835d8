import type { Node } from '../../../core/onnx/model.js';
import { typeCode } from '../../../core/onnx/types.js';
import { addToGraph, type Edit, replaceMessage } from '../../../core/onnx/write/edit.js';
import { type NodeChange, rewriteNode } from '../../../core/onnx/write/encode.js';
import type { BlockedGraph, BlockedLayer } from './blocked-graph.js';
import { BLOCKED_DOMAIN, GraphAdditions } from './graph-additions.js';
import type { ImageGroups } from './image-groups.js';
import type { SingleGraph } from './single-graph.js';

/** Shapes of the layers' inputs, by layer index. */
export type LayerShapes = ReadonlyMap<number, readonly number[]>;

/** Names of a layer's results, each of shape (width), float32. */
export const resultNames = (index: number) => ({
	mean: `layer${index}//mean`,
	variance: `layer${index}//variance`,
	/** Subtracted from the values before their squares are added. */
	center: `layer${index}//center`,
});

const TO_FLOAT32 = { integers: { to: typeCode('float32') } };
const TO_FLOAT64 = { integers: { to: typeCode('float64') } };

/** Makes the edits that let an optimized model normalize with the statistics of its batch, for inputs of one shape. */
export class BlockedEdits {
	readonly #graph: SingleGraph;
	readonly #blocked: BlockedGraph;
	readonly #groups: ImageGroups;
	readonly #additions: GraphAdditions;

	constructor(graph: SingleGraph, blocked: BlockedGraph, groups: ImageGroups) {
		this.#graph = graph;
		this.#blocked = blocked;
		this.#groups = groups;
		this.#additions = new GraphAdditions(blocked.optimized.model.graph);
	}

	async all(shapes: LayerShapes): Promise<readonly Edit[]> {
		const edits: Edit[] = [];
		const { layers, nodes } = this.#blocked;
		const changes = new Map<Node, NodeChange>();
		for (const layer of layers) {
			const shape = shapes.get(layer.index) ?? [];
			const shift = await this.#addCenter(layer, shape);
			const { factors, offset } = this.#addStatistics(layer, shape);
			const [x, weight] = layer.source.inputs;
			changes.set(layer.source, { inputs: [x, weight, shift] });
			const [values, , , ...rest] = layer.marker.inputs;
			changes.set(layer.marker, { inputs: [values, factors, offset, ...rest] });
		}
		this.#divideInputs();
		// The last layers' markers are not among the nodes.
		for (const node of nodes) {
			edits.push(...(await this.#copies(node, changes.get(node) ?? {})));
		}
		return [...edits, ...this.#additions.edits];
	}

	#divideInputs(): void {
		const { sizes } = this.#groups;
		if (sizes.length > 1) {
			for (const name of this.#graph.given.keys()) {
				const outputs = sizes.map((_, group) => this.#groups.nameOf(name, group));
				this.#additions.nodes('Split', [name, this.#additions.integers(...sizes)], outputs, { integers: { axis: 0 } });
			}
		}
	}

	/** Returns the edits that make a copy of a node for each group of images. */
	async #copies(node: Node, change: NodeChange): Promise<Edit[]> {
		const { optimized } = this.#blocked;
		const message = await optimized.source.read(node.span?.offset ?? 0, node.span?.length ?? 0);
		return this.#groups.sizes.map((_, group) => {
			const named = (name: string) => this.#groups.nameOf(name, group);
			const inputs = (change.inputs ?? node.inputs).map(named);
			// Names of nodes are unique.
			const copy = rewriteNode(message, { ...change, name: '', inputs, outputs: node.outputs.map(named) });
			return group === 0 ? replaceMessage(node, copy) : addToGraph(optimized.model.graph, 'node', copy);
		});
	}

	/**
	 * Adds a layer's center: the mean over the images of the last group, because convolution is linear: the mean image gives
	 * it. Returns the bias of the convolution that puts values around it.
	 */
	async #addCenter({ index, source }: BlockedLayer, shape: readonly number[]): Promise<string> {
		const node = this.#additions.node.bind(this.#additions);
		const name = (part: string) => `layer${index}//${part}`;
		const { sizes } = this.#groups;
		const images = sizes.length > 1 ? (sizes.at(-1) ?? 1) : (shape[0] ?? 1);
		const [x, weight, bias = ''] = source.inputs;
		const mean = meanImage(this.#additions, this.#groups.nameOf(x, sizes.length - 1), images);
		const inputs = bias === '' ? [mean, weight] : [mean, weight, bias];
		const { offset, length } = source.span ?? { offset: 0, length: 0 };
		const message = await this.#blocked.optimized.source.read(offset, length);
		const own = name('ofMeanImage');
		this.#additions.message(rewriteNode(message, { name: own, inputs, outputs: [own] }));
		const pooled = node('GlobalAveragePool', [own], name('pooled'), { domain: BLOCKED_DOMAIN });
		const center = node('Reshape', [pooled, this.#additions.integers(-1)], resultNames(index).center);
		const opposite = node('Neg', [center], name('opposite'));
		return bias === '' ? opposite : node('Add', [bias, opposite], name('shift'));
	}

	/** Adds a layer's results. Returns its weights and bias for centered values. */
	#addStatistics({ index, source, count, width }: BlockedLayer, shape: readonly number[]) {
		const additions = this.#additions;
		const node = additions.node.bind(additions);
		const name = (part: string) => `layer${index}//${part}`;
		const names = resultNames(index);
		const [images = 0, , rows = 0, columns = 0] = shape;
		const sizes = this.#groups.sizes.length > 1 ? this.#groups.sizes : [images];
		const sums = sizes.map((size, group) =>
			rowSums(additions, this.#groups.nameOf(source.outputs[0], group), [size * width * rows, columns]),
		);
		const joined = node('Concat', sums, name('rowSums'), { integers: { axis: 1 } });
		const total = node('Reshape', [joined, additions.integers(2 * images, width, rows, 1)], name('blocked'));
		const plain = node('ReorderOutput', [total], name('plain'), {
			integers: { channels: width },
			domain: BLOCKED_DOMAIN,
		});
		const wide = node('Cast', [plain], name('float64'), TO_FLOAT64);
		const byImage = node('ReduceSum', [wide, additions.integers(2, 3)], name('byImage'), { integers: { keepdims: 0 } });
		const means = node('MatMul', [divisors(additions, sizes, [rows, columns]), byImage], name('means'));
		const row = (position: number) =>
			node(
				'Gather',
				[means, additions.constant(`added//${position}`, [], [position], 'int64')],
				name(`row${position}`),
			);
		const [distance, squares] = [row(0), row(1)];
		const variance64 = node('Sub', [squares, node('Mul', [distance, distance], name('distance2'))], name('variance64'));
		const variance = node('Cast', [variance64], names.variance, TO_FLOAT32);
		const center64 = node('Cast', [names.center], name('center64'), TO_FLOAT64);
		node('Cast', [node('Add', [center64, distance], name('mean64'))], names.mean, TO_FLOAT32);

		const { gamma, beta, epsilon } = this.#graph.model.layers[index];
		const inFull = (values: ArrayLike<number>) => Float32Array.from({ length: width }, (_, c) => values[c] ?? 0);
		const square = node('Add', [variance, additions.constant(name('epsilon'), [], [epsilon])], name('square'));
		const scale = additions.constant(name('gamma'), [width], inFull((gamma.values ?? []).slice(0, count)));
		const factor = node('Div', [scale, node('Sqrt', [square], name('deviation'))], name('factor'));
		const factors = node('Reshape', [factor, additions.integers(width, 1, 1, 1)], name('factors'));
		const move = node('Mul', [factor, node('Cast', [distance], name('distance'), TO_FLOAT32)], name('move'));
		const shift = additions.constant(name('beta'), [width], inFull((beta.values ?? []).slice(0, count)));
		return { factors, offset: node('Sub', [shift, move], name('offset')) };
	}
}

/** Adds the mean over the images of a tensor: a product with a row, since it reads each value once. */
function meanImage(additions: GraphAdditions, x: string, images: number): string {
	const weights = additions.constant(`added//mean${images}`, [1, images], new Float32Array(images).fill(1 / images));
	const flat = additions.node('Reshape', [x, additions.integers(images, -1)], `${x}//flat`);
	const row = additions.node('MatMul', [weights, flat], `${x}//row`);
	const shape = additions.node('Shape', [x], `${x}//shape`);
	const image = additions.node('Slice', [shape, additions.integers(1), additions.integers(4)], `${x}//imageShape`);
	const whole = additions.node('Concat', [additions.integers(1), image], `${x}//meanShape`, { integers: { axis: 0 } });
	return additions.node('Reshape', [row, whole], `${x}//mean`);
}

/**
 * Adds the mean and the sum of squares of each image row, shape (1, 2 * rows, 1, 1) with all means first. In the blocked
 * layout, values and weights of a convolution by channel have the same order, so that a convolution of a row with itself
 * is the sum of its squares. Both read the tensor while it is still in the cache.
 * @param shape rows of all images and channels, and columns
 */
function rowSums(additions: GraphAdditions, x: string, [rows, columns]: readonly [number, number]): string {
	const values = additions.node('Reshape', [x, additions.integers(1, rows, 1, columns)], `${x}//rows`);
	const weights = additions.node('Reshape', [x, additions.integers(rows, 1, 1, columns)], `${x}//rowWeights`);
	const convolution = { integers: { group: rows }, domain: BLOCKED_DOMAIN };
	const squares = additions.node('Conv', [values, weights], `${x}//rowSquares`, convolution);
	const means = additions.node('GlobalAveragePool', [values], `${x}//rowMeans`, { domain: BLOCKED_DOMAIN });
	return additions.node('Concat', [means, squares], `${x}//rowSums`, { integers: { axis: 1 } });
}

/** Adds a float64 matrix (2, 2 * images) that turns sums of {@link rowSums} by image into the means of values and squares. */
function divisors(additions: GraphAdditions, sizes: readonly number[], [rows, columns]: readonly [number, number]) {
	const images = sizes.reduce((sum, size) => sum + size, 0);
	const values = new Float64Array(4 * images);
	let at = 0;
	for (const size of sizes) {
		values.fill(1 / (images * rows), at, at + size);
		values.fill(1 / (images * rows * columns), 2 * images + at + size, 2 * images + at + 2 * size);
		at += 2 * size;
	}
	const name = `added//divisors${images}-${rows}-${columns}`;
	return additions.constant(name, [2, 2 * images], values, 'float64');
}
