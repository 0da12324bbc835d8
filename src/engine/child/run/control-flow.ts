import { bodies } from '../../../core/onnx/graph/graph-index.js';
import type { Graph, Node } from '../../../core/onnx/model.js';
import { NodeNet } from '../model/node-net.js';
import type { OpenedModel } from '../model/opened-model.js';
import type { Part } from '../model/partial-model.js';
import { loadPart, type PartSession } from '../model/partial-session.js';
import { type Runtime, RuntimeError } from '../runtime/runtime.js';
import { NO_TENSOR, type Tensors } from '../tensors/tensor.js';
import { bytesOf } from '../tensors/tensor-size.js';
import { BodyRun, type NumberedLayer } from './body-run.js';
import { type CaptureSource, capture } from './capture.js';
import { observeBodies, takesSequences } from './observe-bodies.js';
import { type BodyOwner, missLayers, runBodies } from './run-bodies.js';
import type { Known, Run, RunContext, RunEvent, RunEvents } from './run-events.js';
import { bfloat16Tensors } from './tensors-wanted.js';

/**
 * Runs the bodies of a graph's If, Loop and Scan nodes that contain layers. Captures the tensors that a body uses from
 * the graph around it, then runs the body by itself. Runs the taken branch of an If, and every iteration of a Loop or
 * Scan. If a body does not run, its layers get the reason, and all other layers are still checked.
 */
export class ControlFlow implements Run {
	readonly #model: OpenedModel;
	readonly #runtime: Runtime;
	readonly #owners: readonly BodyOwner[];
	#net: NodeNet | undefined;

