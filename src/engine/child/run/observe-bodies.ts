import type { BatchNormLayer } from '../../../core/batchnorm/layer.js';
import { bodies } from '../../../core/onnx/graph/graph-index.js';
import type { DataTypeCode, DataTypeName, Graph, Node } from '../../../core/onnx/model.js';
import { typeCode } from '../../../core/onnx/types.js';
import { addNodeOutputs, addToGraph, type Edit } from '../../../core/onnx/write/edit.js';
import { encodeConstant, encodeNode, encodeTensor, encodeValueInfo } from '../../../core/onnx/write/encode.js';
import type { NodeNet } from '../model/node-net.js';
import type { OpenedModel } from '../model/opened-model.js';
import { loadPart } from '../model/partial-session.js';
import { runTimeParameters } from '../model/run-time-parameters.js';
import { type Runtime, RuntimeError } from '../runtime/runtime.js';
import type { RuntimeTensor, Tensors } from '../tensors/tensor.js';
import type { BodyRun } from './body-run.js';
import { MAX_ITERATIONS, sliceAt } from './iterations.js';
import { type BodyOwner, iterationsRemark, missNotTaken, nodeTitle } from './run-bodies.js';
import type { Known, RunContext, RunEvents } from './run-events.js';
import { checkedTensors } from './tensors-wanted.js';

/** A tensor inside a body that becomes an output of the body and of its node. */
interface Observed {
	readonly name: string;
	readonly dataType: DataTypeCode;
	/** Attribute with the body that computes it. */
	readonly attribute: string;
	/** Name of the output. */
	readonly output: string;
}

export interface ObservePorts {
	readonly model: OpenedModel;
	readonly net: NodeNet;
	readonly runtime: Runtime;
}

/** Operators with further outputs that hold the tensor of each iteration. */
const OBSERVABLE: ReadonlySet<string> = new Set(['If', 'Loop', 'SequenceMap']);
const CANNOT_OBSERVE = 'The tensors of its layers cannot be made outputs.';

/** True if the runtime cannot be given all inputs of the node's bodies, because some are no tensors. */
export function takesSequences({ node, bodies: [body] }: BodyOwner): boolean {
	// A Loop gives its body the iteration number and the condition first.
	const isOpen = node.opType === 'Loop' && body?.run.graph.inputs.slice(2).some(({ dataType }) => dataType === 0);
	return node.domain === '' && (node.opType === 'SequenceMap' || isOpen === true);
}

/**
 * Runs the graph up to a node, with the tensors of the layers in its bodies as further outputs. Reaches bodies that take
 * sequences or optional values, which the runtime neither accepts nor returns. Does not reach bodies inside.
 * @throws {RuntimeError} if the runtime refuses that; then no event has been yielded
 */
export async function* observeBodies(
	owner: BodyOwner,
	known: Known,
	{ watch }: Pick<RunContext, 'watch'>,
	{ model, net, runtime }: ObservePorts,
): RunEvents {
	const node = model.model.graph.nodes[owner.node.index];
	if (!canObserve(owner, node)) {
		throw new RuntimeError(CANNOT_OBSERVE);
	}
	const observed = owner.bodies.flatMap(({ attribute, run }) =>
		run.layers.flatMap(({ layer }) => observedTensors(layer, attribute)),
	);
	const wanted = [...new Map(observed.map((each) => [each.output, each])).values()];
	const given = new Map([...known.tensors].map(([name, { type, dims }]) => [name, { type, dims }]));
	const part = {
		nodes: net.ancestors(
			node.outputs.filter((name) => name !== ''),
			new Set(given.keys()),
		),
		outputs: wanted.map(({ output }) => fetchedName(node, output)),
		given,
		edits: observingEdits(model.model.graph, node, wanted),
	};
	const session = await watch.time('create', () => loadPart(model, part, runtime, { frugal: true }));
	let results: Tensors;
	try {
		results = await watch.time('run', () => session.run(known.tensors));
	} finally {
		await session.release();
	}
	for (const { attribute, run } of owner.bodies) {
		const tensors = new Map(
			wanted.flatMap(({ attribute: own, name, output }) => {
				const tensor = results.get(fetchedName(node, output));
				return own === attribute && tensor ? [[name, tensor] as const] : [];
			}),
		);
		yield* node.opType === 'If' ? yieldBranch(run, attribute, tensors) : yieldIterations(run, node, tensors);
	}
}

