import type { Scope } from '../onnx/graph/scope.js';
import type { Attribute, DataTypeName, Dimension, Graph, Node, TensorRecord } from '../onnx/model.js';
import type { Origin } from '../onnx/origin.js';
import type { Affine } from './affine.js';

/** Where one parameter comes from; shown to the user for every parameter. */
export type ParameterOrigin = Origin;

export interface Parameter {
	/** Name of the tensor at the BN's input. */
	readonly name: string;
	readonly origin: ParameterOrigin;
	/** Values as float64, row-major; null when not constant or unreadable. */
	readonly values: Float64Array | null;
	readonly dims: readonly number[];
	readonly dtype: DataTypeName;
	/** One sentence when `values` is null and it is not simply a run-time value. */
	readonly problem?: string;
}

/** A BatchNormalization (or its decomposed equivalent) as found in a model, before anything is run. */
export interface BatchNormLayer {
	/** Unique display name: the node's, else one made from its output or position. */
	readonly name: string;
	/** '' for the main graph, else path of the subgraph or function call, for example "If_3/then_branch". */
	readonly graphPath: string;
	readonly kind: 'batchnorm' | 'decomposed';
	readonly graph: Pick<Graph, 'nodes'>;
	/** Where the node's names mean something. */
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
	/** Channels C; 0 when nothing in the file tells. */
	readonly channels: number;
	readonly gamma: Parameter;
	readonly beta: Parameter;
	readonly mean: Parameter;
	readonly variance: Parameter;
	/** Element type of X where the file tells it. */
	readonly dtype: DataTypeName;
	readonly inputShape: readonly Dimension[] | undefined;
	/** A decomposed layer's scale and shift, where gamma, beta, mean and variance cannot be told apart. */
	readonly affine?: Affine;
	/** The node that writes X, which may stand in a graph around this one; null when X is a graph input. */
	readonly source: Node | null;
	/** Nodes that read Y. */
	readonly consumers: readonly Node[];
	/** Every reader of Y cuts off what is below 0: Relu, or Clip from 0 on. */
	readonly rectified?: boolean;
	/** True when Y is an output of its graph. */
	readonly isGraphOutput: boolean;
}

export type { Attribute, TensorRecord };
