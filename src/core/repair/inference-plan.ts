import type { BatchNormLayer } from '../batchnorm/layer.js';
import { GraphEditor } from '../folding/rewrite/graph-editor.js';
import { ConstantResolver } from '../onnx/graph/constants.js';
import type { Scope } from '../onnx/graph/scope.js';
import { nodesInOrder } from '../onnx/graph/traverse.js';
import type { Model, Node } from '../onnx/model.js';
import type { TensorAccess } from '../onnx/tensor/tensor.js';
import type { Edit } from '../onnx/write/edit.js';
import type { RepairedPart, UnrepairedPart } from '../report/repair-result.js';

/** Changes that make a training export an inference model. */
export interface InferencePlan {
	/** Edits for `planEdits` of core/onnx/write/edit.ts. All other bytes of the file stay. */
	readonly edits: readonly Edit[];
	/** Number of BatchNormalization and Dropout nodes; a function counts once. */
	readonly examined: number;
	readonly repaired: readonly RepairedPart[];
	readonly unrepaired: readonly UnrepairedPart[];
}

/** A model with its BatchNormalization layers and the access to its constants. */
export interface TrainedModel {
	readonly model: Model;
	readonly layers: readonly BatchNormLayer[];
	readonly access: TensorAccess;
}

/** Opsets that changed the switch between training and inference of an operator. */
const [FIRST_WITHOUT_IS_TEST, DROPOUT_MODE_INPUT, FIRST_TRAINING_MODE] = [7, 12, 14];

/** Choices for a model that is run and not kept. */
export interface InferenceOptions {
	/** True to replace each Dropout before opset 7, which onnxruntime does not run, by Identity. */
	readonly replacesDropout?: boolean;
}

/**
 * Plans the switch of every BatchNormalization and Dropout to inference, in all graphs and functions of a model.
 * BatchNormalization: training_mode becomes 0 from opset 14 on, and is_test becomes 1 before opset 7. From opset 7 to
 * 13 the outputs of the running statistics alone mean training, so they are removed, as in later opsets. Dropout: its
 * training_mode input is removed from opset 12 on, and is_test becomes 1 before opset 7.
 * @throws {OnnxError} when the file cannot be read any more.
 */
export async function planInference(trained: TrainedModel, options?: InferenceOptions): Promise<InferencePlan> {
	const editor = new GraphEditor(trained.model, trained.access.source);
	const facts = await switchToInference(editor, trained, options);
	return { edits: facts.repaired.length > 0 ? await editor.finish() : [], ...facts };
}

/** Makes the changes of {@link planInference} in an editor, perhaps beside other changes. @throws {OnnxError} */
export async function switchToInference(
	editor: GraphEditor,
	{ model, layers, access }: TrainedModel,
	{ replacesDropout = false }: InferenceOptions = {},
): Promise<Omit<InferencePlan, 'edits'>> {
	const constants = new ConstantResolver(access);
	const byNode = new Map(layers.map((layer) => [layer.node, layer]));
	const repaired: RepairedPart[] = [];
	const unrepaired: UnrepairedPart[] = [];
	const examined = new Set<Node>();
	const decided = new Set<Node>();
	for (const { scope, node } of nodesInOrder(model)) {
		if (node.domain !== '' || !(node.opType === 'Dropout' || node.opType === 'BatchNormalization')) {
			continue;
		}
		examined.add(node);
		const verdict = decided.has(node)
			? undefined
			: node.opType === 'Dropout'
				? replacesDropout && replaceDropout(editor, { scope, node })
					? { change: 'replaced by Identity' }
					: await switchDropout(editor, constants, { scope, node })
				: await switchLayer(editor, constants, { scope, node, layer: byNode.get(node) });
		// A function is visited once per call. A node that is off in a call may be on in the next.
		const isOpen = verdict === undefined && scope.depth > 0;
		if (!isOpen) {
			decided.add(node);
		}
		const part = { name: byNode.get(node)?.name ?? nodeName(node), op: node.opType };
		if (verdict && 'change' in verdict) {
			repaired.push({ ...part, ...verdict });
		} else if (verdict) {
			unrepaired.push({ ...part, ...verdict });
		}
	}
	return { examined: examined.size, repaired, unrepaired };
}

const nodeName = (node: Node): string => node.name || node.outputs[0] || `${node.opType}_${node.index}`;

/** Decision about a node; undefined if it is in inference mode. */
export type Verdict = Pick<RepairedPart, 'change'> | Pick<UnrepairedPart, 'reason'> | undefined;

interface NodePlace {
	readonly scope: Scope;
	readonly node: Node;
}

/** @returns false for a Dropout that the runtime has, or whose mask is read */
function replaceDropout(editor: GraphEditor, { scope, node }: NodePlace): boolean {
	const [, mask = ''] = node.outputs;
	const [data = ''] = node.inputs;
	if (scope.opset() >= FIRST_WITHOUT_IS_TEST || scope.consumers(mask).length > 0 || scope.isOutput(mask)) {
		return false;
	}
	editor.substitute(scope, node, 'Identity', [data]);
	return true;
}

