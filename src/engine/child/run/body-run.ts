import type { BatchNormLayer } from '../../../core/batchnorm/layer.js';
import { GraphIndex } from '../../../core/onnx/graph/graph-index.js';
import type { DataTypeName, Graph, TensorRecord } from '../../../core/onnx/model.js';
import { readModel } from '../../../core/onnx/read/reader.js';
import { memorySource } from '../../../core/onnx/source.js';
import { typeCode } from '../../../core/onnx/types.js';
import { bodyAsModel } from '../../../core/onnx/write/body-model.js';
import { NodeNet } from '../model/node-net.js';
import type { OpenedModel } from '../model/opened-model.js';
import { loadPart } from '../model/partial-session.js';
import { type Runtime, RuntimeError } from '../runtime/runtime.js';
import type { RuntimeTensor, Tensors } from '../tensors/tensor.js';
import { findReach } from './obstacles.js';
import { PartialRun } from './partial-run.js';
import type { Known, Run, RunContext, RunEvents } from './run-events.js';
import { WholeRun } from './whole-run.js';

/** A layer with its index in the model around. */
export interface NumberedLayer {
	readonly index: number;
	readonly layer: BatchNormLayer;
}

export interface BodyParts {
	/** The model that contains the body. */
	readonly outer: OpenedModel;
	/** The body as its layers refer to it. */
	readonly graph: Graph;
	/** The body inside `outer`: the same nodes in order. */
	readonly located: Graph;
	/** Layers in the body, and in bodies inside it. Their position here is their index in the body's own model. */
	readonly layers: readonly NumberedLayer[];
	/** Makes the run of the bodies inside. */
	readonly inside: (model: OpenedModel, graph: Graph) => Run;
}

/** A body made into a model, for tensors of certain types and sizes around it. */
interface BodyModel {
	/** Types and sizes of the tensors around the body. */
	readonly key: string;
	readonly model: OpenedModel;
	readonly whole: WholeRun;
	/** Runs the bodies inside. */
	readonly inner: Run;
}

/**
 * Runs a body of an If, Loop or Scan as a model of its own. The runtime does not return tensors from inside a body, but
 * it computes the same values from the same inputs if the body is a model.
 */
export class BodyRun {
	/** Tensors of the surrounding graph that the body uses. */
	readonly captured: readonly string[];
	readonly layers: readonly NumberedLayer[];
	readonly graph: Graph;
	readonly #parts: BodyParts;
	readonly #runtime: Runtime;
	readonly #constants: readonly TensorRecord[];
	#body: BodyModel | undefined;

	constructor(parts: BodyParts, runtime: Runtime) {
		this.#parts = parts;
		this.#runtime = runtime;
		this.layers = parts.layers;
		this.graph = parts.graph;
		const { initializers } = parts.outer.model.graph;
		const free = [...GraphIndex.of(parts.graph).freeNames].filter((name) => name !== '');
		this.#constants = free.flatMap((name) => initializers.get(name) ?? []);
		this.captured = free.filter((name) => !initializers.has(name));
	}

	/**
	 * Runs the body once. Layer indices of the events are the containing model's.
	 * @param tensors that the body captures, and its own inputs
	 * @throws {RuntimeError} if the body does not run by itself, not even in part.
	 */
	async *run(tensors: Tensors, context: RunContext): RunEvents {
		for await (const event of this.#runModel(tensors, context)) {
			if (event.type === 'layers') {
				const layers = event.layers.map((layer) => ({ ...layer, index: this.layers[layer.index].index }));
				yield { ...event, layers };
			} else {
				yield { ...event, index: this.layers[event.index].index };
			}
		}
	}

	/** Runs the body's own model. The events have its layer indices. */
	async *#runModel(tensors: Tensors, context: RunContext): RunEvents {
		const { model, whole, inner } = await this.#load(tensors);
		const known = { tensors: this.#given(tensors), symbols: new Map<string, number>() };
		if (model.layers.some(({ graphPath }) => graphPath === '')) {
			try {
				yield* whole.run(known, context);
			} catch (error) {
				if (!(error instanceof RuntimeError)) {
					throw error;
				}
				yield* this.#runInPart(model, known, { context, refusal: error });
			}
		}
		yield* inner.run(known, context);
	}

	async *#runInPart(
		model: OpenedModel,
		known: Known,
		{ context, refusal }: { readonly context: RunContext; readonly refusal: RuntimeError },
	): RunEvents {
		const reach = await findReach(model, this.#runtime, { refusal });
		const part = new PartialRun(model, this.#runtime, reach, refusal.message);
		for (const [index, reason] of part.unreached) {
			yield { type: 'unreached', index, why: { reason } };
		}
		yield* part.run(known, context);
	}

	/** Computes tensors of an execution of the body. @throws {RuntimeError} */
	async compute(names: readonly string[], tensors: Tensors): Promise<Tensors> {
		const given = this.#given(tensors);
		const { model } = await this.#load(tensors);
		const wanted = names.filter((name) => name !== '' && !given.has(name));
		if (wanted.length === 0) {
			return given;
		}
		const nodes = new NodeNet(model.model.graph).ancestors(wanted, new Set(given.keys()));
		const session = await loadPart(model, { nodes, outputs: wanted, given }, this.#runtime);
		try {
			return new Map([...given, ...(await session.run(given))]);
		} finally {
			await session.release();
		}
	}

	async dispose(): Promise<void> {
		await this.#body?.whole.dispose();
		await this.#body?.inner.dispose();
		this.#body = undefined;
	}

	/** Returns the tensors that the body uses. */
	#given(tensors: Tensors): Map<string, RuntimeTensor> {
		const names = [...this.graph.inputs.map(({ name }) => name), ...this.captured];
		return new Map(
			names.flatMap((name) => {
				const tensor = tensors.get(name);
				return tensor ? [[name, tensor] as const] : [];
			}),
		);
	}

	/** Returns the body's model. Reuses the last model if the tensors have the same types and sizes, as in most runs. */
	async #load(tensors: Tensors): Promise<BodyModel> {
		const given = this.#given(tensors);
		const missing = this.graph.inputs.find(({ name }) => !given.has(name));
		if (missing) {
			throw new RuntimeError(`Its input "${missing.name}" gets no value.`);
		}
		const key = JSON.stringify([...given].map(([name, { type, dims }]) => [name, type, dims]));
		if (this.#body?.key === key) {
			return this.#body;
		}
		await this.dispose();
		const model = await this.#makeModel(given);
		const inner = this.#parts.inside(model, this.graph);
		this.#body = { key, model, whole: new WholeRun(model, this.#runtime), inner };
		return this.#body;
	}

	async #makeModel(given: Tensors): Promise<OpenedModel> {
		const { outer, located } = this.#parts;
		const bytes = await bodyAsModel(outer.model, outer.source, located, {
			inputs: [...given].map(([name, { type, dims }]) => ({ name, dataType: typeCode(type as DataTypeName), dims })),
			initializers: this.#constants,
		});
		const source = memorySource(bytes, outer.source.name);
		const model = await readModel(source);
		const access = { ...outer.access, source };
		return { model, layers: this.#rebase(model.graph), access, source, folder: outer.folder, close: async () => {} };
	}

	/** Returns the layers as part of the body's main graph. */
	#rebase({ nodes }: Graph): BatchNormLayer[] {
		return this.layers.map(({ layer }) =>
			layer.scope.graph === this.graph ? { ...layer, graphPath: '', node: nodes[layer.node.index] } : layer,
		);
	}
}
