import type { Node } from '../../../core/onnx/model.js';

/**
 * Versions of the standard operator set that changed the meaning of an operator's inputs, attributes or defaults, from the
 * changelog of ONNX. Versions that only allow more types or more attributes are left out, because nodes written before them
 * keep their meaning.
 */
const CHANGES: Readonly<Record<string, readonly number[]>> = {
	...forAll(['Conv', 'MatMul', 'HardSwish', 'Softplus', 'Identity', 'Transpose', 'Constant', 'GlobalAveragePool'], []),
	...forAll(['Relu', 'LeakyRelu', 'Sigmoid', 'Tanh', 'HardSigmoid', 'Elu', 'Selu', 'Exp', 'Log', 'Sqrt', 'Neg'], [6]),
	...forAll(['Abs', 'Reciprocal', 'Floor', 'Ceil', 'InstanceNormalization'], [6]),
	...forAll(['Add', 'Sub', 'Mul', 'Div', 'PRelu'], [6, 7]),
	...forAll(['Sum', 'Mean', 'Max', 'Min'], [6, 8]),
	BatchNormalization: [6, 7, 9],
	Cast: [6, 9],
	Clip: [6, 11],
	Concat: [4],
	ConvTranspose: [11],
	Dropout: [6, 7, 12],
	Gemm: [6, 7, 11],
	Pow: [7, 12],
	ReduceMean: [18],
	Reshape: [5],
	Softmax: [13],
};

function forAll(names: readonly string[], versions: readonly number[]): Record<string, readonly number[]> {
	return Object.fromEntries(names.map((name) => [name, versions]));
}

/** True if a node means the same in two versions of its operator set. */
export function hasSameMeaning({ opType, domain, outputs }: Node, a: number, b: number): boolean {
	if (a === b) {
		return true;
	}
	if (opType === 'BatchNormalization' && outputs.length > 1) {
		// Several outputs meant training up to opset 13, and have no effect from 14 on.
		return false;
	}
	const changes = domain === '' && Object.hasOwn(CHANGES, opType) ? CHANGES[opType] : undefined;
	const [older, newer] = [Math.min(a, b), Math.max(a, b)];
	return changes !== undefined && !changes.some((version) => older < version && version <= newer);
}
