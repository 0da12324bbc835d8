import type { Node } from '../../../core/onnx/model.js';
import { typeCode } from '../../../core/onnx/types.js';
import { addToGraph, type Edit, replaceMessage } from '../../../core/onnx/write/edit.js';
import { type NodeChange, rewriteNode } from '../../../core/onnx/write/encode.js';
import { loadPart, type PartSession } from '../model/partial-session.js';
import type { Runtime } from '../runtime/runtime.js';
import type { Tensors } from '../tensors/tensor.js';
import { type BlockedGraph, type BlockedLayer, blockedGraph } from './blocked-graph.js';
import { BLOCKED_DOMAIN, GraphAdditions } from './graph-additions.js';
import { type GraphMoments, graphMoments } from './graph-run.js';
import type { SingleGraph } from './single-graph.js';

/** Shapes of the layers' inputs, by layer index. */
export type LayerShapes = ReadonlyMap<number, readonly number[]>;

/** Maximum number of loaded sessions. Each takes inputs of one shape, and the last batch has another. */
const MAX_SESSIONS = 2;

interface ShapedSession {
	readonly session: PartSession;
	readonly shapes: LayerShapes;
}

const keyOf = (inputs: Tensors): string => Array.from(inputs.values(), ({ dims }) => dims.join()).join(';');

const resultNames = (index: number) => ({ mean: `layer${index}//mean`, variance: `layer${index}//variance` });

/**
 * Runs a model in the runtime's blocked layout, as the runtime optimizes it by default. Each layer is a convolution of
 * 1 x 1 by channel, whose weights are computed from the batch, together with the activation behind it.
 *
 * The mean is known before the values, because convolution is linear: the mean image of a batch gives the mean. It goes
 * into the bias of the convolution in front, so that values are around 0, and the variance is the mean of their squares
 * with nothing to cancel. Squares are added by image row, as a convolution of the row with itself: in this layout the
 * values and weights of a convolution by channel have the same order.
 */
export class BlockedRun {
	readonly #graph: SingleGraph;
	readonly #blocked: BlockedGraph;
	readonly #runtime: Runtime;
	/** By the shapes of the inputs. */
	readonly #sessions = new Map<string, ShapedSession>();

	private constructor(graph: SingleGraph, blocked: BlockedGraph, runtime: Runtime) {
		this.#graph = graph;
		this.#blocked = blocked;
		this.#runtime = runtime;
	}

	/**
	 * Returns undefined if a layer is not directly behind a convolution of images, or the runtime has no such layout.
	 * @param scratch path of a folder that does not exist, for the optimized model
	 */
	static async of(graph: SingleGraph, runtime: Runtime, scratch: string): Promise<BlockedRun | undefined> {
		const blocked = await blockedGraph(graph, runtime, scratch);
		return blocked && new BlockedRun(graph, blocked, runtime);
	}

