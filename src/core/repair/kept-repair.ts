import { affine } from '../batchnorm/affine.js';
import { axesBehind, type BatchNormLayer } from '../batchnorm/layer.js';
import { PARAMETER_NAMES } from '../batchnorm/parameters.js';
import type { FoldParameters } from '../folding/operators/expected.js';
import { layerParameters } from '../folding/operators/layer-parameters.js';
import { layerNodes } from '../folding/targets/layer-nodes.js';
import { isFloatType, roundTo } from '../numbers/float-formats.js';
import { isConstant } from '../onnx/graph/constants.js';
import { isInFunction } from '../onnx/graph/supply.js';
import { failure, type Result, success } from '../result.js';
import { IN_FUNCTION } from './constant-writer.js';
import type { RepairTools } from './operator-repair.js';

/** Position of gamma, beta, mean and variance among the inputs of a BatchNormalization. */
const INPUTS = { gamma: 1, beta: 2, mean: 3, variance: 4 } as const;

/**
 * Corrects the parameters of a layer that is still a layer in the deployed model. Parameters that are right keep their
 * bytes.
 * @returns the change as a clause, '' if every parameter is right, or the reason as a clause
 */
export async function repairKept(
	tools: RepairTools,
	layer: BatchNormLayer,
	keptAs: BatchNormLayer,
): Promise<Result<string>> {
	const [right, found] = [layerParameters(layer), layerParameters(keptAs)];
	if (!right.ok || !found.ok) {
		return failure('its parameters are no constants');
	}
	if (right.value.gamma.length !== found.value.gamma.length) {
		return failure(`it has ${found.value.gamma.length} channels instead of ${right.value.gamma.length}`);
	}
	if (isInFunction(keptAs) && right.value.epsilon !== found.value.epsilon) {
		return failure(IN_FUNCTION);
	}
	return keptAs.kind === 'batchnorm'
		? repairParameters(tools, right.value, { keptAs, found: found.value })
		: repairScaleAndShift(tools, right.value, { keptAs, found: found.value });
}

interface Kept {
	readonly keptAs: BatchNormLayer;
	readonly found: FoldParameters;
}

async function repairParameters(
	{ editor, writer }: RepairTools,
	right: FoldParameters,
	{ keptAs, found }: Kept,
): Promise<Result<string>> {
	const { scope, node } = keptAs;
	const changed: string[] = [];
	for (const name of PARAMETER_NAMES) {
		const dtype = isFloatType(keptAs[name].dtype) ? keptAs[name].dtype : 'float32';
		const isRight = right[name].every((value, channel) =>
			Object.is(roundTo(value, dtype) + 0, found[name][channel] + 0),
		);
		if (isRight) {
			continue;
		}
		const values = Float64Array.from(right[name]);
		const written = await writer.write(scope, { node, input: INPUTS[name] }, { dims: [values.length], dtype, values });
		if (!written.ok) {
			return written;
		}
		changed.push(name);
	}
	if (right.epsilon !== found.epsilon) {
		editor.setFloatAttribute(node, 'epsilon', right.epsilon);
		changed.push('epsilon');
	}
	return success(changed.length > 0 ? `${changed.join(', ')} of ${keptAs.name} corrected` : '');
}

/**
 * Corrects a layer written as Mul and Add. The last factor makes the scale right, and the last summand the shift.
 */
async function repairScaleAndShift(
	{ models, writer }: RepairTools,
	right: FoldParameters,
	{ keptAs, found }: Kept,
): Promise<Result<string>> {
	const channels = right.gamma.length;
	const wanted = affine(right.gamma, right.beta, right.mean, right.variance, right.epsilon);
	const now = affine(found.gamma, found.beta, found.mean, found.variance, found.epsilon);
	const { scope } = keptAs;
	const nodes = layerNodes(keptAs).toReversed();
	const constants: (Float64Array | undefined)[] = [];
	const inputs = nodes.map(({ inputs: names }) => names.findIndex((name) => isConstant(scope, name)));
	for (const [at, node] of nodes.entries()) {
		const name = node.inputs[inputs[at]] ?? '';
		constants.push(await models.deployed.weights.perChannel(scope, name, channels, { behind: 'any' }));
	}
	const isSimple = nodes.every(
		({ opType }, at) =>
			constants[at] && (opType === 'Mul' || opType === 'Add' || (SECOND.has(opType) && inputs[at] === 1)),
	);
	const factor = nodes.findLastIndex(({ opType }) => opType === 'Mul' || opType === 'Div');
	const summand = nodes.findLastIndex(({ opType }) => opType === 'Add' || opType === 'Sub');
	if (!isSimple || factor < 0 || summand < 0 || now.scale.some((value) => value === 0 || !Number.isFinite(value))) {
		return failure('its scale and shift are written in a form that is not rewritten');
	}
	const values = constants.map((constant) => Float64Array.from(constant ?? []));
	const ratio = wanted.scale.map((value, channel) => value / now.scale[channel]);
	values[factor] = values[factor].map((value, channel) =>
		nodes[factor].opType === 'Mul' ? value * ratio[channel] : value / ratio[channel],
	);
	for (let channel = 0; channel < channels; channel++) {
		const { shift, gain } = evaluate(nodes, values, { channel, summand });
		const sign = nodes[summand].opType === 'Add' ? 1 : -1;
		values[summand][channel] += (sign * (wanted.shift[channel] - shift)) / gain;
	}
	for (const at of new Set([factor, summand])) {
		const dtype = isFloatType(keptAs.beta.dtype) ? keptAs.beta.dtype : 'float32';
		const dims = dimsOf(channels, keptAs);
		const written = await writer.write(
			scope,
			{ node: nodes[at], input: inputs[at] },
			{ dims, dtype, values: values[at] },
		);
		if (!written.ok) {
			return written;
		}
	}
	return success(`scale and shift of ${keptAs.name} corrected`);
}

/** Operators that need the constant as second operand. */
const SECOND: ReadonlySet<string> = new Set(['Sub', 'Div']);

/** Returns the shift of a channel behind a chain of nodes, and the factor of the summand at a position in it. */
function evaluate(
	nodes: readonly { readonly opType: string }[],
	constants: readonly Float64Array[],
	{ channel, summand }: { readonly channel: number; readonly summand: number },
): { readonly shift: number; readonly gain: number } {
	let [shift, gain] = [0, 1];
	for (const [at, { opType }] of nodes.entries()) {
		const value = constants[at][channel];
		const factor = opType === 'Mul' ? value : opType === 'Div' ? 1 / value : 1;
		shift = shift * factor + (opType === 'Add' ? value : opType === 'Sub' ? -value : 0);
		gain *= at > summand ? factor : 1;
	}
	return { shift, gain };
}

/** Returns the shape of a constant with a value for each channel. */
function dimsOf(channels: number, { channelAxis, inputShape }: BatchNormLayer): readonly number[] {
	const behind = axesBehind(channelAxis, inputShape?.length ?? 2);
	return [channels, ...new Array<number>(behind).fill(1)];
}
