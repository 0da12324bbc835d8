/** Deployed models with one number changed by a little. */
import type { GraphSpec, TensorSpec } from './model-builder.js';

/** Relative change of one number of the deployed model. */
export const CHANGE = 1e-4;
/** Share of a tensor's largest magnitude above which a number is changed: rounding may move smaller biases as far. */
const MIN_SHARE = { weight: 1e-3, bias: 0.5 } as const;

const numbersOf = ({ values }: TensorSpec): number[] => Array.from(values as number[], Number);

/** Returns the floating constants of a graph, each with the positions of the numbers that may be changed. */
export function changeable({ initializers = [] }: GraphSpec) {
	return initializers.flatMap((tensor) => {
		const values = tensor.dtype === undefined ? numbersOf(tensor) : [];
		const largest = Math.max(0, ...values.map(Math.abs));
		const isVector = (tensor.dims ?? []).filter((size) => size > 1).length < 2;
		const least = largest * MIN_SHARE[isVector ? 'bias' : 'weight'];
		const positions = Array.from(values.keys()).filter((index) => largest > 0 && Math.abs(values[index]) >= least);
		return positions.length > 0 ? [{ tensor, positions }] : [];
	});
}

export function withChange(graph: GraphSpec, changed: TensorSpec, position: number): GraphSpec {
	const values = numbersOf(changed);
	values[position] = Math.fround(values[position] * (1 + CHANGE));
	const initializers = graph.initializers?.map((tensor) => (tensor === changed ? { ...tensor, values } : tensor));
	return { ...graph, ...(initializers && { initializers }) };
}