	/** @param graph main graph of `model` as its layers refer to it: the same nodes in the same order */
	constructor(model: OpenedModel, runtime: Runtime, graph: Graph = model.model.graph) {
		this.#model = model;
		this.#runtime = runtime;
		this.#owners = model.layers.every(({ scope }) => scope.graph === graph)
			? []
			: graph.nodes.flatMap((node) => this.#owner(node) ?? []);
	}

	/** @throws {OnnxError} `io` if the file was changed since it was read. */
	async *run(known: Known, context: RunContext): RunEvents {
		if (this.#owners.length === 0) {
			return;
		}
		const started = new Set<BodyOwner>();
		for (const owner of this.#owners.filter(takesSequences)) {
			if (yield* this.#observe(owner, known, context)) {
				started.add(owner);
			}
		}
		const plain = this.#owners.filter((owner) => !started.has(owner));
		const refusal = yield* this.#runOwners(plain, known, { context, started });
		// An owner's tensors cannot be computed, so try the rest separately.
		for (const owner of refusal ? plain.filter((each) => !started.has(each)) : []) {
			const ownRefusal = yield* this.#runOwners([owner], known, { context, started });
			if (ownRefusal && !(yield* this.#observe(owner, known, context))) {
				yield* missLayers(owner, (path) => `Not checked: the layer is inside ${path}, ${lacking(ownRefusal)}`);
			}
		}
	}

	/** Runs an owner where it is, with the tensors of its layers as outputs. Returns false if the runtime refuses that. */
	async *#observe(owner: BodyOwner, known: Known, context: RunContext): AsyncGenerator<RunEvent, boolean, undefined> {
		this.#net ??= new NodeNet(this.#model.model.graph);
		try {
			yield* observeBodies(owner, known, context, { model: this.#model, net: this.#net, runtime: this.#runtime });
			return true;
		} catch (error) {
			if (!(error instanceof RuntimeError)) {
				throw error;
			}
			return false;
		}
	}

	async dispose(): Promise<void> {
		for (const { run } of this.#owners.flatMap((owner) => owner.bodies)) {
			await run.dispose();
		}
	}

	/** @param node of the graph as its layers refer to it */
	#owner(node: Node): BodyOwner | undefined {
		const located = bodies(this.#model.model.graph.nodes[node.index]);
		const runs = bodies(node).flatMap(({ attribute, graph }, i) => {
			const layers = this.#layersIn(graph);
			const inside = (model: OpenedModel, body: Graph) => new ControlFlow(model, this.#runtime, body);
			const parts = { outer: this.#model, graph, located: located[i].graph, layers, inside };
			return layers.length === 0 ? [] : [{ attribute, run: new BodyRun(parts, this.#runtime) }];
		});
		const tensors = new Set([...node.inputs, ...runs.flatMap(({ run }) => run.captured)]);
		tensors.delete('');
		return runs.length === 0 ? undefined : { node, bodies: runs, tensors: [...tensors] };
	}

	#layersIn(body: Graph): NumberedLayer[] {
		const graphs = new Set(withInner(body));
		return this.#model.layers.flatMap((layer, index) => (graphs.has(layer.scope.graph) ? [{ index, layer }] : []));
	}

	/**
	 * Captures the tensors of owners, and runs the bodies of each.
	 * @param started receives the owners whose tensors were captured
	 * @returns the error if the tensors cannot be computed
	 */
	async *#runOwners(
		owners: readonly BodyOwner[],
		known: Known,
		{ context, started }: { readonly context: RunContext; readonly started: Set<BodyOwner> },
	): AsyncGenerator<RunEvent, RuntimeError | undefined, undefined> {
		const captures = owners.map((owner) => ({ consumer: owner, tensors: owner.tensors }));
		try {
			for await (const { consumers, tensors } of capture(this.#source(known.tensors), captures, known, context)) {
				for (const owner of consumers) {
					started.add(owner);
					yield* this.#runOwner(owner, tensors, context);
				}
			}
			return undefined;
		} catch (error) {
			if (!(error instanceof RuntimeError)) {
				throw error;
			}
			return error;
		}
	}

	#source(known: Tensors): CaptureSource {
		this.#net ??= new NodeNet(this.#model.model.graph);
		const net = this.#net;
		const given = new Map([...known].map(([name, { type, dims }]) => [name, { type, dims }]));
		const isNarrow = bfloat16Tensors(this.#model.layers);
		const load = (part: Pick<Part, 'outputs' | 'shapes'>, names: readonly string[]) => {
			const nodes = net.ancestors(names, new Set(given.keys()));
			return loadPart(this.#model, { ...part, nodes, given, isNarrow }, this.#runtime, { frugal: true });
		};
		const loadTensors = async (names: readonly string[]) => requireTensors(await load({ outputs: names }, names));
		return {
			// The capture memory is for the layers in the bodies, which are captured while these tensors are still used.
			usesRuntimeMemory: true,
			load: loadTensors,
			finish: (session) => session.release(),
			loadPart: loadTensors,
			loadShapes: (names) => load({ outputs: [], shapes: names }, names),
		};
	}

	/** @param tensors of the graph around the owner's bodies */
	async *#runOwner(owner: BodyOwner, tensors: Tensors, context: RunContext): RunEvents {
		const held = owner.tensors.reduce((total, name) => total + sizeOf(tensors, name), 0);
		try {
			yield* runBodies(owner, tensors, { ...context, budget: Math.max(0, context.budget - held) });
		} catch (error) {
			if (!(error instanceof RuntimeError)) {
				throw error;
			}
			const { detail } = error;
			yield* missLayers(
				owner,
				(path) => `Not checked: the layer is inside ${path}, which does not run by itself: ${detail}`,
			);
		}
	}
}

function lacking({ detail }: RuntimeError): string {
	return `and the tensors that it uses from the graph around it cannot be computed: ${detail}`;
}

/** @throws {RuntimeError} if an output of a session is a sequence or an optional value */
async function requireTensors(session: PartSession): Promise<PartSession> {
	const other = session.outputs.find(({ type }) => type === NO_TENSOR);
	if (other) {
		await session.release();
		throw new RuntimeError(`"${other.name}" is a sequence or an optional value, not a tensor.`);
	}
	return session;
}

function sizeOf(tensors: Tensors, name: string): number {
	const tensor = tensors.get(name);
	return tensor ? bytesOf(tensor) : 0;
}

/** Returns a graph and all bodies in it. */
function withInner(graph: Graph): Graph[] {
	return [graph, ...graph.nodes.flatMap((node) => bodies(node).flatMap((body) => withInner(body.graph)))];
}
