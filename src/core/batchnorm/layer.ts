import type { Scope } from '../onnx/graph/scope.js';
import type { Attribute, DataTypeName, Dimension, Graph, Node, TensorRecord } from '../onnx/model.js';
import type { Origin } from '../onnx/origin.js';
import type { Affine } from './affine.js';

/** Origin of a parameter, shown to the user. */
export type ParameterOrigin = Origin;

export interface Parameter {
	/** Name of the tensor at the BN's input. */
	readonly name: string;
	readonly origin: ParameterOrigin;
	/** Values as float64, row-major; null when not constant or unreadable. */
	readonly values: Float64Array | null;
	/** Distance that each value may have in a runtime, as in `Tensor.error`. */
	readonly error?: Float64Array;
	readonly dims: readonly number[];
	readonly dtype: DataTypeName;
	/** Sentence that explains a missing value, except for run-time values. */
	readonly problem?: string;
}

/**
 * Place of epsilon in a deviation. inside: sqrt(variance + epsilon). beside: sqrt(variance) + epsilon. floor:
 * sqrt(max(variance, epsilon)). floor-beside: max(sqrt(variance), epsilon).
 */
export type EpsilonPlace = 'inside' | 'beside' | 'floor' | 'floor-beside';

/** Form of a normalization by elementary operators with their own data's statistics. */
export interface HandBuilt {
	/** Axes of mean and variance, as in the file; negative: from the end; null: all. */
	readonly axes: readonly number[] | null;
	/** centered: mean of (x - mean)^2; difference: mean of x^2, minus mean^2. */
	readonly variance: 'centered' | 'difference';
	/** True: the variance of m values is unbiased, since m / (m - 1) multiplies it. A number: a constant m in the file. */
	readonly unbiased?: true | number;
	readonly place: EpsilonPlace;
	/** Reshape of channels in front, which gives axes 0 and 1 another meaning. */
	readonly regrouped?: Regrouped;
	/** Move of the images' axis in front, which gives axis 0 another meaning. */
	readonly view?: HandBuiltView;
}

/**
 * A Reshape from (N, C, …). groups: axis 1 has this number of groups of channels. instances: axis 1 has all channels of
 * all images, and axis 0 has size 1.
 */
export type Regrouped = { readonly groups: number } | { readonly instances: true };

/** Axes over which a normalization averages data of a known rank. */
export interface ReducedAxes {
	/** Reduced axes in ascending order, each from 0 to rank - 1. */
	readonly reduced: readonly number[];
	readonly rank: number;
	/** Axis of the channels. */
	readonly channelAxis: number;
}

/** A Transpose or a Reshape in front that moves, joins or divides the axis of the images. */
export interface HandBuiltView {
	readonly opType: string;
	/** Normalized axes in front of the operator; null if each mean is over a part of an axis. */
	readonly axes: ReducedAxes | null;
	/** True if a mean is over several images. */
	readonly isOfBatch: boolean;
}

/** A BatchNormalization or its decomposed equivalent, before a run. */
export interface BatchNormLayer {
	/** Unique display name: the node's name, else a name made from its output or position. */
	readonly name: string;
	/** '' for the main graph, else the path of the subgraph or function call, for example "If_3/then_branch". */
	readonly graphPath: string;
	readonly kind: 'batchnorm' | 'decomposed' | 'handbuilt';
	/** Set for kind "handbuilt". Gamma and beta then have any shape that broadcasts against X. */
	readonly handBuilt?: HandBuilt;
	readonly graph: Pick<Graph, 'nodes'>;
	/** Scope of the node's names. */
	readonly scope: Scope;
	/** The BatchNormalization, or the last node of a decomposed layer's chain. */
	readonly node: Node;
	/** Input tensor X, and output tensor Y. */
	readonly input: string;
	readonly output: string;
	readonly opset: number;
	/** The value stored in the file (float32), 1e-5 by default. */
	readonly epsilon: number;
	readonly momentum: number;
	readonly mode: 'inference' | 'training';
	readonly axes: 'channel' | 'activation';
	/** True if the file asks for statistics per activation (spatial = 0), but has parameters per channel. */
	readonly isMarkedPerActivation?: boolean;
	/** Axis of X with the channels: 1 for BatchNormalization; -1 is the last. */
	readonly channelAxis: number;
	/** Number of channels C; 0 if the file does not show it. */
	readonly channels: number;
	readonly gamma: Parameter;
	readonly beta: Parameter;
	readonly mean: Parameter;
	readonly variance: Parameter;
	/** Element type of X, if the file shows it. */
	readonly dtype: DataTypeName;
	readonly inputShape: readonly Dimension[] | undefined;
	/** Scale and shift of a decomposed layer if gamma, beta, mean and variance cannot be separated. */
	readonly affine?: Affine;
	/** Node that writes X, possibly in a graph that contains this graph; null if X is a graph input. */
	readonly source: Node | null;
	/** Nodes that read Y. */
	readonly consumers: readonly Node[];
	/** True if all readers of Y cut negative values: Relu, Clip from 0. */
	readonly rectified?: boolean;
	/** True when Y is an output of its graph. */
	readonly isGraphOutput: boolean;
}

/** Returns the number of axes behind the channel axis. @param channelAxis as in {@link BatchNormLayer} */
export function axesBehind(channelAxis: number, rank: number): number {
	return channelAxis < 0 ? -1 - channelAxis : rank - 1 - channelAxis;
}

export type { Attribute, TensorRecord };
