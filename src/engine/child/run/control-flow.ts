import { bodies } from '../../../core/onnx/graph/scope.js';
import type { Graph, Node } from '../../../core/onnx/model.js';
import { NodeNet } from '../model/node-net.js';
import type { OpenedModel } from '../model/opened-model.js';
import type { Part } from '../model/partial-model.js';
import { loadPart, type PartSession } from '../model/partial-session.js';
import { type Runtime, RuntimeError } from '../runtime/runtime.js';
import type { Tensors } from '../tensors/tensor.js';
import { NO_TENSOR } from '../tensors/tensor.js';
import { bytesOf } from '../tensors/tensor-size.js';
import { BodyRun, type InnerRun, type NumberedLayer } from './body-run.js';
import { type Known, runStage, type Stage } from './capture.js';
import { type Iterations, loopIterations, MAX_ITERATIONS, scanIterations } from './iterations.js';
import type { RunPorts } from './model-run.js';
import { bfloat16Tensors } from './tensors-wanted.js';
import { insideReason } from './whole-run.js';

/** A node with layers in its bodies. */
interface Owner {
	readonly node: Node;
	readonly bodies: readonly { readonly attribute: string; readonly run: BodyRun }[];
	/** Tensors of the graph around it that running its bodies takes. */
	readonly tensors: readonly string[];
}

/**
 * Runs the bodies of a graph's If, Loop and Scan nodes that have layers in them: the tensors that a body finds around it
 * are captured, then the body runs by itself, of an If the branch that is taken, of a Loop or Scan every iteration.
 * What does not run leaves its layers with the reason, and the others checked.
 */
export class ControlFlow implements InnerRun {
	readonly #open: OpenedModel;
	readonly #runtime: Runtime;
	readonly #owners: readonly Owner[];
	#net: NodeNet | undefined;

