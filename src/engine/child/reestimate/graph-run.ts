import { product } from '../../../core/numbers/arrays.js';
import type { Moments } from '../../../core/numbers/moments.js';
import { typeCode } from '../../../core/onnx/types.js';
import { addToGraph, type Edit, replaceMessage } from '../../../core/onnx/write/edit.js';
import { encodeTensor, rewriteNode } from '../../../core/onnx/write/encode.js';
import { shapeName } from '../model/partial-model.js';
import { loadPart, type PartSession } from '../model/partial-session.js';
import type { Runtime } from '../runtime/runtime.js';
import type { Tensors } from '../tensors/tensor.js';
import type { SingleGraph } from './single-graph.js';

/** Moments of a layer's input, computed by the runtime in float32. Not finite where the input is not. */
export interface GraphMoments extends Moments {
	/** Shape of the input: N, C and image axes. */
	readonly dims: readonly number[];
	/** Values by channel that were subtracted before squares were added; undefined: the means. */
	readonly centers?: ArrayLike<number>;
	/**
	 * Variances by channel as if the inputs of the convolution in front were independent; undefined unless the variances
	 * follow from the covariance of these inputs.
	 */
	readonly spread?: ArrayLike<number>;
	/** Number of values that were added in float32, before float64 went on; undefined: all of an image and of the batch. */
	readonly chain?: number;
}

/** Moments of each layer's input over a batch, by layer index. */
export type GraphResults = ReadonlyMap<number, GraphMoments>;

/**
 * @param mean of each channel
 * @param variance of each channel, biased
 * @param dims shape of the layer's input
 */
export function graphMoments(
	mean: ArrayLike<number>,
	variance: ArrayLike<number>,
	dims: readonly number[],
): GraphMoments {
	const values = product(dims) / mean.length;
	return {
		count: new Float64Array(mean.length).fill(values),
		mean: Float64Array.from(mean),
		m2: Float64Array.from(variance, (value) => value * values),
		nonFinite: new Float64Array(mean.length),
		dims,
	};
}

/** Names of tensors that are added to the model. Exporters do not use such names. */
const addedNames = (index: number) => ({
	mean: `layer${index}//mean`,
	variance: `layer${index}//variance`,
	/** Running statistics that the node reads. With momentum 0 they do not count. */
	oldMean: `layer${index}//oldMean`,
	oldVariance: `layer${index}//oldVariance`,
});

/**
 * Runs a model as a single graph in which every layer normalizes with the statistics of its batch and returns them. So
 * only two numbers per channel leave the runtime. The layers are nodes in training mode with momentum 0. Their running
 * statistics are then the batch's: the mean, and the biased variance, as the mean of (x - mean)^2. The runtime writes
 * running statistics back into the initializers that it read them from. Therefore each layer gets initializers of its
 * own, and optimizers that join equal initializers stay off.
 */
export class GraphRun {
	readonly #graph: SingleGraph;
	readonly #runtime: Runtime;
	#session: PartSession | undefined;

	constructor(graph: SingleGraph, runtime: Runtime) {
		this.#graph = graph;
		this.#runtime = runtime;
	}

	/**
	 * Returns the moments of each layer's input over a batch, by layer index.
	 * @throws {RuntimeError} also if the model computes with the number of samples that it declares
	 */
	async moments(inputs: Tensors): Promise<GraphResults> {
		const { model, layers } = this.#graph;
		this.#session ??= await this.#load();
		const results = await this.#session.run(inputs);
		return new Map(
			layers.map((index) => {
				const names = addedNames(index);
				const [mean, variance] = [names.mean, names.variance].map(
					(name) => (results.get(name)?.data ?? []) as Float32Array,
				);
				const shape = results.get(shapeName(model.layers[index].input))?.data as BigInt64Array;
				return [index, graphMoments(mean, variance, Array.from(shape ?? [], Number))];
			}),
		);
	}

	async dispose(): Promise<void> {
		await this.#session?.release();
		this.#session = undefined;
	}

	async #load(): Promise<PartSession> {
		const { model, layers, nodes, given, opset, batchEdits } = this.#graph;
		const edits: Edit[] = [...batchEdits];
		for (const index of layers) {
			edits.push(...(await this.#trainingEdits(index)));
		}
		const outputs = layers.flatMap((index) => [addedNames(index).mean, addedNames(index).variance]);
		const shapes = [...new Set(layers.map((index) => model.layers[index].input))];
		const part = { nodes, outputs, shapes, given, edits, opset };
		// Optimized, a batch takes 10 to 20 % less time: convolutions run in the runtime's own layout.
		return loadPart(model, part, this.#runtime, {
			levels: ['all', 'disabled'],
			disabledOptimizers: ['ConstantSharing'],
			sleeps: true,
		});
	}

	/** Edits that switch a layer's node to training mode and give it its own running statistics. */
	async #trainingEdits(index: number): Promise<Edit[]> {
		const { model, layers, source } = this.#graph.model;
		const { node, mean, variance } = layers[index];
		const names = addedNames(index);
		const [x, gamma, beta] = node.inputs;
		const { offset, length } = node.span ?? { offset: 0, length: 0 };
		const message = rewriteNode(await source.read(offset, length), {
			inputs: [x, gamma, beta, names.oldMean, names.oldVariance],
			outputs: [node.outputs[0], names.mean, names.variance],
			integers: { training_mode: 1 },
			floats: { momentum: 0 },
		});
		const initializers = [
			[names.oldMean, mean],
			[names.oldVariance, variance],
		] as const;
		return [
			replaceMessage(node, message),
			...initializers.map(([name, { values }]) => {
				const bytes = new Uint8Array(4 * (values?.length ?? 0));
				const tensor = { dataType: typeCode('float32'), dims: [values?.length ?? 0], bytes };
				return addToGraph(model.graph, 'initializer', encodeTensor(name, tensor));
			}),
		];
	}
}
