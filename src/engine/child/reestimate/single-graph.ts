import type { Node } from '../../../core/onnx/model.js';
import { type Edit, removeMessage, replaceMessage } from '../../../core/onnx/write/edit.js';
import { encodeValueInfo } from '../../../core/onnx/write/encode.js';
import { NodeNet } from '../model/node-net.js';
import type { OpenedModel } from '../model/opened-model.js';
import { hasSameMeaning } from '../model/operator-changes.js';
import type { GivenTensor } from '../model/partial-model.js';
import { requiredInputs } from '../model/required-inputs.js';
import type { Tensors } from '../tensors/tensor.js';

/** First operator set with an attribute for training in BatchNormalization. */
const TRAINING_OPSET = 14;
/** First IR version in which an initializer need not be an input. */
const FREE_INITIALIZERS = 4;

/** The part of a model that computes the inputs of its layers, to be run as a single graph. */
export interface SingleGraph {
	readonly model: OpenedModel;
	/** Indices of all layers that normalize with the statistics of their batch. */
	readonly layers: readonly number[];
	/** The layers' nodes and all in front of them. */
	readonly nodes: readonly Node[];
	readonly given: ReadonlyMap<string, GivenTensor>;
	/** Version of the operators, if it is another than the file's. */
	readonly opset: number | undefined;
	/** Edits that let a model with a single input take any number of samples. Shapes declared inside it are left out. */
	readonly batchEdits: readonly Edit[];
}

/**
 * Returns undefined for models that need the kernel: with operators that changed before opset 14, and with layers that
 * are not float32 or have statistics per activation.
 * @param layers indices of all layers that normalize with the statistics of their batch
 */
export function singleGraph(model: OpenedModel, layers: readonly number[]): SingleGraph | undefined {
	const fits = layers.every((index) => {
		const { kind, axes, channelAxis, ...layer } = model.layers[index];
		const parameters = [layer.gamma, layer.beta, layer.mean, layer.variance];
		const isFloat32 = layer.dtype === 'float32' && parameters.every(({ dtype }) => dtype === 'float32');
		return kind === 'batchnorm' && axes === 'channel' && channelAxis === 1 && isFloat32;
	});
	if (!fits || model.model.irVersion < FREE_INITIALIZERS) {
		return undefined;
	}
	const inputs = requiredInputs(model.model);
	const nodes = new NodeNet(model.model.graph).ancestors(
		layers.map((index) => model.layers[index].output),
		new Set(inputs.map(({ name }) => name)),
	);
	const opset = model.model.opsetImports.get('') ?? 1;
	const isRecent = opset >= TRAINING_OPSET;
	return isRecent || nodes.every((node) => hasSameMeaning(node, opset, TRAINING_OPSET))
		? {
				model,
				layers,
				nodes,
				given: new Map(inputs.map(({ name, type }) => [name, { type }])),
				opset: isRecent ? undefined : TRAINING_OPSET,
				batchEdits: inputs.some(({ shape }) => typeof shape?.[0] === 'number') ? batchEdits(model) : [],
			}
		: undefined;
}

function batchEdits({ model }: OpenedModel): Edit[] {
	const { inputs, valueInfo, initializers } = model.graph;
	const [input, ...others] = inputs.filter(({ name }) => !initializers.has(name));
	const { name, dataType, shape } = input;
	return others.length > 0 || !shape
		? []
		: [
				replaceMessage(input, encodeValueInfo(name, dataType, [undefined, ...shape.slice(1)])),
				...[...valueInfo.values()].filter((value) => value.span && value.name !== name).map(removeMessage),
			];
}

/** Returns the parts of a batch as one part; undefined if it has several parts of several inputs. */
export function joined(parts: readonly Tensors[]): Tensors | undefined {
	const [first, ...others] = parts;
	if (others.length === 0) {
		return first;
	}
	const [[name, { type, dims }], ...more] = first;
	const arrays = parts.map((part) => part.get(name)?.data);
	const length = arrays.reduce((sum, array) => sum + (array?.length ?? 0), 0);
	const data = type === 'float32' ? new Float32Array(length) : undefined;
	if (!data || more.length > 0) {
		return undefined;
	}
	let at = 0;
	for (const array of arrays) {
		data.set((array ?? []) as Float32Array, at);
		at += array?.length ?? 0;
	}
	return new Map([[name, { type, dims: [dims[0] * parts.length, ...dims.slice(1)], data }]]);
}
