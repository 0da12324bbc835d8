import { product } from '../../../core/numbers/arrays.js';
import { isFloatType } from '../../../core/numbers/float-formats.js';
import { type Moments, mergeMoments } from '../../../core/numbers/moments.js';
import { centeredParameters } from '../../../kernel/methods/centered-parameters.js';
import type { FloatData, Kernel } from '../../../kernel/types.js';
import { layoutOf } from '../check/prepare-layer.js';
import type { OpenedModel } from '../model/opened-model.js';
import { loadPart, type PartSession } from '../model/partial-session.js';
import { bfloat16Tensors } from '../run/tensors-wanted.js';
import { type Runtime, RuntimeError } from '../runtime/runtime.js';
import type { RuntimeTensor, Tensors } from '../tensors/tensor.js';
import { isKernelType, type TensorSize } from '../tensors/tensor-size.js';
import { ArrayPool } from './array-pool.js';
import type { Stage, StagePlan } from './stages.js';

/** Tensors of a part of a batch, by name. */
export type State = Map<string, RuntimeTensor>;

/** Mean and variance that a layer normalizes with, each a value per channel or activation. */
export interface LayerNorm {
	readonly mean: Float64Array;
	readonly variance: Float64Array;
}

/**
 * Runs a model stage by stage. The runtime computes the nodes between layers, the kernel the statistics of each layer's
 * input and the layer itself. So every layer normalizes with any statistics, in every opset, and the runtime needs no
 * kernel for BatchNormalization.
 */
export class StagedRun {
	readonly #model: OpenedModel;
	readonly #plan: StagePlan;
	readonly #runtime: Runtime;
	readonly #kernel: Kernel;
	readonly #sessions = new Map<Stage, PartSession>();
	/** Sizes of a stage's outputs, by the sizes of the tensors that it is given. */
	readonly #sizes = new Map<string, ReadonlyMap<string, TensorSize>>();
	#pool = new ArrayPool();
	readonly #isNarrow: (name: string) => boolean;

	constructor(model: OpenedModel, plan: StagePlan, { runtime, kernel }: { runtime: Runtime; kernel: Kernel }) {
		this.#model = model;
		this.#plan = plan;
		this.#runtime = runtime;
		this.#kernel = kernel;
		this.#isNarrow = bfloat16Tensors(model.layers);
	}

	get runtime(): Runtime {
		return this.#runtime;
	}

	get stages(): readonly Stage[] {
		return this.#plan.stages;
	}

	/** Returns the tensors in front of the first stage. */
	start(inputs: Tensors): State {
		return new Map(
			this.#plan.inputs.flatMap((name) => {
				const tensor = inputs.get(name);
				return tensor ? [[name, tensor] as const] : [];
			}),
		);
	}

	/** Computes the inputs of a stage's layers. @throws {RuntimeError} */
	async compute(stage: Stage, states: readonly State[]): Promise<void> {
		for (const state of states) {
			if (stage.nodes.length > 0) {
				await this.#run(stage, state);
			}
		}
	}

	/** Returns the moments of a layer's input over all parts of a batch. @throws {RuntimeError} as {@link moments} */
	batchMoments(index: number, states: readonly State[]): Moments {
		const [first, ...others] = states.map((state) => this.moments(index, state));
		return others.length === 0 ? first : mergeMoments([first, ...others]);
	}

	/**
	 * Returns the moments of a layer's input in a state: per channel, or per activation.
	 * @throws {RuntimeError} if the input has no floating type or another number of channels
	 */
	moments(index: number, state: State): Moments {
		const { axes } = this.#model.layers[index];
		const { data, dtype, layout } = this.#input(index, state);
		return this.#kernel.moments(data, dtype, layout, axes);
	}

	/** Computes the outputs of a stage's layers with given statistics, and drops tensors that are not needed any more. */
	normalize(stage: Stage, states: readonly State[], normOf: (layer: number, state: State) => LayerNorm): void {
		for (const state of states) {
			for (const index of stage.normalized) {
				const layer = this.#model.layers[index];
				const { data, dtype, layout, dims } = this.#input(index, state);
				const statistics = normOf(index, state);
				const [gamma, beta] = [layer.gamma.values ?? new Float64Array(), layer.beta.values ?? new Float64Array()];
				const { axes, epsilon } = layer;
				const parameters = centeredParameters({ axes, epsilon, layout, statistics, learned: { gamma, beta } });
				const isOwn = stage.overwritable.has(layer.input) && this.#pool.owns(data);
				const out = isOwn ? data : (this.#pool.take(dtype, data.length) as FloatData);
				this.#kernel.apply({ x: data, dtype, layout, out, ...parameters });
				state.set(layer.output, { type: dtype, dims, data: out });
				if (isOwn) {
					state.delete(layer.input);
				}
			}
			for (const name of stage.dead) {
				this.#pool.give(state.get(name)?.data);
				state.delete(name);
			}
		}
	}

	/** Takes the memory of states back, and empties them. */
	drop(states: readonly State[]): void {
		for (const state of states) {
			for (const { data } of state.values()) {
				this.#pool.give(data);
			}
			state.clear();
		}
	}

	/** Releases sessions and memory. The next run takes them again. */
	async dispose(): Promise<void> {
		for (const session of this.#sessions.values()) {
			await session.release();
		}
		this.#sessions.clear();
		this.#pool = new ArrayPool();
	}

	#input(index: number, state: State) {
		const { name, input, gamma, channelAxis, axes } = this.#model.layers[index];
		const x = state.get(input);
		if (!x || !isFloatType(x.type)) {
			throw new RuntimeError(`The runtime returned no floating tensor "${input}", the input of ${name}.`);
		}
		const layout = layoutOf(x.dims, channelAxis);
		const expected = axes === 'activation' ? layout.channels * layout.planeSize : layout.channels;
		if (gamma.values?.length !== expected) {
			throw new RuntimeError(
				`${name} has ${gamma.values?.length} values per parameter, but its input of shape [${x.dims.join(', ')}] needs ${expected}.`,
			);
		}
		return { data: x.data as FloatData, dtype: x.type, layout, dims: x.dims };
	}

	async #run(stage: Stage, state: State): Promise<void> {
		const session = this.#sessions.get(stage) ?? (await this.#load(stage, state));
		const key = `${this.stages.indexOf(stage)}:${[...state.values()].map(({ dims }) => dims.join()).join(';')}`;
		const sizes = this.#sizes.get(key);
		const into = new Map<string, RuntimeTensor>();
		for (const [name, { type, dims }] of sizes ?? []) {
			const length = product(dims);
			if (isKernelType(type) && length > 0) {
				into.set(name, { type, dims, data: this.#pool.take(type, length) });
			}
		}
		const results = await session.run(state, into);
		if (!sizes) {
			this.#sizes.set(key, new Map([...results].map(([name, { type, dims }]) => [name, { type, dims }])));
		}
		for (const name of stage.outputs) {
			const tensor = results.get(name);
			if (tensor) {
				state.set(name, tensor);
			}
		}
	}

	async #load(stage: Stage, state: State): Promise<PartSession> {
		const given = new Map([...state].map(([name, { type }]) => [name, { type }]));
		const { nodes, outputs } = stage;
		const part = { nodes, outputs, given, isNarrow: this.#isNarrow };
		const session = await loadPart(this.#model, part, this.#runtime, { sleeps: true });
		this.#sessions.set(stage, session);
		return session;
	}
}
