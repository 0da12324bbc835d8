import type { BatchNormLayer } from '../../batchnorm/layer.js';
import type { Node } from '../../onnx/model.js';
import type { LinearOperator } from '../operators/linear.js';

/**
 * Computation of a tensor's channels from the channels of bases, as far as it is affine. Bases are results of other
 * functions, inputs of the model, and results of operators that another operator reads.
 */
export type Plan =
	| BasePlan
	| { readonly kind: 'kernel'; readonly node: Node; readonly operator: LinearOperator; readonly input: Plan }
	| { readonly kind: 'layer'; readonly node: Node; readonly layer: BatchNormLayer; readonly input: Plan }
	/** Arithmetic with a constant per channel. */
	| {
			readonly kind: 'constant';
			readonly node: Node;
			readonly operation: 'Add' | 'Sub' | 'Mul' | 'Div';
			readonly constant: string;
			/** True for constant - x. */
			readonly isReversed: boolean;
			/** Axes of the tensor behind the channels. */
			readonly behind: number | 'any';
			readonly input: Plan;
	  }
	| { readonly kind: 'sum'; readonly node: Node; readonly inputs: readonly Plan[]; readonly signs: readonly number[] }
	| { readonly kind: 'concat'; readonly node: Node; readonly inputs: readonly Plan[] }
	/** An output of a Split. */
	| { readonly kind: 'split'; readonly node: Node; readonly output: number; readonly input: Plan };

export interface BasePlan {
	readonly kind: 'base';
	readonly name: string;
	/** Axis of the channels; negative: from the end. */
	readonly axis: number;
	/** Channels and spatial axes; undefined if the file does not show them. */
	readonly channels: number | undefined;
	readonly space: number | undefined;
}

function inputsOf(plan: Plan): readonly Plan[] {
	return plan.kind === 'base' ? [] : 'inputs' in plan ? plan.inputs : [plan.input];
}

/** Returns a plan and all plans inside it. */
export function partsOf(plan: Plan): Plan[] {
	return [plan, ...inputsOf(plan).flatMap(partsOf)];
}

/** True if every channel reads single channels of the bases, at its own place. */
export function isPointwise(plan: Plan): boolean {
	return partsOf(plan).every(({ kind }) => kind !== 'kernel');
}
