import { loadPart, type PartSession } from '../model/partial-session.js';
import type { Runtime } from '../runtime/runtime.js';
import type { Tensors } from '../tensors/tensor.js';
import { BlockedEdits, type LayerShapes, resultNames } from './blocked-edits.js';
import { type BlockedGraph, blockedGraph } from './blocked-graph.js';
import { type GraphMoments, graphMoments } from './graph-run.js';
import { GROUP_BYTES, imageGroups } from './image-groups.js';
import type { SingleGraph } from './single-graph.js';

/** Maximum number of loaded sessions. Each takes inputs of one shape, and the last batch has another. */
const MAX_SESSIONS = 2;

interface ShapedSession {
	readonly session: PartSession;
	readonly shapes: LayerShapes;
}

const keyOf = (inputs: Tensors): string => Array.from(inputs.values(), ({ dims }) => dims.join()).join(';');

/**
 * Runs a model in the runtime's blocked layout, as the runtime optimizes it by default. Each layer is a convolution of
 * 1 x 1 by channel, whose weights are computed from the batch, together with the activation behind it.
 *
 * The batch is divided into groups of images ({@link imageGroups}), each with a copy of the nodes. Values are centered in
 * the bias of the convolution in front of a layer: the mean of the last group is subtracted, which differs from that of
 * the batch by at most the square root of the number of groups, in standard deviations. So little cancels when the
 * variance is the mean of squares minus a squared mean.
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
	 * @throws {RuntimeError}
	 */
	async moments(inputs: Tensors, shapesOf: () => Promise<LayerShapes>): Promise<ReadonlyMap<number, GraphMoments>> {
		const key = keyOf(inputs);
		const known = this.#sessions.get(key) ?? (await this.#load(inputs, await shapesOf()));
		this.#sessions.set(key, known);
		const results = await known.session.run(inputs);
		return new Map(
			this.#blocked.layers.map(({ index, count }) => {
				const { mean, variance, center } = resultNames(index);
				const [means, variances, centers] = [mean, variance, center].map((name) =>
					((results.get(name)?.data ?? []) as Float32Array).subarray(0, count),
				);
				return [index, { ...graphMoments(means, variances, known.shapes.get(index) ?? []), centers }];
			}),
		);
	}

	async dispose(): Promise<void> {
		for (const { session } of this.#sessions.values()) {
			await session.release();
		}
		this.#sessions.clear();
	}

	async #load(inputs: Tensors, shapes: LayerShapes): Promise<ShapedSession> {
		const [oldest] = this.#sessions.size < MAX_SESSIONS ? [] : this.#sessions;
		if (oldest) {
			this.#sessions.delete(oldest[0]);
			await oldest[1].session.release();
		}
		const { optimized, layers, nodes } = this.#blocked;
		const groups = imageGroups(this.#blocked, inputs, shapes, this.#groupBytes);
		const part = {
			nodes,
			outputs: layers.flatMap(({ index }) => Object.values(resultNames(index))),
			given: this.#graph.given,
			edits: await new BlockedEdits(this.#graph, this.#blocked, groups).all(shapes),
		};
		const options = { levels: ['disabled'], reusesMemory: true, sleeps: true } as const;
		return { session: await loadPart(optimized, part, this.#runtime, options), shapes };
	}
}
