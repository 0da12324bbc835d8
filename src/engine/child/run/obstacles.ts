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

/** Extent to which the layers can be computed, of a model that does not load as a whole. */
export interface PartialReach {
	readonly net: NodeNet;
	readonly layers: ReadonlyMap<BatchNormLayer, Reach>;
	/** Nodes that the runtime cannot run. */
	readonly obstacles: ReadonlyMap<Node, Obstacle>;
}

/** Maximum number of different obstacles to search for. Nodes behind the last of them count as obstacles, too. */
const MAX_OBSTACLES = 16;

export interface ReachQuestion {
	/** Error about the whole model, if no node is the reason. */
	readonly refusal: unknown;
	/** Names of inputs that get no value. */
	readonly unfed?: ReadonlySet<string>;
	/** Values of the other inputs. If present, parts are also run, which finds nodes that load but do not run. */
	readonly feeds?: ReadonlyMap<string, RuntimeTensor>;
}

/**
 * Finds the nodes that keep the runtime from loading a model, and how far each layer can be computed without them. Tries
 * ever smaller parts of the graph, since the runtime's messages do not always name the node.
 * @throws the refusal if no node is the reason.
 */
export async function findReach(
	model: OpenedModel,
	runtime: Runtime,
	{ refusal, unfed = new Set(), feeds }: ReachQuestion,
): Promise<PartialReach> {
	const net = new NodeNet(model.model.graph);
	const required = requiredInputs(model.model).filter(({ name }) => !unfed.has(name));
	const inputs = new Map(required.map(({ name, type }) => [name, { type }]));
	const loads = (nodes: readonly Node[], given: ReadonlyMap<string, GivenTensor>) =>
		tryPart(model, { nodes, outputs: sinks(nodes, net), given }, runtime, feeds);
	const [someInput] = inputs.keys();
	if (someInput === undefined || (await tryPart(model, inputOnly(someInput, inputs), runtime)) !== undefined) {
		throw refusal;
	}
	const obstacles = new Map<Node, Obstacle>();
	for (let searches = 1; ; searches++) {
		const layers = reachOf(net, model.layers, obstacles, unfed);
		// Nodes behind recomputed layers can be loaded, but not run, since their inputs have no values yet.
		const given = new Map([...inputs, ...(feeds ? [] : recomputed(layers, net))]);
		const targets = targetsOf(feeds ? inFirstPass(layers) : layers);
		const nodes = net.ancestors(targets, new Set(given.keys()));
		const obstacle = nodes.length > 0 ? await firstRefused(nodes, (prefix) => loads(prefix, given)) : undefined;
		if (!obstacle) {
			return { net, layers, obstacles };
		}
		const { node: first, detail } = obstacle;
		const behind = searches < MAX_OBSTACLES ? [] : nodes.slice(nodes.indexOf(first));
		for (const node of alike(obstacle, model.layers)) {
			obstacles.set(node, { node, detail });
		}
		for (const node of behind) {
			obstacles.set(node, obstacle);
		}
	}
}

/** Returns the layers of the first pass. */
function inFirstPass(layers: ReadonlyMap<BatchNormLayer, Reach>): ReadonlyMap<BatchNormLayer, Reach> {
	return new Map([...layers].filter(([, reach]) => reach.kind !== 'blocked' && reach.pass === 0));
}

/** Returns the tensors that the runtime computes for the layers. */
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

/** Returns the smallest part of a model: an input. If it does not load, the nodes are not the reason. */
function inputOnly(name: string, given: ReadonlyMap<string, GivenTensor>): Part {
	return { nodes: [], outputs: [], shapes: [name], given };
}

/** Returns the tensors that the nodes write and do not read. */
function sinks(nodes: readonly Node[], net: NodeNet): string[] {
	const read = new Set(nodes.flatMap((node) => [...net.reads(node)]));
	return nodes.flatMap(({ outputs }) => outputs.filter((name) => name !== '' && !read.has(name)));
}

/** Loads a part, and runs it if there are feeds. @returns the runtime's message if it fails */
async function tryPart(
	model: OpenedModel,
	part: Part,
	runtime: Runtime,
	feeds?: ReadonlyMap<string, RuntimeTensor>,
): Promise<string | undefined> {
	try {
		const session = await loadPart(model, part, runtime);
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
		// The part loads, but cannot return a bfloat16 output.
		return error.detail.startsWith('Unsupported data type') ? undefined : error.detail;
	}
}

/** Returns the first node that makes the runtime refuse a list of nodes, by bisection. */
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

/** Returns all nodes with the same obstacle. A missing kernel affects all normalizations of the same opset and type. */
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