/** True if the bodies' own layers are all, and outputs can be added behind the outputs of the bodies and the node. */
function canObserve({ bodies: withLayers }: BodyOwner, node: Node): boolean {
	const isDirect = withLayers.every(({ run }) => run.layers.every(({ layer }) => layer.scope.graph === run.graph));
	// The first output of a Loop's body is the condition.
	const own = node.outputs.length + (node.opType === 'Loop' ? 1 : 0);
	const hasAll = bodies(node).every(({ graph }) => graph.outputs.length === own);
	return node.domain === '' && OBSERVABLE.has(node.opType) && isDirect && hasAll;
}

function observedTensors(layer: BatchNormLayer, attribute: string): Observed[] {
	const parameters = new Map(runTimeParameters(layer).map(({ name, dtype }) => [name, dtype]));
	return checkedTensors(layer).map((name) => {
		const dtype = parameters.get(name) ?? layer.dtype;
		const isStated = dtype !== 'undefined' && (dtype as string) !== 'unknown';
		const dataType = typeCode(isStated ? dtype : ('float32' satisfies DataTypeName));
		return { name, dataType, attribute, output: `${name}//${attribute}` };
	});
}

/** Name of the tensor with all iterations of an output; the outputs of SequenceMap are sequences. */
function fetchedName(node: Node, output: string): string {
	return node.opType === 'SequenceMap' ? `${output}//joined` : output;
}

function observingEdits(graph: Graph, node: Node, observed: readonly Observed[]): Edit[] {
	const edits = addNodeOutputs(
		node,
		observed.map(({ output }) => output),
	);
	for (const { attribute, graph: body } of bodies(node)) {
		for (const { name, dataType, attribute: own, output } of observed) {
			const written =
				attribute === own
					? encodeNode({ opType: 'Identity', name: '', inputs: [name], outputs: [output] })
					: // The branch beside needs an output of the same type.
						encodeConstant(output, encodeTensor('', { dataType, dims: [0], bytes: new Uint8Array(0) }));
			edits.push(
				addToGraph(body, 'node', written),
				addToGraph(body, 'output', encodeValueInfo(output, dataType, undefined)),
			);
		}
	}
	for (const { output } of node.opType === 'SequenceMap' ? observed : []) {
		const join = {
			...{ opType: 'ConcatFromSequence', name: '', inputs: [output], outputs: [fetchedName(node, output)] },
			integers: { axis: 0, new_axis: 1 },
		};
		edits.push(addToGraph(graph, 'node', encodeNode(join)));
	}
	return edits;
}

async function* yieldBranch(run: BodyRun, attribute: string, tensors: Tensors): RunEvents {
	const isTaken = [...tensors.values()].every(({ dims }) => !(dims.length === 1 && dims[0] === 0));
	if (isTaken) {
		yield { type: 'layers', layers: run.layers.map(({ index }) => ({ index })), tensors };
	} else {
		yield* missNotTaken(run, `${attribute} does not run on this input`);
	}
}

/** @param tensors with the iterations on axis 0 */
async function* yieldIterations(run: BodyRun, node: Node, tensors: Tensors): RunEvents {
	const [first] = tensors.values();
	const count = first?.dims[0] ?? 0;
	if (count === 0) {
		yield* missNotTaken(run, `${nodeTitle(node)} does not run a single iteration for this input`);
		return;
	}
	const checked = Math.min(count, MAX_ITERATIONS);
	for (let i = 0; i < checked; i++) {
		const own = new Map([...tensors].map(([name, tensor]): [string, RuntimeTensor] => [name, sliceAt(tensor, 0, i)]));
		yield { type: 'layers', layers: run.layers.map(({ index }) => ({ index })), tensors: own };
	}
	for (const { index } of run.layers) {
		const text = iterationsRemark(node, { times: checked, count: checked, isCut: checked < count });
		yield { type: 'remark', index, text };
	}
}