	/**
	 * Returns the moments of each layer's input over a batch, by layer index.
	 * @param shapesOf called for inputs of a new shape
	 * @throws {RuntimeError}
	 */
	async moments(inputs: Tensors, shapesOf: () => Promise<LayerShapes>): Promise<ReadonlyMap<number, GraphMoments>> {
		const key = keyOf(inputs);
		const known = this.#sessions.get(key) ?? (await this.#load(await shapesOf()));
		this.#sessions.set(key, known);
		const results = await known.session.run(inputs);
		return new Map(
			this.#blocked.layers.map(({ index, count }) => {
				const { mean, variance } = resultNames(index);
				const [means, variances] = [mean, variance].map((name) =>
					((results.get(name)?.data ?? []) as Float32Array).subarray(0, count),
				);
				return [index, graphMoments(means, variances, known.shapes.get(index) ?? [])];
			}),
		);
	}

	async dispose(): Promise<void> {
		for (const { session } of this.#sessions.values()) {
			await session.release();
		}
		this.#sessions.clear();
	}

	async #load(shapes: LayerShapes): Promise<ShapedSession> {
		const [oldest] = this.#sessions.size < MAX_SESSIONS ? [] : this.#sessions;
		if (oldest) {
			this.#sessions.delete(oldest[0]);
			await oldest[1].session.release();
		}
		const { optimized, layers, nodes } = this.#blocked;
		const additions = new GraphAdditions(optimized.model.graph);
		const edits: Edit[] = [];
		for (const layer of layers) {
			edits.push(...(await this.#layerEdits(layer, shapes.get(layer.index) ?? [], additions)));
		}
		const part = {
			nodes,
			outputs: layers.flatMap(({ index }) => Object.values(resultNames(index))),
			given: this.#graph.given,
			edits: [...edits, ...additions.edits],
		};
		const options = { levels: ['disabled'], reusesMemory: true, sleeps: true } as const;
		return { session: await loadPart(optimized, part, this.#runtime, options), shapes };
	}

	/** @param shape of the layer's input */
	async #layerEdits(
		{ index, marker, source, count, width }: BlockedLayer,
		shape: readonly number[],
		additions: GraphAdditions,
	): Promise<Edit[]> {
		const [images = 0, , rows = 0, columns = 0] = shape;
		const { gamma, beta, epsilon } = this.#graph.model.layers[index];
		const name = (part: string) => `layer${index}//${part}`;
		const names = resultNames(index);
		const node = additions.node.bind(additions);
		const inFull = (values: ArrayLike<number>) => Float32Array.from({ length: width }, (_, c) => values[c] ?? 0);

		const [x, weight, bias = ''] = source.inputs;
		const own = name('ofMeanImage');
		const ofMeanImage = { name: own, inputs: [meanImage(additions, x, images), weight, bias], outputs: [own] };
		const copy = addToGraph(this.#blocked.optimized.model.graph, 'node', await this.#rewritten(source, ofMeanImage));
		const total = totals(additions, own, width);
		const area = additions.constant(`added//float64-${rows * columns}`, [], [rows * columns], 'float64');
		const mean = node('Cast', [node('Div', [total, area], name('mean64'))], names.mean, TO_FLOAT32);
		const opposite = node('Neg', [mean], name('opposite'));
		const shift = bias === '' ? opposite : node('Add', [bias, opposite], name('shift'));

		const [centered] = source.outputs;
		const channels = images * width * rows;
		const values = node('Reshape', [centered, additions.integers(1, channels, 1, columns)], name('rows'));
		const weights = node('Reshape', [centered, additions.integers(channels, 1, 1, columns)], name('rowWeights'));
		const convolution = { integers: { group: channels }, domain: BLOCKED_DOMAIN };
		const squares = node('Conv', [values, weights], name('rowSquares'), convolution);
		const byImage = node('Reshape', [squares, additions.integers(images, width, rows, 1)], name('squares'));
		const size = images * rows * columns;
		const divisor = additions.constant(`added//float64-${size}`, [], [size], 'float64');
		const variance64 = node('Div', [totals(additions, byImage, width), divisor], name('variance64'));
		const variance = node('Cast', [variance64], names.variance, TO_FLOAT32);

		const square = node('Add', [variance, additions.constant(name('epsilon'), [], [epsilon])], name('square'));
		const scale = additions.constant(name('gamma'), [width], inFull((gamma.values ?? []).slice(0, count)));
		const factor = node('Div', [scale, node('Sqrt', [square], name('deviation'))], name('factor'));
		const factors = node('Reshape', [factor, additions.integers(width, 1, 1, 1)], name('factors'));
		const offset = additions.constant(name('beta'), [width], inFull((beta.values ?? []).slice(0, count)));
		return [
			copy,
			replaceMessage(source, await this.#rewritten(source, { inputs: [x, weight, shift] })),
			// The last layer's marker is left out of the graph.
			...(this.#blocked.nodes.includes(marker)
				? [
						replaceMessage(
							marker,
							await this.#rewritten(marker, { inputs: [centered, factors, offset, ...marker.inputs.slice(3)] }),
						),
					]
				: []),
		];
	}

	async #rewritten({ span: { offset, length } }: Node, change: NodeChange) {
		return rewriteNode(await this.#blocked.optimized.source.read(offset, length), change);
	}
}

const TO_FLOAT32 = { integers: { to: typeCode('float32') } };
const TO_FLOAT64 = { integers: { to: typeCode('float64') } };

/** Adds the mean over the images of a batch: a product with a row, since it reads each value once. */
function meanImage(additions: GraphAdditions, x: string, images: number): string {
	const weights = additions.constant(`added//mean${images}`, [1, images], new Float32Array(images).fill(1 / images));
	const flat = additions.node('Reshape', [x, additions.integers(images, -1)], `${x}//flat`);
	const row = additions.node('MatMul', [weights, flat], `${x}//row`);
	const shape = additions.node('Shape', [x], `${x}//shape`);
	const image = additions.node('Slice', [shape, additions.integers(1), additions.integers(4)], `${x}//imageShape`);
	const whole = additions.node('Concat', [additions.integers(1), image], `${x}//meanShape`, { integers: { axis: 0 } });
	return additions.node('Reshape', [row, whole], `${x}//mean`);
}

/** Adds float64 sums over images and pixels of a tensor in the blocked layout, shape (channels). */
function totals(additions: GraphAdditions, x: string, channels: number): string {
	const plain = additions.node('ReorderOutput', [x], `${x}//plain`, { integers: { channels }, domain: BLOCKED_DOMAIN });
	const wide = additions.node('Cast', [plain], `${x}//float64`, TO_FLOAT64);
	const axes = additions.integers(0, 2, 3);
	return additions.node('ReduceSum', [wide, axes], `${x}//total`, { integers: { keepdims: 0 } });
}