async function switchDropout(
	editor: GraphEditor,
	constants: ConstantResolver,
	{ scope, node }: NodePlace,
): Promise<Verdict> {
	const opset = scope.opset();
	if (opset < FIRST_WITHOUT_IS_TEST) {
		return switchOnTest(editor, { scope, node });
	}
	const mode = node.inputs[2] ?? '';
	if (opset < DROPOUT_MODE_INPUT || mode === '') {
		return undefined;
	}
	const { tensor, origin } = await constants.resolve(scope, mode);
	if (tensor === null) {
		const reason =
			origin.kind === 'graph-input'
				? `the input "${origin.name}" switches it on and off: feed false to switch it off`
				: `its training mode is computed at run time, from "${mode}"`;
		return { reason };
	}
	if (tensor.data.every((value) => value === 0)) {
		return undefined;
	}
	editor.truncateInputs(scope, node, 2);
	return { change: 'switched off, its training_mode input removed' };
}

/** Sets is_test, which switches training off before opset 7. */
function switchOnTest(editor: GraphEditor, { scope, node }: NodePlace): Verdict {
	if ((scope.attribute(node, 'is_test')?.i ?? 0) !== 0) {
		return undefined;
	}
	if (holdsGraph(scope, node, 'is_test')) {
		return { reason: graphReason('is_test') };
	}
	editor.setAttribute(node, 'is_test', 1);
	return { change: 'switched to inference, is_test set to 1' };
}

/** True if an attribute holds a graph. An integer in its place would remove the nodes of the graph. */
function holdsGraph(scope: Scope, node: Node, name: string): boolean {
	const attribute = scope.attribute(node, name);
	return attribute?.g !== undefined || (attribute?.graphs ?? []).length > 0;
}

const graphReason = (name: string): string => `its attribute ${name} holds a graph instead of an integer`;

/** Switches a BatchNormalization to inference, as {@link planInference} does; undefined if it is in inference mode. */
export async function switchLayer(
	editor: GraphEditor,
	constants: ConstantResolver,
	{ scope, node, layer }: NodePlace & { readonly layer: BatchNormLayer | undefined },
): Promise<Verdict> {
	const opset = scope.opset();
	const statistics = node.outputs.slice(1).filter((name) => name !== '');
	const trains =
		opset >= FIRST_TRAINING_MODE
			? (scope.attribute(node, 'training_mode')?.i ?? 0) !== 0
			: opset < FIRST_WITHOUT_IS_TEST && (scope.attribute(node, 'is_test')?.i ?? 0) === 0;
	if (!trains && statistics.length === 0) {
		return undefined;
	}
	if (layer && (await isInstanceNormalization(constants, layer))) {
		return { reason: 'it is an instance normalization between two Reshapes, which needs the statistics of its input' };
	}
	// Up to opset 13 an output may be in place, that is, have the name of the input that it updates.
	const read = statistics.find((name) => !node.inputs.includes(name) && isUsed(scope, name));
	if (read !== undefined) {
		return { reason: `its statistics "${read}" are used elsewhere, and inference does not compute them` };
	}
	const mode = opset >= FIRST_TRAINING_MODE ? 'training_mode' : 'is_test';
	if (trains && holdsGraph(scope, node, mode)) {
		return { reason: graphReason(mode) };
	}
	const changes: string[] = [];
	if (trains) {
		const value = mode === 'is_test' ? 1 : 0;
		editor.setAttribute(node, mode, value);
		changes.push(`${mode} set to ${value}`);
	}
	if (node.outputs.length > 1) {
		editor.truncateOutputs(scope, node, 1);
		changes.push('outputs of its statistics removed');
	}
	return { change: `switched to inference, ${changes.join(', ')}` };
}

/** True if a node reads a tensor, or if a body or function returns it to its callers. */
function isUsed(scope: Scope, name: string): boolean {
	return scope.consumers(name).length > 0 || (scope.depth > 0 && scope.isOutput(name));
}

/**
 * True for the form of an instance normalization: a Reshape to (1, N C, …), a layer in training mode, a Reshape back.
 * With the running statistics it would compute something else.
 */
async function isInstanceNormalization(constants: ConstantResolver, layer: BatchNormLayer): Promise<boolean> {
	const { source, consumers, scope } = layer;
	const isBetween = source?.opType === 'Reshape' && consumers.length > 0;
	if (!isBetween || !consumers.every(({ opType }) => opType === 'Reshape') || layer.isGraphOutput) {
		return false;
	}
	if (layer.inputShape?.[0] !== undefined) {
		return layer.inputShape[0] === 1;
	}
	const { tensor } = await constants.resolve(scope, source.inputs[1] ?? '');
	return tensor === null || tensor.data[0] === 1;
}
