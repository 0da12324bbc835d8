import type { Attribute, InferredFact, Model, ModelFormat, Node, TensorRecord } from '../../onnx/model.js';
import type { Checkpoint, CheckpointFormat, CheckpointLayer, CheckpointModule, FrontCandidate } from '../checkpoint.js';
import { splitName } from '../layers/names.js';
import type { CheckpointTensor } from '../tensor.js';
import { constantRecord, recordOfTensor } from './records.js';

/** Operator set of the nodes that stand for a checkpoint's modules: the first with the current BatchNormalization. */
const OPSET = 15;

/** Default of PyTorch. */
const PYTORCH_EPSILON = 1e-5;

/** Default of Keras. */
const KERAS_EPSILON = 1e-3;

/** A weight of the checkpoint read as a linear operator. */
export interface OperatorReading {
	readonly weight: CheckpointTensor;
	readonly bias: CheckpointTensor | undefined;
	readonly opType: 'Conv' | 'ConvTranspose' | 'Gemm';
	readonly group: number;
	/** Padding of the deployed counterpart, as the attributes "pads" and "auto_pad" state it. */
	readonly padding?: readonly Attribute[];
	/** Name of the layer whose output the operator reads, if that is known. */
	readonly behind?: string;
}

/** A layer of the checkpoint with the facts that the file omits. */
export interface LayerReading {
	readonly layer: CheckpointLayer;
	/** Operator in front of the layer; undefined if no weight qualifies. */
	readonly front: OperatorReading | undefined;
	/** Name of the layer directly in front, which follows the same operator. */
	readonly behind?: string;
	/** Used if the file does not state epsilon. */
	readonly epsilon: number;
}

/** Returns the default epsilon of the framework that writes a format. */
export function usualEpsilon(format: CheckpointFormat): number {
	return format === 'keras' ? KERAS_EPSILON : PYTORCH_EPSILON;
}

/**
 * Reads the layers of a checkpoint on its own: in front of each layer stands the most plausible operator that no earlier
 * layer has taken.
 */
export function readLayersAlone({ layers, modules, format }: Checkpoint): readonly LayerReading[] {
	const epsilon = usualEpsilon(format);
	const taken = new Set<unknown>();
	const known = new Map(modules.map((module) => [module.name, module]));
	return layers.map((layer): LayerReading => {
		const front = layer.front.find(({ weight, layersBetween }) => layersBetween === 0 && !taken.has(weight));
		taken.add(front?.weight);
		return { layer, front: front && readCandidate(front, known), epsilon };
	});
}

function readCandidate(
	{ weight, bias, outputAxis, groups }: FrontCandidate,
	modules: ReadonlyMap<string, CheckpointModule>,
): OperatorReading {
	const known = modules.get(operatorName(weight))?.settings.get('groups');
	const group = groups ?? (typeof known === 'number' ? known : 1);
	const isDense = weight.dims.length === 2;
	return { weight, bias, opType: isDense ? 'Gemm' : outputAxis === 1 ? 'ConvTranspose' : 'Conv', group };
}

/** Returns the name of the node that stands for a weight: the path of its module. */
export function operatorName({ name }: CheckpointTensor): string {
	return splitName(name).module || name;
}

/**
 * Builds the model graph of a checkpoint: for each layer a BatchNormalization behind the operator of its reading, and
 * further operators. Edges between layers are unknown, so each layer is an output of the graph. Values stay in the file.
 */
export function buildModel(
	checkpoint: Checkpoint,
	readings: readonly LayerReading[],
	operators: readonly OperatorReading[] = [],
): Model {
	const read = [...readings, ...operators, ...readings.flatMap(({ front }) => front ?? [])];
	const graph = new GraphBuilder(checkpoint, new Set(read.flatMap(({ behind }) => behind ?? [])));
	for (const reading of readings) {
		graph.addLayer(reading);
	}
	for (const operator of operators) {
		graph.addOperator(operator);
	}
	return {
		path: checkpoint.path,
		bytes: checkpoint.bytes,
		format: modelFormat(checkpoint.format),
		irVersion: 0,
		producerName: '',
		producerVersion: '',
		opsetImports: new Map([['', OPSET]]),
		metadata: checkpoint.metadata,
		graph: graph.finish(),
		functions: [],
		notes: checkpoint.notes,
	};
}

export function modelFormat(format: CheckpointFormat): ModelFormat {
	return format === 'safetensors' || format === 'keras' ? format : 'pytorch';
}

const outputOf = (name: string): string => `${name}:output`;

