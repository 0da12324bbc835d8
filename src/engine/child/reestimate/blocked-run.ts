import { loadPart, type PartSession } from '../model/partial-session.js';
import type { Runtime } from '../runtime/runtime.js';
import type { Tensors } from '../tensors/tensor.js';
import { BlockedEdits, type LayerShapes, resultNames } from './blocked-edits.js';
import { type BlockedGraph, blockedGraph } from './blocked-graph.js';
import { chainOf as productChain } from './covariance-statistics.js';
import { type GraphMoments, type GraphResults, graphMoments } from './graph-run.js';
import { GROUP_BYTES, imageGroups } from './image-groups.js';
import type { SingleGraph } from './single-graph.js';
import { chainOf as valueChain } from './value-statistics.js';

/** Maximum number of loaded sessions. Each takes inputs of one shape in one way, and the last batch has another shape. */
const MAX_SESSIONS = 3;

interface ShapedSession {
	readonly session: PartSession;
	readonly shapes: LayerShapes;
	/** Indices of the layers whose statistics follow from covariances. */
	readonly byCovariance: ReadonlySet<number>;
}

const keyOf = (inputs: Tensors): string => Array.from(inputs.values(), ({ dims }) => dims.join()).join(';');

/**
 * Runs a model in the runtime's blocked layout, as the runtime optimizes it by default. The batch is divided into groups
 * of images ({@link imageGroups}), each with a copy of the nodes. A layer takes one of two forms:
 *
 * - A convolution of 1 x 1 by channel, whose weights are computed from the batch, together with the activation behind it.
 *   The statistics are sums of the layer's input. Its values are centered in the bias of the convolution in front: the mean
 *   of one image is subtracted, which differs from that of the batch by at most the square root of the number of images,
 *   in standard deviations. So little cancels when the variance is the mean of squares minus a squared mean.
 * - Folded into the convolution in front, if that multiplies single pixels of few channels. The statistics follow from the
 *   covariance of these channels.
 */
export class BlockedRun {
	readonly #graph: SingleGraph;
	readonly #blocked: BlockedGraph;
	readonly #runtime: Runtime;
	readonly #groupBytes: number;
	/** By the shapes of the inputs. */
	readonly #sessions = new Map<string, ShapedSession>();

	private constructor(graph: SingleGraph, blocked: BlockedGraph, runtime: Runtime, groupBytes: number) {
		this.#graph = graph;
		this.#blocked = blocked;
		this.#runtime = runtime;
		this.#groupBytes = groupBytes;
	}

	/**
	 * Returns undefined if a layer is not directly behind a convolution of images, or the runtime has no such layout.
	 * @param scratch path of a folder that does not exist, for the optimized model
	 * @param groupBytes as in {@link imageGroups}
	 */
	static async of(
		graph: SingleGraph,
		runtime: Runtime,
		scratch: string,
		groupBytes = GROUP_BYTES,
	): Promise<BlockedRun | undefined> {
		const blocked = await blockedGraph(graph, runtime, scratch);
		return blocked && new BlockedRun(graph, blocked, runtime, groupBytes);
	}

	/**
	 * Returns the moments of each layer's input over a batch, by layer index.
	 * @param shapesOf called for inputs of a new shape
	 * @param isAccurate decides if moments are accurate enough that follow from covariances. If not, the batch runs again
	 * for those of the values.
	 * @throws {RuntimeError}
	 */
	async moments(
		inputs: Tensors,
		shapesOf: () => Promise<LayerShapes>,
		isAccurate: (moments: GraphResults) => boolean,
	): Promise<GraphResults> {
		const found = await this.#momentsBy(inputs, shapesOf, true);
		return found.byCovariance.size === 0 || isAccurate(found.moments)
			? found.moments
			: (await this.#momentsBy(inputs, shapesOf, false)).moments;
	}

	async #momentsBy(inputs: Tensors, shapesOf: () => Promise<LayerShapes>, covariances: boolean) {
		const key = `${keyOf(inputs)} ${covariances}`;
		const known = this.#sessions.get(key) ?? (await this.#load(inputs, await shapesOf(), covariances));
		this.#sessions.set(key, known);
		const { byCovariance, shapes } = known;
		const results = await known.session.run(inputs);
		const moments = this.#blocked.layers.map(({ index, count }): [number, GraphMoments] => {
			const names = resultNames(index);
			const of = (name: string) => ((results.get(name)?.data ?? []) as Float32Array).subarray(0, count);
			const shape = shapes.get(index) ?? [];
			const own = graphMoments(of(names.mean), of(names.variance), shape);
			return byCovariance.has(index)
				? [index, { ...own, spread: of(names.spread), chain: productChain(shape) }]
				: [index, { ...own, centers: of(names.center), chain: valueChain(shape) }];
		});
		return { moments: new Map(moments), byCovariance };
	}

	async dispose(): Promise<void> {
		for (const { session } of this.#sessions.values()) {
			await session.release();
		}
		this.#sessions.clear();
	}

	async #load(inputs: Tensors, shapes: LayerShapes, covariances: boolean): Promise<ShapedSession> {
		const [oldest] = this.#sessions.size < MAX_SESSIONS ? [] : this.#sessions;
		if (oldest) {
			this.#sessions.delete(oldest[0]);
			await oldest[1].session.release();
		}
		const { optimized, layers, nodes } = this.#blocked;
		const groups = imageGroups(this.#blocked, inputs, shapes, this.#groupBytes);
		const edits = new BlockedEdits(this.#graph, this.#blocked, { groups, shapes, covariances });
		const { byCovariance } = edits;
		const outputs = layers.flatMap(({ index }) => {
			const { mean, variance, center, spread } = resultNames(index);
			return [mean, variance, byCovariance.has(index) ? spread : center];
		});
		const part = { nodes, outputs, given: this.#graph.given, edits: await edits.all() };
		const options = { levels: ['disabled'], reusesMemory: true, sleeps: true } as const;
		return { session: await loadPart(optimized, part, this.#runtime, options), shapes, byCovariance };
	}
}