	/** @param graph the main graph of `open` as its layers know it: the same node for node */
	constructor(open: OpenedModel, runtime: Runtime, graph: Graph = open.model.graph) {
		this.#open = open;
		this.#runtime = runtime;
		this.#owners = open.layers.every(({ scope }) => scope.graph === graph)
			? []
			: graph.nodes.flatMap((node) => this.#owner(node) ?? []);
	}

	/** @throws {OnnxError} `io` when the file was changed since it was read */
	async run(known: Known, ports: RunPorts): Promise<void> {
		const started = new Set<Owner>();
		const start = (owner: Owner, tensors: Tensors) => {
			started.add(owner);
			return this.#runOwner(owner, tensors, ports);
		};
		if (this.#owners.length === 0) {
			return;
		}
		const joint = await this.#capture(this.#owners, known, { ports, start });
		// What one of them needs cannot be had: the others may well run.
		for (const owner of joint ? this.#owners.filter((each) => !started.has(each)) : []) {
			const refusal = await this.#capture([owner], known, { ports, start });
			if (refusal) {
				skip(owner, ports, (path) => `Not checked: the layer is inside ${path}, ${lacking(refusal)}`);
			}
		}
	}

	async dispose(): Promise<void> {
		for (const { run } of this.#owners.flatMap((owner) => owner.bodies)) {
			await run.dispose();
		}
	}

	/** @param node of the graph as its layers know it */
	#owner(node: Node): Owner | undefined {
		const located = bodies(this.#open.model.graph.nodes[node.index]);
		const runs = bodies(node).flatMap(({ attribute, graph }, i) => {
			const layers = this.#layersIn(graph);
			const inside = (open: OpenedModel, body: Graph) => new ControlFlow(open, this.#runtime, body);
			const parts = { outer: this.#open, graph, located: located[i].graph, layers, inside };
			return layers.length === 0 ? [] : [{ attribute, run: new BodyRun(parts, this.#runtime) }];
		});
		const tensors = new Set([...node.inputs, ...runs.flatMap(({ run }) => run.captured)]);
		tensors.delete('');
		return runs.length === 0 ? undefined : { node, bodies: runs, tensors: [...tensors] };
	}

	#layersIn(body: Graph): NumberedLayer[] {
		const graphs = new Set(withInner(body));
		return this.#open.layers.flatMap((layer, index) => (graphs.has(layer.scope.graph) ? [{ index, layer }] : []));
	}

	/** Has the owners' tensors computed and each of them started on; the reason when that does not run. */
	async #capture(
		owners: readonly Owner[],
		known: Known,
		{ ports, start }: { readonly ports: RunPorts; start(owner: Owner, tensors: Tensors): Promise<void> },
	): Promise<RuntimeError | undefined> {
		this.#net ??= new NodeNet(this.#open.model.graph);
		const net = this.#net;
		const given = new Map([...known.tensors].map(([name, { type, dims }]) => [name, { type, dims }]));
		const isNarrow = bfloat16Tensors(this.#open.layers);
		const open = (part: Pick<Part, 'outputs' | 'shapes'>, names: readonly string[]) => {
			const nodes = net.ancestors(names, new Set(given.keys()));
			return loadPart(this.#open, { ...part, nodes, given, isNarrow }, this.#runtime, { frugal: true });
		};
		const openTensors = async (names: readonly string[]) => tensorsOnly(await open({ outputs: names }, names));
		const stage: Stage = {
			layers: owners.map(({ tensors }, index) => ({ index, tensors })),
			// The kernel's memory is for the layers, which are checked while these tensors are still needed.
			asIs: true,
			open: openTensors,
			close: (session) => session.release(),
			openPart: openTensors,
			openShapes: (names) => open({ outputs: [], shapes: names }, names),
		};
		try {
			await runStage(stage, known, {
				...ports,
				// What is timed within is no verification.
				timed: (name, work) => (name === 'verify' ? work() : ports.timed(name, work)),
				check: (index, tensors) => start(owners[index], tensors),
			});
			return undefined;
		} catch (error) {
			if (!(error instanceof RuntimeError)) {
				throw error;
			}
			return error;
		}
	}

	async #runOwner(owner: Owner, tensors: Tensors, ports: RunPorts): Promise<void> {
		const held = owner.tensors.reduce((total, name) => total + sizeOf(tensors, name), 0);
		const rest = { ...ports, budget: Math.max(0, ports.budget - held) };
		try {
			await runBodies(owner, tensors, rest);
		} catch (error) {
			if (!(error instanceof RuntimeError)) {
				throw error;
			}
			skip(
				owner,
				ports,
				(path) => `Not checked: the layer is inside ${path}, which does not run by itself: ${error.detail}`,
			);
		}
	}
}

function lacking({ detail }: RuntimeError): string {
	return `and what that takes from the graph around it cannot be had: ${detail}`;
}

/** @throws {RuntimeError} where one of a part's outputs is a sequence or an optional value */
async function tensorsOnly(session: PartSession): Promise<PartSession> {
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

function withInner(graph: Graph): Graph[] {
	return [graph, ...graph.nodes.flatMap((node) => bodies(node).flatMap((body) => withInner(body.graph)))];
}

function skip({ bodies: own }: Pick<Owner, 'bodies'>, ports: RunPorts, reason: (path: string) => string): void {
	for (const { index, layer } of own.flatMap(({ run }) => run.layers)) {
		ports.unreached(index, reason(layer.graphPath));
	}
}

/** Before, a Scan had a batch dimension and lengths of sequences. */
const SCAN_OPSET = 9;

async function runBodies(owner: Owner, tensors: Tensors, ports: RunPorts): Promise<void> {
	const { node } = owner;
	const [body] = owner.bodies;
	const { opset } = body.run.layers[0].layer;
	if (node.domain === '' && node.opType === 'If') {
		await runBranches(owner, tensors, ports);
	} else if (node.domain === '' && node.opType === 'Loop') {
		await runIterations(owner, tensors, { ports, iterations: loopIterations(node, body.run.graph, tensors) });
	} else if (node.domain === '' && node.opType === 'Scan' && opset >= SCAN_OPSET) {
		await runIterations(owner, tensors, { ports, iterations: scanIterations(node, body.run.graph, tensors) });
	} else {
		skip(owner, ports, insideReason);
	}
}

async function runBranches({ node, bodies: branches }: Owner, tensors: Tensors, ports: RunPorts): Promise<void> {
	const condition = Boolean(tensors.get(node.inputs[0] ?? '')?.data[0]);
	for (const { attribute, run } of branches) {
		if (attribute === (condition ? 'then_branch' : 'else_branch')) {
			await run.run(tensors, ports);
		} else {
			const why = `on this input condition "${node.inputs[0] ?? ''}" is ${condition}, so ${attribute} does not run`;
			for (const { index } of run.layers) {
				ports.unreached(index, `Not checked: ${why}.`, 'not-taken');
			}
		}
	}
}

/** Every iteration, one after the other, as far as they are not too many. */
async function runIterations(
	{ node, bodies: [{ run }] }: Owner,
	tensors: Tensors,
	{ ports, iterations }: { readonly ports: RunPorts; readonly iterations: Iterations },
): Promise<void> {
	/** Layer -> iterations in which it was: a body within may run it several times in one, or not at all. */
	const checked = new Map<number, Set<number>>();
	let count = 0;
	const counting: RunPorts = {
		...ports,
		check: async (index, captured, alone) => {
			checked.set(index, (checked.get(index) ?? new Set()).add(count));
			return ports.check(index, captured, alone);
		},
	};
	let inputs = iterations.first();
	let refusal: RuntimeError | undefined;
	while (inputs && !refusal && count < MAX_ITERATIONS) {
		try {
			const given: Tensors = new Map([...tensors, ...inputs]);
			await run.run(given, counting);
			count += 1;
			inputs = iterations.next(count, await run.compute(iterations.carried, given));
		} catch (error) {
			if (!(error instanceof RuntimeError) || count === 0) {
				throw error;
			}
			refusal = error;
		}
	}
	const rest = refusal ? `; the next does not run by itself: ${refusal.detail}` : inputs ? ', which has more.' : '.';
	for (const { index } of run.layers) {
		const times = checked.get(index)?.size ?? 0;
		if (count === 0) {
			const why = `${title(node)} does not run a single iteration for this input`;
			ports.unreached(index, `Not checked: ${why}.`, 'not-taken');
		} else if (times > 0) {
			ports.remark(index, `Checked in ${extent(times, count, rest !== '.')} of ${title(node)}${rest}`);
		}
	}
}

/** How many of an operator's iterations: "all 5 iterations", "2 of the first 16 iterations". */
function extent(times: number, count: number, isCut: boolean): string {
	const some = times === count ? '' : `${times} of `;
	if (isCut) {
		return count === 1 ? 'the first iteration' : `${some}the first ${count} iterations`;
	}
	return count === 1
		? 'the only iteration'
		: times === count
			? `all ${count} iterations`
			: `${some}the ${count} iterations`;
}

function title({ opType, name, outputs }: Node): string {
	return `${opType} "${name || outputs.find((output) => output !== '') || ''}"`;
}