/** Collects nodes and initializers. A name of a tensor or module that occurs twice is one tensor. */
class GraphBuilder {
	readonly #nodes: Node[] = [];
	readonly #initializers = new Map<string, TensorRecord>();
	readonly #outputs: string[] = [];
	readonly #format: CheckpointFormat;
	readonly #settings: ReadonlyMap<string, Checkpoint['modules'][number]>;

	/** Names of the BN layers. */
	readonly #layers: ReadonlySet<string>;
	/** Names of the layers that another node reads. */
	readonly #isRead: ReadonlySet<string>;
	/** Outputs of modules that feed a layer and are no operators. */
	readonly #feeders = new Set<string>();

	constructor({ modules, format, layers }: Checkpoint, isRead: ReadonlySet<string>) {
		this.#isRead = isRead;
		this.#layers = new Set(layers.map(({ name }) => name));
		this.#format = format;
		this.#settings = new Map(modules.map((module) => [module.name, module]));
	}

	addLayer({ layer, front, behind, epsilon }: LayerReading): void {
		const { name, channels, gamma, beta, mean, variance } = layer;
		const momentum = this.#settings.get(name)?.settings.get('momentum');
		const inferred: InferredFact[] = [
			...(layer.epsilon === undefined ? (['epsilon'] as const) : []),
			...(layer.input ? [] : (['source'] as const)),
		];
		const inputs = [
			front ? this.addOperator(front) : behind === undefined ? this.#inputOf(layer) : outputOf(behind),
			this.#add(gamma ? recordOfTensor(gamma) : constantRecord(`${name}:gamma`, channels, 1)),
			this.#add(beta ? recordOfTensor(beta) : constantRecord(`${name}:beta`, channels, 0)),
			this.#add(recordOfTensor(mean)),
			this.#add(recordOfTensor(variance)),
		];
		const output = outputOf(name);
		if (!this.#isRead.has(name)) {
			this.#outputs.push(output);
		}
		this.#addNode('BatchNormalization', name, inputs, output, {
			attributes: [
				{ name: 'epsilon', f: Math.fround(layer.epsilon ?? epsilon) },
				{ name: 'momentum', f: typeof momentum === 'number' ? this.#weightOfOld(momentum) : 0 },
			],
			inferred,
		});
	}

	/** Returns the input of a layer without an operator in front: the output of the module that the file's graph states. */
	#inputOf({ name, input }: CheckpointLayer): string {
		if (!input || this.#layers.has(input.name)) {
			return `${input?.name ?? name}:${input ? 'output' : 'input'}`;
		}
		// Keras' own class, because the node stands for no operator of ONNX: a ReLU, or a convolution with an activation.
		const output = `${input.name}:result`;
		if (!this.#feeders.has(output)) {
			this.#feeders.add(output);
			this.#addNode(input.className, input.name, [], output, { attributes: [] });
		}
		return output;
	}

	/**
	 * Returns ONNX's momentum. PyTorch's is the weight of the new value; Keras' and ONNX's is the weight of the old
	 * value. 0 means unknown.
	 */
	#weightOfOld(momentum: number): number {
		return this.#format === 'keras' ? momentum : 1 - momentum;
	}

	/** Adds an operator. @returns the name of its output */
	addOperator({ weight, bias, opType, group, padding = [], behind }: OperatorReading): string {
		const name = operatorName(weight);
		const output = outputOf(name);
		const inputs = [behind === undefined ? `${name}:input` : outputOf(behind), this.#add(recordOfTensor(weight))];
		if (bias) {
			inputs.push(this.#add(recordOfTensor(bias)));
		}
		const attribute = opType === 'Gemm' ? { name: 'transB', i: 1 } : { name: 'group', i: group };
		this.#addNode(opType, name, inputs, output, { attributes: [attribute, ...padding] });
		return output;
	}

	finish(): Model['graph'] {
		return {
			name: '',
			nodes: this.#nodes,
			initializers: this.#initializers,
			sparseInitializers: new Map(),
			inputs: [],
			outputs: this.#outputs.map((name) => ({ name, dataType: 0, shape: undefined })),
			valueInfo: new Map(),
		};
	}

	#add(record: TensorRecord): string {
		this.#initializers.set(record.name, record);
		return record.name;
	}

	#addNode(
		opType: string,
		name: string,
		inputs: readonly string[],
		output: string,
		{ attributes, inferred }: { readonly attributes: readonly Attribute[]; readonly inferred?: Node['inferred'] },
	): void {
		this.#nodes.push({
			index: this.#nodes.length,
			name,
			opType,
			domain: '',
			overload: '',
			inputs,
			outputs: [output],
			attributes: new Map(attributes.map((attribute) => [attribute.name, attribute])),
			span: { offset: 0, length: 0 },
			...(inferred && { inferred }),
		});
	}
}
