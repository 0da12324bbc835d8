import { loadBytes, outputsTail } from '../model/load-model.js';
import { readWithTail } from '../model/model-bytes.js';
import type { OpenedModel } from '../model/opened-model.js';
import { PartLoader } from '../model/part-loader.js';
import type { PartSession } from '../model/partial-session.js';
import { overwritesStatistics } from '../model/run-time-parameters.js';
import { makePages } from '../runtime/prefault.js';
import {
	fetchable,
	type OptimizationLevel,
	type Runtime,
	type RuntimeSession,
	unpassableName,
	unpassableSentence,
} from '../runtime/runtime.js';
import type { RuntimeTensor, Tensors } from '../tensors/tensor.js';
import { type CaptureSource, capture } from './capture.js';
import type { Capture } from './capture-plan.js';
import { expectedBytes } from './expected-bytes.js';
import type { CapturedLayer, Known, ModelRun, RunContext, RunEvents } from './run-events.js';
import { checkedTensors } from './tensors-wanted.js';

/** Runs the whole model, with every tensor that the checks need made a graph output. */
export class WholeRun implements ModelRun, CaptureSource {
	level: OptimizationLevel = 'disabled';
	readonly unreached = new Map<number, string>();
	/** The first run's model outputs; empty after several capturing runs. */
	readonly outputs = new Map<string, RuntimeTensor>();
	/** Training mode overwrites the session's constants, which works only if the runtime plans the memory itself. */
	readonly usesRuntimeMemory: boolean;
	/** Captures of the main graph's layers. */
	readonly #captures: readonly Capture<CapturedLayer>[];
	readonly #model: OpenedModel;
	readonly #runtime: Runtime;
	readonly #parts: PartLoader;
	/** Session for the next run. */
	#session: PartSession | undefined;

	constructor(model: OpenedModel, runtime: Runtime) {
		this.#model = model;
		this.#runtime = runtime;
		this.usesRuntimeMemory = model.layers.some(overwritesStatistics);
		this.#parts = new PartLoader(model, runtime);
		this.#captures = model.layers.flatMap((layer, index) => {
			const unpassable = unpassableName(checkedTensors(layer));
			if (unpassable !== undefined) {
				this.unreached.set(index, `Not checked: ${unpassableSentence(unpassable)}`);
				return [];
			}
			if (layer.graphPath === '') {
				return [{ consumer: { index }, tensors: checkedTensors(layer) }];
			}
			this.unreached.set(index, insideReason(layer.graphPath));
			return [];
		});
	}

	get remark(): string | undefined {
		return this.level === 'disabled'
			? undefined
			: `The model loads only with the runtime's optimizations at level "${this.level}".`;
	}

	async *run(known: Known, context: RunContext): RunEvents {
		for await (const { consumers, tensors } of capture(this, this.#captures, known, context)) {
			yield { type: 'layers', layers: consumers, tensors };
		}
		if (this.#captures.length === 0) {
			await this.#runWithoutCaptures(known, context);
		}
	}

	/** Runs a model whose layers are all in bodies: only this shows whether it runs on these inputs. */
	async #runWithoutCaptures(known: Known, context: RunContext): Promise<void> {
		const { watch } = context;
		const session = await watch.time('create', () => this.load([], known, context));
		try {
			await watch.time('run', () => session.run(known.tensors));
		} catch (error) {
			await session.release();
			throw error;
		}
		await this.finish(session);
	}

	async dispose(): Promise<void> {
		await this.#session?.release();
	}

	async load(names: readonly string[], known: Known, context: RunContext): Promise<PartSession> {
		const session = this.#session;
		this.#session = undefined;
		return session ?? this.#load(names, known, context);
	}

	async finish(session: PartSession): Promise<void> {
		if (this.usesRuntimeMemory) {
			// A training-mode run has overwritten the session's constants, so the session must not be used again.
			await session.release();
		} else {
			this.#session = session;
		}
	}

	loadPart(names: readonly string[]): Promise<PartSession> {
		return this.#parts.load(names, this.level);
	}

	loadShapes(names: readonly string[]): Promise<PartSession> {
		return this.#parts.loadShapes(names, this.level);
	}

	async #load(names: readonly string[], known: Known, { memory, budget }: RunContext): Promise<PartSession> {
		const { model, source } = this.#model;
		const tail = outputsTail(this.#model, names);
		const tensors = this.usesRuntimeMemory ? 0 : expectedBytes(model, names, known);
		const lent = memory.lend({ model: source.size + tail.length, tensors }, budget);
		const pages = makePages(lent.rest);
		let session: RuntimeSession;
		try {
			session = await loadBytes(this.#model, await readWithTail(source, tail, lent.model), this.#runtime);
		} finally {
			await pages;
		}
		this.level = session.level;
		const own = fetchable(
			session,
			model.graph.outputs.map(({ name }) => name),
		);
		return {
			level: session.level,
			outputs: session.outputs,
			run: async (inputs, targets) => {
				const tensors = await session.run(inputs, [...new Set([...names, ...own])], targets);
				this.#keepOutputs(tensors, targets);
				return tensors;
			},
			release: () => session.release(),
		};
	}

	/** Keeps the model's own outputs. @param targets tensors in the capture memory, of which copies are kept */
	#keepOutputs(tensors: Tensors, targets: Tensors | undefined): void {
		if (this.outputs.size > 0) {
			return;
		}
		for (const { name } of this.#model.model.graph.outputs) {
			const tensor = tensors.get(name);
			if (tensor) {
				this.outputs.set(name, targets?.has(name) ? { ...tensor, data: tensor.data.slice() } : tensor);
			}
		}
	}
}

/** Returns the reason why a body's layer is not checked. @param path of the body */
export function insideReason(path: string): string {
	return `Not checked: the layer is inside ${path}, where the runtime gives no access to tensors.`;
}
