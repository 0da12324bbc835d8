import type { BatchNormLayer } from '../../../core/batchnorm/layer.js';
import type { Node } from '../../../core/onnx/model.js';
import { NodeNet } from '../model/node-net.js';
import type { OpenedModel } from '../model/opened-model.js';
import type { GivenTensor, Part } from '../model/partial-model.js';
import { loadPart } from '../model/partial-session.js';
import { requiredInputs } from '../model/required-inputs.js';
import { runTimeParameters } from '../model/run-time-parameters.js';
import { type Runtime, RuntimeError } from '../runtime/runtime.js';
import type { RuntimeTensor } from '../tensors/tensor.js';
import { type Obstacle, type Reach, reachOf } from './reach.js';

/** What of a model that does not load as a whole can still be run. */
export interface PartialReach {
	readonly net: NodeNet;
	readonly layers: ReadonlyMap<BatchNormLayer, Reach>;
	/** Nodes that it cannot run. */
	readonly obstacles: ReadonlyMap<Node, Obstacle>;
}

/**
 * Nodes refused for reasons of their own that are looked for. A model with more is one that the runtime does not know
 * the half of: what lies behind the last of them stays unchecked.
 */
const MAX_OBSTACLES = 16;

export interface ReachQuestion {
	/** Why the whole model was refused: thrown again where the reason is no node of it. */
	readonly refusal: unknown;
	/** Inputs that get no value. */
	readonly unfed?: ReadonlySet<string>;
	/** Values of the others. With them parts are run as well, which finds the nodes that load and do not run. */
	readonly feeds?: ReadonlyMap<string, RuntimeTensor>;
}

/**
 * Finds the nodes that keep the runtime from loading a model, and with them how far each layer can be taken. Found by
 * trying, with ever smaller parts of the graph: the runtime's messages do not always name the node, and a later version
 * may well run what this one does not.
 */
export async function findReach(
	open: OpenedModel,
	runtime: Runtime,
	{ refusal, unfed = new Set(), feeds }: ReachQuestion,
): Promise<PartialReach> {
	const net = new NodeNet(open.model.graph);
	const required = requiredInputs(open.model).filter(({ name }) => !unfed.has(name));
	const inputs = new Map(required.map(({ name, type }) => [name, { type }]));
	const loads = (nodes: readonly Node[], given: ReadonlyMap<string, GivenTensor>) =>
		tryPart(open, { nodes, outputs: sinks(nodes, net), given }, runtime, feeds);
	const [someInput] = inputs.keys();
	if (someInput === undefined || (await tryPart(open, inputOnly(someInput, inputs), runtime)) !== undefined) {
		throw refusal;
	}
	const obstacles = new Map<Node, Obstacle>();
	for (let searches = 1; ; searches++) {
		const layers = reachOf(net, open.layers, obstacles, unfed);
		// What is computed from layers that are recomputed here has no values yet: it can be loaded, but not run.
		const given = new Map([...inputs, ...(feeds ? [] : recomputed(layers, net))]);
		const targets = targetsOf(feeds ? atOnce(layers) : layers);
		const nodes = net.ancestors(targets, new Set(given.keys()));
		const obstacle = nodes.length > 0 ? await firstRefused(nodes, (prefix) => loads(prefix, given)) : undefined;
		if (!obstacle) {
			return { net, layers, obstacles };
		}
		const { node: first, detail } = obstacle;
		const behind = searches < MAX_OBSTACLES ? [] : nodes.slice(nodes.indexOf(first));
		for (const node of alike(obstacle, open.layers)) {
			obstacles.set(node, { node, detail });
		}
		for (const node of behind) {
			obstacles.set(node, obstacle);
		}
	}
}

/** Layers that need no layer recomputed in front of them. */
function atOnce(layers: ReadonlyMap<BatchNormLayer, Reach>): ReadonlyMap<BatchNormLayer, Reach> {
	return new Map([...layers].filter(([, reach]) => reach.kind !== 'blocked' && reach.stage === 0));
}

/** Tensors that the runtime is to compute for the layers. */
function targetsOf(layers: ReadonlyMap<BatchNormLayer, Reach>): string[] {
	return [...layers].flatMap(([layer, { kind }]) =>
		kind === 'blocked'
			? []
			: [layer.input, ...runTimeParameters(layer).map(({ name }) => name), ...(kind === 'whole' ? [layer.output] : [])],
	);
}

function recomputed(layers: ReadonlyMap<BatchNormLayer, Reach>, net: NodeNet): (readonly [string, GivenTensor])[] {
	return [...layers].flatMap(([{ node, output, dtype }, { kind }]) =>
		kind === 'alone' && net.writer(output) === node
			? [[output, { type: dtype === 'unknown' ? 'float32' : dtype }] as const]
			: [],
	);
}

/** The least of a model that loads when nothing but its nodes is the matter. */
function inputOnly(name: string, given: ReadonlyMap<string, GivenTensor>): Part {
	return { nodes: [], outputs: [], shapes: [name], given };
}

/** Tensors that the nodes write and none of them reads. */
function sinks(nodes: readonly Node[], net: NodeNet): string[] {
	const read = new Set(nodes.flatMap((node) => [...net.reads(node)]));
	return nodes.flatMap(({ outputs }) => outputs.filter((name) => name !== '' && !read.has(name)));
}

/** Why the runtime refuses a part, in its own words; undefined when it does not. */
async function tryPart(
	open: OpenedModel,
	part: Part,
	runtime: Runtime,
	feeds?: ReadonlyMap<string, RuntimeTensor>,
): Promise<string | undefined> {
	try {
		const session = await loadPart(open, part, runtime);
		try {
			await (feeds && session.run(feeds));
		} finally {
			await session.release();
		}
		return undefined;
	} catch (error) {
		if (!(error instanceof RuntimeError)) {
			throw error;
		}
		// Loaded, but for an output that cannot be handed out as it is: bfloat16 where nothing declares it.
		return error.detail.startsWith('Unsupported data type') ? undefined : error.detail;
	}
}

/** The first node with which the runtime refuses what it took without. */
async function firstRefused(
	nodes: readonly Node[],
	loads: (prefix: readonly Node[]) => Promise<string | undefined>,
): Promise<Obstacle | undefined> {
	let detail = await loads(nodes);
	let good = 0;
	let bad = nodes.length;
	while (detail !== undefined && bad - good > 1) {
		const middle = (good + bad) >> 1;
		const refusal = await loads(nodes.slice(0, middle));
		if (refusal === undefined) {
			good = middle;
		} else {
			bad = middle;
			detail = refusal;
		}
	}
	return detail === undefined ? undefined : { node: nodes[bad - 1], detail };
}

/** A normalization without a kernel: all others of its opset and type have none either. */
function alike({ node, detail }: Obstacle, layers: readonly BatchNormLayer[]): Node[] {
	const layer = layers.find((candidate) => candidate.node === node);
	if (!layer || !isMissingKernel(detail)) {
		return [node];
	}
	return layers
		.filter((other) => other.kind === layer.kind && other.opset === layer.opset && other.dtype === layer.dtype)
		.map((other) => other.node);
}

export function isMissingKernel(detail: string): boolean {
	return /Could not find an implementation/i.test(detail);
}
