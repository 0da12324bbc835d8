import type { Node } from '../../../core/onnx/model.js';
import { RuntimeError } from '../runtime/runtime.js';
import type { Tensors } from '../tensors/tensor.js';
import type { BodyRun } from './body-run.js';
import {
	batchedScanIterations,
	type Iterations,
	loopIterations,
	MAX_ITERATIONS,
	scanIterations,
} from './iterations.js';
import type { RunContext, RunEvents } from './run-events.js';
import { insideReason } from './whole-run.js';

/** An If, Loop or Scan with layers in its bodies. */
export interface BodyOwner {
	readonly node: Node;
	/** Bodies that contain layers. */
	readonly bodies: readonly { readonly attribute: string; readonly run: BodyRun }[];
	/** Tensors of the graph around the node that its bodies need. */
	readonly tensors: readonly string[];
}

/** First opset in which a Scan has no batch dimension. */
const UNBATCHED_SCAN = 9;

/**
 * Runs the bodies of a node as often as the runtime runs them in the whole model.
 * @param tensors of the graph around the node
 * @throws {RuntimeError} if a body does not run by itself.
 */
export async function* runBodies(owner: BodyOwner, tensors: Tensors, context: RunContext): RunEvents {
	const { node } = owner;
	const [body] = owner.bodies;
	const { opset } = body.run.layers[0].layer;
	if (node.domain === '' && node.opType === 'If') {
		yield* runBranches(owner, tensors, context);
	} else if (node.domain === '' && node.opType === 'Loop') {
		const iterations = loopIterations(node, body.run.graph, tensors);
		yield* runIterations(owner, tensors, { context, iterations });
	} else if (node.domain === '' && node.opType === 'Scan') {
		const iterationsOf = opset >= UNBATCHED_SCAN ? scanIterations : batchedScanIterations;
		const iterations = iterationsOf(node, body.run.graph, tensors);
		yield* runIterations(owner, tensors, { context, iterations });
	} else {
		yield* missLayers(owner, insideReason);
	}
}

/**
 * Yields the reason why no layer of an owner is reached. @param reason makes the sentence from the path of the layer's
 * graph
 */
export async function* missLayers({ bodies }: Pick<BodyOwner, 'bodies'>, reason: (path: string) => string): RunEvents {
	for (const { index, layer } of bodies.flatMap(({ run }) => run.layers)) {
		yield { type: 'unreached', index, why: { reason: reason(layer.graphPath) } };
	}
}

async function* runBranches({ node, bodies: branches }: BodyOwner, tensors: Tensors, context: RunContext): RunEvents {
	const condition = Boolean(tensors.get(node.inputs[0] ?? '')?.data[0]);
	for (const { attribute, run } of branches) {
		if (attribute === (condition ? 'then_branch' : 'else_branch')) {
			yield* run.run(tensors, context);
		} else {
			const why = `on this input condition "${node.inputs[0] ?? ''}" is ${condition}, so ${attribute} does not run`;
			yield* missNotTaken(run, why);
		}
	}
}

export async function* missNotTaken({ layers }: BodyRun, why: string): RunEvents {
	for (const { index } of layers) {
		yield { type: 'unreached', index, why: { reason: `Not checked: ${why}.`, cause: 'not-taken' } };
	}
}

/** Runs the iterations one after the other, up to MAX_ITERATIONS. */
async function* runIterations(
	{ node, bodies: [{ run }] }: BodyOwner,
	tensors: Tensors,
	{ context, iterations }: { readonly context: RunContext; readonly iterations: Iterations },
): RunEvents {
	/** Layer index -> iterations that reached the layer. A body inside may run it several times an iteration, or never. */
	const reached = new Map<number, Set<number>>();
	let count = 0;
	let inputs = iterations.first();
	let refusal: RuntimeError | undefined;
	while (inputs && !refusal && count < MAX_ITERATIONS) {
		try {
			const given: Tensors = new Map([...tensors, ...inputs]);
			for await (const event of run.run(given, context)) {
				for (const { index } of event.type === 'layers' ? event.layers : []) {
					reached.set(index, (reached.get(index) ?? new Set()).add(count));
				}
				yield event;
			}
			count += 1;
			inputs = iterations.next(count, await run.compute(iterations.carried, given));
		} catch (error) {
			if (!(error instanceof RuntimeError) || count === 0) {
				throw error;
			}
			refusal = error;
		}
	}
	if (count === 0) {
		yield* missNotTaken(run, `${nodeTitle(node)} does not run a single iteration for this input`);
		return;
	}
	const rest = refusal ? `; the next does not run by itself: ${refusal.detail}` : inputs ? HAS_MORE : '.';
	for (const { index } of run.layers) {
		const times = reached.get(index)?.size ?? 0;
		if (times > 0) {
			const text = `${iterationsPhrase(node, { times, count, isCut: rest !== '.' })}${rest}`;
			yield { type: 'remark', index, text };
		}
	}
}

const HAS_MORE = ', which has more.';

/** Iterations of a node that were checked. */
interface CheckedIterations {
	/** Iterations that reached the layer. */
	readonly times: number;
	readonly count: number;
	/** True: the node has more iterations. */
	readonly isCut: boolean;
}

function iterationsPhrase(node: Node, { times, count, isCut }: CheckedIterations): string {
	return `Checked in ${extent(times, count, isCut)} of ${nodeTitle(node)}`;
}

/** Returns the sentence that states in which iterations a layer was checked. */
export function iterationsRemark(node: Node, checked: CheckedIterations): string {
	return `${iterationsPhrase(node, checked)}${checked.isCut ? HAS_MORE : '.'}`;
}

/** Returns how many of a node's iterations were checked: "all 5 iterations", "2 of the first 16 iterations". */
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

/** Returns a node's operator and name, for sentences. */
export function nodeTitle({ opType, name, outputs }: Node): string {
	return `${opType} "${name || outputs.find((output) => output !== '') || ''}"`;
}
