import { isConstant } from '../../onnx/graph/constants.js';
import { isStandard } from '../../onnx/graph/quantization.js';
import type { Scope } from '../../onnx/graph/scope.js';
import type { Node } from '../../onnx/model.js';
import type { LinearOperator } from '../operators/linear.js';
import type { WeightReader } from '../operators/weights.js';
import { addend, HANDING_ON, MOVING } from './walk-path.js';

/** Maximum number of nodes searched behind an operator for an Add; three or four are usual. */
const MAX_PATH = 32;

/**
 * Finds a bias behind a deployed operator that has none itself: the constant that an Add adds or a Sub subtracts, one
 * value per output channel. `rows` leads each output channel through reshapes to its place. Behind an operator with a
 * bias, an Add is not part of a fold.
 */
export async function addedBehind(
	operator: LinearOperator,
	rows: Int32Array,
	weights: WeightReader,
): Promise<readonly (Float64Array | null)[]> {
	const { scope, bias } = operator;
	let [next, ...others] = scope.consumers(operator.output);
	let hasMoved = false;
	for (let step = 0; step < MAX_PATH && next && others.length === 0 && isMove(next); step++) {
		hasMoved ||= MOVING.has(next.opType);
		[next, ...others] = scope.consumers(next.outputs[0] ?? '');
	}
	const sign = next && next.domain === '' && others.length === 0 ? signOfAddend(scope, next) : undefined;
	if (bias !== '' || !next || sign === undefined) {
		return [null];
	}
	const signed = (constant: Float64Array) => constant.map((value) => sign * value);
	const dims = await weights.dims(operator);
	const behind = dims && (operator.kind === 'Conv' || operator.kind === 'ConvTranspose') ? dims.length - 2 : 0;
	if (!hasMoved) {
		const constant = await addend({ scope, node: next }, { channels: rows.length, behind }, weights);
		return constant ? [signed(constant), null] : [null];
	}
	const channels = rows.reduce((most, channel) => Math.max(most, channel + 1), 0);
	const constant = await addend({ scope, node: next }, { channels, behind: 'any' }, weights);
	return constant ? [signed(Float64Array.from(rows, (channel) => constant[channel])), null] : [null];
}

/** Returns 1 for an Add, -1 for a Sub of a constant, and undefined for other nodes. */
function signOfAddend(scope: Scope, { opType, inputs }: Node): 1 | -1 | undefined {
	if (opType === 'Sub') {
		return isConstant(scope, inputs[1] ?? '') && !isConstant(scope, inputs[0] ?? '') ? -1 : undefined;
	}
	return opType === 'Add' ? 1 : undefined;
}

const isMove = (node: Node): boolean => isStandard(node) && (HANDING_ON.has(node.opType) || MOVING.has(node.opType));
