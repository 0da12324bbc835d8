import type { Attribute, Node } from '../../onnx/model.js';
import type { OperatorWeights } from '../operators/weights.js';

export function areEqual(a: ArrayLike<number>, b: ArrayLike<number>): boolean {
	if (a.length !== b.length) {
		return false;
	}
	for (let index = 0; index < a.length; index++) {
		if (a[index] !== b[index]) {
			return false;
		}
	}
	return true;
}

/** True for two nodes of the same operator with the same numbers and words as attributes. */
export function haveEqualAttributes(a: Node, b: Node): boolean {
	const isEqual = ({ name, f, i, s, ints, floats, ...others }: Attribute) => {
		const other = b.attributes.get(name);
		const lists = [
			[s, other?.s],
			[ints, other?.ints],
			[floats, other?.floats],
		] as const;
		return (
			Object.keys(others).length === 0 &&
			f === other?.f &&
			i === other?.i &&
			lists.every(([list, its]) => (list && its ? areEqual(list, its) : list === its))
		);
	};
	const isSameOperator = a.opType === b.opType && a.domain === b.domain && a.attributes.size === b.attributes.size;
	return isSameOperator && [...a.attributes.values()].every(isEqual);
}

/** True for equal weights and biases that are not quantized. */
export function haveEqualConstants(a: OperatorWeights, b: OperatorWeights): boolean {
	const areBiasesEqual = a.bias && b.bias ? areEqual(a.bias, b.bias) : a.bias === b.bias;
	return !a.grid && !b.grid && areEqual(a.dims, b.dims) && areBiasesEqual && areEqual(a.weight, b.weight);
}
