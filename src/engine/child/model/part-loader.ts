import type { OptimizationLevel, Runtime } from '../runtime/runtime.js';
import { NodeNet } from './node-net.js';
import type { OpenedModel } from './opened-model.js';
import type { Part } from './partial-model.js';
import { loadPart, type PartSession } from './partial-session.js';
import { requiredInputs } from './required-inputs.js';

/** Loads the parts of a model that compute tensors of its main graph from its inputs. */
export class PartLoader {
	readonly #model: OpenedModel;
	readonly #runtime: Runtime;
	readonly #given: Part['given'];
	#net: NodeNet | undefined;

	constructor(model: OpenedModel, runtime: Runtime) {
		this.#model = model;
		this.#runtime = runtime;
		this.#given = new Map(requiredInputs(model.model).map(({ name, type }) => [name, { type }]));
	}

	/** Nodes of the main graph, built when needed. */
	get net(): NodeNet {
		this.#net ??= new NodeNet(this.#model.model.graph);
		return this.#net;
	}

	/**
	 * Loads the part that computes tensors.
	 * @throws {RuntimeError} if the runtime refuses it at `level`.
	 */
	load(names: readonly string[], level: OptimizationLevel): Promise<PartSession> {
		return this.#load({ outputs: names }, names, level);
	}

	/**
	 * Loads the part that computes the shapes of tensors.
	 * @throws {RuntimeError} if the runtime refuses it at `level`.
	 */
	loadShapes(names: readonly string[], level: OptimizationLevel): Promise<PartSession> {
		return this.#load({ outputs: [], shapes: names }, names, level);
	}

	#load(part: Pick<Part, 'outputs' | 'shapes'>, names: readonly string[], level: OptimizationLevel) {
		const nodes = this.net.ancestors(names, new Set(this.#given.keys()));
		// Frugal, because the next group may need the freed memory.
		return loadPart(this.#model, { ...part, nodes, given: this.#given }, this.#runtime, {
			levels: [level],
			frugal: true,
		});
	}
}
