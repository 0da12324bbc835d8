import type { CheckpointTensor, UnreadableTensor } from './tensor.js';

export type CheckpointFormat = 'pytorch' | 'pytorch-legacy' | 'torchscript' | 'safetensors' | 'keras';

/** A module that the file describes by class; files of names and tensors alone have none. */
export interface CheckpointModule {
	/** Path, for example "layer1.0.bn1"; '' is the root. */
	readonly name: string;
	/** Class without its package, for example "BatchNorm2d". */
	readonly className: string;
	/** Numbers, flags and lists among its attributes: eps, momentum, groups, transposed, … */
	readonly settings: ReadonlyMap<string, Setting>;
}

export type Setting = number | boolean | string | readonly number[];

/**
 * Operator that may stand in front of a batch normalization: a hypothesis that only other evidence can confirm, unless
 * the file states its graph.
 */
export interface FrontCandidate {
	/**
	 * Weight in the arrangement of ONNX and PyTorch, also if the file has another: [outputs, inputs / groups, ...kernel].
	 */
	readonly weight: CheckpointTensor;
	readonly bias: CheckpointTensor | undefined;
	/** Axis of the output channels in the weight; a transposed convolution has channels / groups there. */
	readonly outputAxis: 0 | 1;
	/** Groups of a transposed convolution, derived from the shapes; undefined if the output axis is 0. */
	readonly groups: number | undefined;
	/** Batch normalizations between weight and layer, in tensor order. */
	readonly layersBetween: number;
}

/** A batch normalization, found by the names of its statistics. */
export interface CheckpointLayer {
	/** Path of the module, for example "layer1.0.bn1". */
	readonly name: string;
	readonly channels: number;
	/** Undefined without an affine part (affine=False, scale=False). */
	readonly gamma: CheckpointTensor | undefined;
	readonly beta: CheckpointTensor | undefined;
	readonly mean: CheckpointTensor;
	readonly variance: CheckpointTensor;
	/** Scalar counter of training steps; a value of 0 means that the statistics were never updated. */
	readonly batchesTracked: CheckpointTensor | undefined;
	/** Undefined if the file lacks it, as every state_dict does. */
	readonly epsilon: number | undefined;
	/** Class without its package; undefined if the file names tensors only. */
	readonly className: string | undefined;
	/** Module that feeds the layer; undefined if the file states no graph. */
	readonly input: CheckpointModule | undefined;
	/**
	 * Plausible operators, the most plausible first. A file that states its graph has exactly its foldable operators
	 * here.
	 */
	readonly front: readonly FrontCandidate[];
}

/** A normalization module without running statistics (track_running_stats=False). */
export interface LayerWithoutStatistics {
	readonly name: string;
	/** False if only the name suggests a batch normalization. */
	readonly certain: boolean;
}

/** Part of a file that could be read as the model. */
export interface ModelPart {
	/** Keys that lead to it from the root of the file, for example ["ema"]; empty for the root. */
	readonly path: readonly string[];
	readonly tensors: number;
	/** Batch normalizations with statistics. */
	readonly layers: number;
}

/** The part of the file that was read as the model, and the parts that were passed over. */
export interface PartChoice {
	readonly chosen: ModelPart;
	readonly others: readonly ModelPart[];
	/** Sentence for users that names the part and the reason. */
	readonly sentence: string;
}

/** Tensors of the file's part that was chosen as model. */
export interface NamedTensors {
	/** Tensors in the order that `order` names. */
	readonly tensors: readonly CheckpointTensor[];
	readonly unreadable: readonly UnreadableTensor[];
	/** Modules with their classes; empty if the file names tensors only. */
	readonly modules: readonly CheckpointModule[];
	readonly order: TensorOrder;
	/** Undefined if the file names tensors or modules only. */
	readonly graph?: StatedGraph;
}

/**
 * `execution`: as the graph of the file runs. `definition`: as the modules were defined, mostly the order of execution.
 * `names`: sorted, because the file keeps no order.
 */
export type TensorOrder = 'execution' | 'definition' | 'names';

/** Connections between modules, as a file states them. */
export interface StatedGraph {
	/** Returns the module that computes a layer's input; undefined if the graph lacks the layer or its input. */
	input(layer: string): CheckpointModule | undefined;
	/**
	 * Returns the names of linear operators with a result that a layer takes unchanged; undefined if the graph lacks the
	 * layer.
	 */
	operators(layer: string): readonly string[] | undefined;
}

/** Weights of a model from a file other than ONNX. */
export interface Checkpoint {
	/** Name of the file in messages. */
	readonly path: string;
	readonly bytes: number;
	readonly format: CheckpointFormat;
	/** Tensors in the order that `order` names. */
	readonly tensors: readonly CheckpointTensor[];
	readonly unreadable: readonly UnreadableTensor[];
	readonly modules: readonly CheckpointModule[];
	/** Layers in the order of their tensors. */
	readonly layers: readonly CheckpointLayer[];
	readonly withoutStatistics: readonly LayerWithoutStatistics[];
	readonly choice: PartChoice;
	readonly order: TensorOrder;
	/** Wrapper that all names begin with, for example "module."; '' if none. */
	readonly prefix: string;
	/** Free text of the file, for example `__metadata__` of safetensors. */
	readonly metadata: ReadonlyMap<string, string>;
	/** Sentences about facts that the file lacks or that were inferred. */
	readonly notes: readonly string[];
}
