import { affine } from '../../../core/batchnorm/affine.js';
import type { BatchNormLayer } from '../../../core/batchnorm/layer.js';
import { parameterValues } from '../../../core/batchnorm/parameters.js';
import { FLOAT_FORMATS, isFloatType } from '../../../core/numbers/float-formats.js';
import { LINEAR_TYPES } from '../../../core/onnx/graph/linear-types.js';
import type { Node } from '../../../core/onnx/model.js';
import { layoutOf } from '../check/prepare-layer.js';
import { NodeNet } from '../model/node-net.js';
import type { OpenedModel } from '../model/opened-model.js';
import { loadPart } from '../model/partial-session.js';
import { differenceOf } from '../outputs/output-difference.js';
import { probeRounding } from '../outputs/probe.js';
import type { Runtime } from '../runtime/runtime.js';
import { numbersOf } from '../tensors/numbers.js';
import type { RuntimeTensor, Tensors } from '../tensors/tensor.js';

/** Difference between a layer with the operator in front of it, and the operator that the runtime merged them into. */
export interface FusedDifference {
	readonly maxAbs: number;
	readonly bound: number;
	/** Above 1 is more than rounding. */
	readonly ratio: number;
	/** Channels with a difference above the bound. */
	readonly channels: readonly number[];
}

/** Maximum number of nodes between layer and front operator. */
const MAX_NODES = 16;

/** Returns the nearest linear operators in front of a layer. */
export function linearInFront({ scope, input }: BatchNormLayer): Node[] {
	const found = new Set<Node>();
	const queue = [input];
	for (const name of queue) {
		const node = scope.producer(name);
		if (node && LINEAR_TYPES.has(node.opType) && node.domain === '') {
			found.add(node);
		} else if (node && queue.length < MAX_NODES) {
			queue.push(...node.inputs.slice(0, MAX_NODES));
		}
	}
	return [...found];
}

/**
 * Runs the nodes from the input of the linear operator to the layer's output twice, unoptimized: as in the file, and as
 * the runtime has rewritten them.
 * @returns undefined if the rewritten model has no such tensors, or gives no finite numbers to compare
 * @throws {RuntimeError | OnnxError}
 */
export async function compareFused(
	layer: BatchNormLayer,
	models: { readonly own: OpenedModel; readonly optimized: OpenedModel },
	feeds: Tensors,
	runtime: Runtime,
): Promise<FusedDifference | undefined> {
	const { own, optimized } = models;
	const nets = { own: new NodeNet(own.model.graph), optimized: new NodeNet(optimized.model.graph) };
	const starts = linearInFront(layer)
		.flatMap(({ inputs }) => inputs)
		.filter((name) => nets.own.writer(name) !== undefined && nets.optimized.writer(name) !== undefined);
	const start = new Map([...feeds, ...(await compute(own, nets.own, starts, feeds, runtime))]);
	const run = (model: OpenedModel, net: NodeNet, input: Tensors) => compute(model, net, [layer.output], input, runtime);
	const tensors = await run(own, nets.own, start);
	const expected = tensors.get(layer.output);
	const found = nets.optimized.writer(layer.output) && (await run(optimized, nets.optimized, start)).get(layer.output);
	if (!expected || !found || !isFloatType(expected.type)) {
		return undefined;
	}
	const { unitRoundoff } = FLOAT_FORMATS[expected.type];
	const probes = await probeRounding((feeds) => run(own, nets.own, feeds), { feeds: start, tensors, unitRoundoff });
	// Terms that cancel in y are rounded at their own size, which inputs near 0 do not show.
	const probe = (probes.get(layer.output) ?? 0) + unitRoundoff * largestTerm(layer);
	const rounding = { probe, unitRoundoff };
	const { maxAbs, bound, ratio, problem } = differenceOf(expected, found, rounding);
	return problem === undefined
		? { maxAbs, bound, ratio, channels: channelsBeyond(layer, expected, found, bound) }
		: undefined;
}

/** Returns the largest magnitude of beta and mean * scale; 0 if the file does not contain the parameters. */
function largestTerm(layer: BatchNormLayer): number {
	const parameters = parameterValues(layer);
	if (!parameters.ok) {
		return 0;
	}
	const { gamma, beta, mean, variance } = parameters.value;
	const { scale } = affine(gamma, beta, mean, variance, layer.epsilon);
	const terms = Array.from(scale, (s, c) => Math.max(Math.abs(beta[c]), Math.abs(mean[c] * s)));
	return Math.max(0, ...terms.filter(Number.isFinite));
}

/** Computes tensors of a model from known tensors, unoptimized. */
async function compute(
	model: OpenedModel,
	net: NodeNet,
	names: readonly string[],
	known: Tensors,
	runtime: Runtime,
): Promise<Tensors> {
	const outputs = names.filter((name) => !known.has(name));
	if (outputs.length === 0) {
		return known;
	}
	const given = new Map([...known].map(([name, { type, dims }]) => [name, { type, dims }]));
	const session = await loadPart(
		model,
		{ nodes: net.ancestors(outputs, new Set(given.keys())), outputs, given },
		runtime,
	);
	try {
		return await session.run(known);
	} finally {
		await session.release();
	}
}

function channelsBeyond(
	{ channelAxis }: BatchNormLayer,
	expected: RuntimeTensor,
	found: RuntimeTensor,
	bound: number,
): number[] {
	const [a, b] = [numbersOf(expected), numbersOf(found)];
	const { channels, planeSize } = layoutOf(expected.dims, channelAxis);
	const beyond = new Set<number>();
	for (let i = 0; i < a.length; i++) {
		if (!(Math.abs(a[i] - b[i]) <= bound)) {
			beyond.add(Math.floor(i / planeSize) % channels);
		}
	}
	return [...beyond].sort((c, d) => c - d);
}
