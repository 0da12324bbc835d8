import { appendGraphOutputs } from '../../../core/onnx/write/outputs.js';
import { readWithTail } from '../model/model-bytes.js';
import { NodeNet } from '../model/node-net.js';
import type { OpenedModel } from '../model/opened-model.js';
import type { Part } from '../model/partial-model.js';
import { loadPart, type PartSession } from '../model/partial-session.js';
import { requiredInputs } from '../model/required-inputs.js';
import { makePages } from '../runtime/prefault.js';
import { fetchable, type OptimizationLevel, type Runtime, type RuntimeSession } from '../runtime/runtime.js';
import type { RuntimeTensor } from '../tensors/tensor.js';
import { type Known, runStage, type Stage } from './capture.js';
import { borrowRoom, expectedBytes, type LoadPorts } from './memory-plan.js';
import type { ModelRun, RunPorts } from './model-run.js';
import { checkedTensors } from './tensors-wanted.js';

/**
 * Unoptimized first: every BatchNormalization then runs as written, and creating the session is four times as fast.
 * The other levels serve models that load only with some of their operators fused.
 */
const LEVELS: readonly OptimizationLevel[] = ['disabled', 'basic', 'extended', 'all'];

/** Runs the whole model with every tensor that the checks need made a graph output. */
export class WholeRun implements ModelRun, Stage {
	level: OptimizationLevel = 'disabled';
	readonly unreached = new Map<number, string>();
	readonly layers: Stage['layers'];
	/** The model's own outputs in the first run; empty where capturing took several runs. */
	readonly outputs = new Map<string, RuntimeTensor>();
	/** Training mode writes running statistics back into a session's constants: its memory is left as the runtime plans it. */
	readonly asIs: boolean;
	readonly #open: OpenedModel;
	readonly #runtime: Runtime;
	readonly #given: Part['given'];
	#net: NodeNet | undefined;
	#kept: PartSession | undefined;

	constructor(open: OpenedModel, runtime: Runtime) {
		this.#open = open;
		this.#runtime = runtime;
		this.asIs = open.layers.some(({ mode }) => mode === 'training');
		this.#given = new Map(requiredInputs(open.model).map(({ name, type }) => [name, { type }]));
		this.layers = open.layers.flatMap((layer, index) => {
			if (layer.graphPath === '') {
				return [{ index, tensors: checkedTensors(layer) }];
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

	async run(known: Known, ports: RunPorts): Promise<void> {
		const check = async (index: number, tensors: ReadonlyMap<string, RuntimeTensor>) => {
			await ports.check(index, tensors);
		};
		await runStage(this, known, { ...ports, check });
		if (this.layers.length === 0) {
			await this.#runPlain(known, ports);
		}
	}

	/** All layers are in bodies: whether the model runs on this input shows here, and only here. */
	async #runPlain(known: Known, ports: RunPorts): Promise<void> {
		const { timed } = ports;
		const session = await timed('create', () => this.open([], known, ports));
		try {
			await timed('run', () => session.run(known.tensors));
		} catch (error) {
			await session.release();
			throw error;
		}
		await this.close(session);
	}

	async dispose(): Promise<void> {
		await this.#kept?.release();
	}

	async open(names: readonly string[], known: Known, ports: LoadPorts): Promise<PartSession> {
		const kept = this.#kept;
		this.#kept = undefined;
		return kept ?? this.#load(names, known, ports);
	}

	async close(session: PartSession): Promise<void> {
		if (this.asIs) {
			// What one run has left in it the next must not see.
			await session.release();
		} else {
			this.#kept = session;
		}
	}

	openPart(names: readonly string[]): Promise<PartSession> {
		// What a group leaves free the next may need.
		return this.#part({ outputs: names }, names, true);
	}

	openShapes(names: readonly string[]): Promise<PartSession> {
		return this.#part({ outputs: [], shapes: names }, names, true);
	}

	#part(part: Pick<Part, 'outputs' | 'shapes'>, names: readonly string[], frugal: boolean): Promise<PartSession> {
		this.#net ??= new NodeNet(this.#open.model.graph);
		const nodes = this.#net.ancestors(names, new Set(this.#given.keys()));
		return loadPart(this.#open, { ...part, nodes, given: this.#given }, this.#runtime, {
			levels: [this.level],
			frugal,
		});
	}

	async #load(names: readonly string[], known: Known, ports: LoadPorts): Promise<PartSession> {
		const { model, source, folder } = this.#open;
		const tail = appendGraphOutputs(names, model.graph.outputs);
		const tensors = this.asIs ? 0 : expectedBytes(model, names, known);
		const room = borrowRoom({ model: source.size + tail.length, tensors }, ports);
		const pages = makePages(room.ahead);
		let session: RuntimeSession;
		try {
			session = await this.#runtime.createSession(await readWithTail(source, tail, room.model), {
				levels: LEVELS,
				...(folder === undefined ? {} : { externalDataFolder: folder }),
			});
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
			run: (known, into) => this.#capture(session, [...new Set([...names, ...own])], known, into),
			release: () => session.release(),
		};
	}

	async #capture(
		session: RuntimeSession,
		fetch: readonly string[],
		known: ReadonlyMap<string, RuntimeTensor>,
		into: ReadonlyMap<string, RuntimeTensor> | undefined,
	): Promise<Map<string, RuntimeTensor>> {
		const tensors = await session.run(known, fetch, into);
		if (this.outputs.size === 0) {
			for (const { name } of this.#open.model.graph.outputs) {
				const tensor = tensors.get(name);
				if (tensor) {
					// The kernel's memory is used again.
					this.outputs.set(name, into?.has(name) ? { ...tensor, data: tensor.data.slice() } : tensor);
				}
			}
		}
		return tensors;
	}
}

export function insideReason(path: string): string {
	return `Not checked: the layer is inside ${path}, where the runtime gives no access to tensors.`;
}
