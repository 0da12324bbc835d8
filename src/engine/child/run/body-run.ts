import type { BatchNormLayer } from '../../../core/batchnorm/layer.js';
import { freeNames } from '../../../core/onnx/graph/scope.js';
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
import type { Known } from './capture.js';
import type { ModelRun, RunPorts } from './model-run.js';
import { findReach } from './obstacles.js';
import { PartialRun } from './partial-run.js';
import { WholeRun } from './whole-run.js';

/** A layer by its number in the whole model. */
export interface NumberedLayer {
	readonly index: number;
	readonly layer: BatchNormLayer;
}

/** What runs the bodies within a graph. */
export type InnerRun = Pick<ModelRun, 'run' | 'dispose'>;

export interface BodyParts {
	/** The model that the body is in. */
	readonly outer: OpenedModel;
	/** The body as its layers know it, and as it is in the file of `outer`: the same node for node. */
	readonly graph: Graph;
	readonly located: Graph;
	/** Those in it, and in bodies within. */
	readonly layers: readonly NumberedLayer[];
	/** For the bodies within. */
	readonly inside: (open: OpenedModel, graph: Graph) => InnerRun;
}

/** A body made a model of its own, for tensors of one size around it. */
interface BodyModel {
	readonly key: string;
	readonly open: OpenedModel;
	readonly whole: WholeRun;
	readonly inner: InnerRun;
}

/**
 * Runs one body of an If, Loop or Scan as a model of its own, given the tensors that it finds around it: the runtime makes
 * nothing inside a body an output, but computes the same from the same there and here.
 */
export class BodyRun {
	/** Tensors of the graph around it that it uses, beside initializers. */
	readonly captured: readonly string[];
	readonly layers: readonly NumberedLayer[];
	readonly graph: Graph;
	readonly #parts: BodyParts;
	readonly #runtime: Runtime;
	readonly #constants: readonly TensorRecord[];
	#model: BodyModel | undefined;

	constructor(parts: BodyParts, runtime: Runtime) {
		this.#parts = parts;
		this.#runtime = runtime;
		this.layers = parts.layers;
		this.graph = parts.graph;
		const { initializers } = parts.outer.model.graph;
		const free = [...freeNames(parts.graph)].filter((name) => name !== '');
		this.#constants = free.flatMap((name) => initializers.get(name) ?? []);
		this.captured = free.filter((name) => !initializers.has(name));
	}

	/**
	 * Runs it once, for the layers in it.
	 * @param tensors what it captures, and its own inputs
	 * @throws {RuntimeError} when it does not run by itself, not even in part
	 */
	async run(tensors: Tensors, ports: RunPorts): Promise<void> {
		const { open, whole, inner } = await this.#load(tensors);
		const known = { tensors: this.#given(tensors), symbols: new Map<string, number>() };
		const own: RunPorts = {
			...ports,
			check: (place, captured, alone) => ports.check(this.layers[place].index, captured, alone),
			unreached: (place, reason, cause) => ports.unreached(this.layers[place].index, reason, cause),
			remark: (place, text) => ports.remark(this.layers[place].index, text),
		};
		if (open.layers.some(({ graphPath }) => graphPath === '')) {
			await whole.run(known, own).catch((refusal) => this.#runPart(open, { known, ports: own, refusal }));
		}
		await inner.run(known, own);
	}

	async #runPart(
		open: OpenedModel,
		{ known, ports, refusal }: { readonly known: Known; readonly ports: RunPorts; readonly refusal: unknown },
	): Promise<void> {
		if (!(refusal instanceof RuntimeError)) {
			throw refusal;
		}
		const part = new PartialRun(
			open,
			this.#runtime,
			await findReach(open, this.#runtime, { refusal }),
			refusal.message,
		);
		for (const [place, reason] of part.unreached) {
			ports.unreached(place, reason);
		}
		await part.run(known, ports);
	}

	/** What one execution of the body makes of these of its tensors. @throws {RuntimeError} */
	async compute(names: readonly string[], tensors: Tensors): Promise<Tensors> {
		const given = this.#given(tensors);
		const { open } = await this.#load(tensors);
		const wanted = names.filter((name) => name !== '' && !given.has(name));
		if (wanted.length === 0) {
			return given;
		}
		const nodes = new NodeNet(open.model.graph).ancestors(wanted, new Set(given.keys()));
		const session = await loadPart(open, { nodes, outputs: wanted, given }, this.#runtime);
		try {
			return new Map([...given, ...(await session.run(given))]);
		} finally {
			await session.release();
		}
	}

	async dispose(): Promise<void> {
		await this.#model?.whole.dispose();
		await this.#model?.inner.dispose();
		this.#model = undefined;
	}

	#given(tensors: Tensors): Map<string, RuntimeTensor> {
		const names = [...this.graph.inputs.map(({ name }) => name), ...this.captured];
		return new Map(
			names.flatMap((name) => {
				const tensor = tensors.get(name);
				return tensor ? [[name, tensor] as const] : [];
			}),
		);
	}

	/** Made once for tensors of the same types and sizes: most runs of one model have them. */
	async #load(tensors: Tensors): Promise<BodyModel> {
		const given = this.#given(tensors);
		const missing = this.graph.inputs.find(({ name }) => !given.has(name));
		if (missing) {
			throw new RuntimeError(`Its input "${missing.name}" gets no value.`);
		}
		const key = JSON.stringify([...given].map(([name, { type, dims }]) => [name, type, dims]));
		if (this.#model?.key === key) {
			return this.#model;
		}
		await this.dispose();
		const { outer, located, inside } = this.#parts;
		const bytes = await bodyAsModel(outer.model, outer.source, located, {
			inputs: [...given].map(([name, { type, dims }]) => ({ name, dataType: typeCode(type as DataTypeName), dims })),
			initializers: this.#constants,
		});
		const source = memorySource(bytes, outer.source.name);
		const model = await readModel(source);
		const open: OpenedModel = {
			...{ model, source, folder: outer.folder, layers: this.#rebased(model.graph) },
			access: { ...outer.access, source },
			close: async () => {},
		};
		this.#model = { key, open, whole: new WholeRun(open, this.#runtime), inner: inside(open, this.graph) };
		return this.#model;
	}

	/** Those of the body itself as layers of a main graph. */
	#rebased({ nodes }: Graph): BatchNormLayer[] {
		return this.layers.map(({ layer }) =>
			layer.scope.graph === this.graph ? { ...layer, graphPath: '', node: nodes[layer.node.index] } : layer,
		);
	}
}
