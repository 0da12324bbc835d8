import { isConstant } from '../../onnx/graph/constants.js';
import { isStandard } from '../../onnx/graph/quantization.js';
import type { Scope } from '../../onnx/graph/scope.js';
import type { Place } from '../../onnx/graph/traverse.js';
import type { Node } from '../../onnx/model.js';
import { alongAxis } from '../operators/layout.js';
import type { LinearOperator } from '../operators/linear.js';
import type { Addition } from '../operators/quantization-grid.js';
import type { WeightReader } from '../operators/weights.js';
import { addend, type Channels, HANDING_ON, MOVING } from './walk-path.js';

/** Maximum number of nodes searched behind an operator for an Add; three or four are usual. */
const MAX_PATH = 32;

/**
 * Finds the possible biases behind a deployed operator, the likeliest first: none, or the constant that an Add adds or a
 * Sub subtracts, with a value per output channel. `rows` leads each output channel through reshapes to its place. An
 * operator with a bias of its own needs no other, but a tool may divide the bias between the two.
 */
export async function addedBehind(
	operator: LinearOperator,
	rows: Int32Array,
	weights: WeightReader,
): Promise<readonly (Addition | null)[]> {
	const { scope, bias } = operator;
	let [next, ...others] = scope.consumers(operator.output);
	let hasMoved = false;
	for (let step = 0; step < MAX_PATH && next && others.length === 0 && isMove(next); step++) {
		hasMoved ||= MOVING.has(next.opType);
		[next, ...others] = scope.consumers(next.outputs[0] ?? '');
	}
	const sign = next && others.length === 0 ? signOfAddend(scope, next) : undefined;
	if (!next || sign === undefined) {
		return [null];
	}
	const dims = await weights.dims(operator);
	const behind = dims && (operator.kind === 'Conv' || operator.kind === 'ConvTranspose') ? dims.length - 2 : 0;
	const place = { scope, node: next };
	const channels = hasMoved ? rows.reduce((most, channel) => Math.max(most, channel + 1), 0) : rows.length;
	const found = await quantizedAddend(place, { channels, behind: hasMoved ? 'any' : behind }, weights);
	if (!found) {
		return [null];
	}
	const spread = (values: Float64Array) => (hasMoved ? Float64Array.from(rows, (channel) => values[channel]) : values);
	const values = spread(found.values).map((value) => sign * value);
	const addition = { values, ...(found.steps && { steps: spread(found.steps) }) };
	return bias === '' ? [addition, null] : [null, addition];
}

/** Returns the constant that a node adds, a value per channel, with its quantization steps. */
async function quantizedAddend(place: Place, channels: Channels, weights: WeightReader): Promise<Addition | undefined> {
	const { scope, node } = place;
	if (node.opType === QLINEAR_ADD) {
		return qLinearAddend(place, channels, weights);
	}
	const values = await addend(place, channels, weights);
	const name = node.inputs.find((input) => isConstant(scope, input)) ?? '';
	const dims = [channels.channels];
	const steps = values && (await weights.steps(scope, name, { values, dims, layout: alongAxis(dims, 0) }));
	return values && { values, ...(steps && { steps }) };
}

/** The runtime's Add on integers: A, its scale and zero point, B, its scale and zero point. */
const QLINEAR_ADD = 'QLinearAdd';

async function qLinearAddend(
	{ scope, node }: Place,
	{ channels, ...against }: Channels,
	weights: WeightReader,
): Promise<Addition | undefined> {
	const at = [0, 3].find((input) => isConstant(scope, node.inputs[input] ?? ''));
	if (at === undefined) {
		return undefined;
	}
	const [integers = '', scale = '', zeroPoint = ''] = node.inputs.slice(at, at + 3);
	const values = await weights.perChannel(scope, integers, channels, against);
	const steps = await weights.perChannel(scope, scale, channels);
	const zero = zeroPoint === '' ? new Float64Array(channels) : await weights.perChannel(scope, zeroPoint, channels);
	return values && steps && zero
		? { values: values.map((value, row) => (value - zero[row]) * steps[row]), steps: steps.map(Math.abs) }
		: undefined;
}

/** Returns 1 for an Add, -1 for a Sub of a constant, and undefined for other nodes. */
function signOfAddend(scope: Scope, { domain, opType, inputs }: Node): 1 | -1 | undefined {
	if (domain !== '') {
		return domain === 'com.microsoft' && opType === QLINEAR_ADD ? 1 : undefined;
	}
	if (opType === 'Sub') {
		return isConstant(scope, inputs[1] ?? '') && !isConstant(scope, inputs[0] ?? '') ? -1 : undefined;
	}
	return opType === 'Add' ? 1 : undefined;
}

const isMove = (node: Node): boolean => isStandard(node) && (HANDING_ON.has(node.opType) || MOVING.has(node.opType));
