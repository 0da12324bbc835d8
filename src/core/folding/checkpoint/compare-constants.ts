import type { Checkpoint } from '../../formats/checkpoint.js';
import { isOperatorWeight } from '../../formats/layers/front.js';
import { splitName } from '../../formats/layers/names.js';
import { type CheckpointTensor, readTensorValues } from '../../formats/tensor.js';
import { product } from '../../numbers/arrays.js';
import { FLOAT_FORMATS, isFloatType } from '../../numbers/float-formats.js';
import { isConstant } from '../../onnx/graph/constants.js';
import { Scope } from '../../onnx/graph/scope.js';
import { typeName } from '../../onnx/types.js';
import type { DifferingOperator } from '../../report/comparison/comparison.js';
import { shortNumber } from '../../text/numbers.js';
import { count } from '../../text/sentences.js';
import { dequantizer } from '../operators/linear.js';
import type { Network } from '../targets/network.js';

/** Functions and arithmetic with a constant per channel. */
const PER_CHANNEL: ReadonlySet<string> = new Set(['PRelu', 'Mul', 'Div', 'Add', 'Sub', 'Min', 'Max']);
/** Roundings that copying a constant may cost. */
const ROUNDINGS = 8;
/** Cosine of the angle between a constant and its changed form. */
const MIN_COSINE = 0.99;

/** A constant of the deployed model. */
interface DeployedConstant {
	readonly node: string;
	readonly isSlope: boolean;
	readonly values: ArrayLike<number>;
	readonly unitRoundoff: number;
}

/** A tensor of the checkpoint that belongs to no operator and no layer: slopes of a PReLU, factors of a LayerScale. */
interface LoneTensor {
	readonly tensor: CheckpointTensor;
	readonly values: ArrayLike<number>;
	readonly unitRoundoff: number;
}

/**
 * Compares the constants of functions between operators with the tensors of the checkpoint that belong to no operator and no
 * layer. Slopes must equal such a tensor of their size, if there is one left. Other constants may be something else, so
 * they count only where they are such a tensor in another order or slightly changed.
 */
export async function compareConstants(
	checkpoint: Checkpoint,
	deployed: Network,
): Promise<readonly DifferingOperator[]> {
	const lone = loneTensors(checkpoint);
	const constants = lone.length > 0 ? await constantsOf(deployed) : [];
	const sizes = new Set(constants.map(({ values }) => values.length));
	const tensors: LoneTensor[] = [];
	for (const tensor of lone.filter(({ dims }) => sizes.has(product(dims)))) {
		const { data } = await readTensorValues(tensor);
		tensors.push({ tensor, values: data, unitRoundoff: roundoffOf(tensor.dtype) });
	}
	const free = new Set(tensors);
	const open = constants.filter((constant) => {
		const same = tensors.find((tensor) => differing(constant, tensor).length === 0);
		if (same) {
			free.delete(same);
		}
		return !same;
	});
	return open.flatMap((constant) => {
		const near = [...free]
			.filter(({ values }) => values.length === constant.values.length)
			.map((tensor) => ({ tensor, likeness: likenessOf(constant, tensor) }))
			.filter(({ likeness }) => constant.isSlope || likeness >= MIN_COSINE)
			.sort((a, b) => b.likeness - a.likeness);
		return near.slice(0, 1).map(({ tensor }) => {
			free.delete(tensor);
			return describe(constant, tensor);
		});
	});
}

function loneTensors({ tensors }: Checkpoint): readonly CheckpointTensor[] {
	const moduleOf = ({ name }: CheckpointTensor) => splitName(name).module;
	const isStatistic = ({ name }: CheckpointTensor) => /(running|moving)_(mean|var)/.test(name);
	const taken = new Set(tensors.filter((tensor) => isOperatorWeight(tensor) || isStatistic(tensor)).map(moduleOf));
	const isVector = ({ dims }: CheckpointTensor) => product(dims) > 1 && dims.filter((size) => size > 1).length === 1;
	return tensors.filter((tensor) => isVector(tensor) && isFloatType(tensor.dtype) && !taken.has(moduleOf(tensor)));
}

/** Returns the constants per channel of the main graph that are in float. */
async function constantsOf({ model, weights }: Network): Promise<readonly DeployedConstant[]> {
	const scope = Scope.ofModel(model);
	const constants: DeployedConstant[] = [];
	for (const { opType, domain, name, inputs, outputs } of model.graph.nodes) {
		const names = domain === '' && PER_CHANNEL.has(opType) ? inputs.filter((input) => isConstant(scope, input)) : [];
		const tensor =
			names.length === 1 && !dequantizer(scope, names[0] ?? '')
				? await weights.constant(scope, names[0] ?? '')
				: undefined;
		if (tensor && tensor.data.length > 1) {
			constants.push({
				node: name || outputs[0] || opType,
				isSlope: opType === 'PRelu',
				values: tensor.data,
				unitRoundoff: roundoffOf(typeName(tensor.dataType)),
			});
		}
	}
	return constants;
}

const roundoffOf = (dtype: string): number =>
	isFloatType(dtype) ? FLOAT_FORMATS[dtype].unitRoundoff : FLOAT_FORMATS.float32.unitRoundoff;

/** Returns the indices of the numbers that differ by more than rounding; all of them for another size. */
function differing(constant: DeployedConstant, { values, unitRoundoff }: LoneTensor): number[] {
	const { tiny } = FLOAT_FORMATS.float16;
	const roundoff = Math.max(unitRoundoff, constant.unitRoundoff);
	const isWide = roundoff <= FLOAT_FORMATS.float32.unitRoundoff;
	return Array.from(constant.values).flatMap((value, index) => {
		const expected = values.length === constant.values.length ? values[index] : Number.NaN;
		const bound = ROUNDINGS * roundoff * Math.abs(expected) + (isWide ? 0 : tiny);
		return value === expected || Math.abs(value - expected) <= bound ? [] : [index];
	});
}

/** Returns 1 for the same numbers in another order, else the cosine of the angle between two constants. */
function likenessOf(constant: DeployedConstant, tensor: LoneTensor): number {
	if (areReordered(constant, tensor)) {
		return 1;
	}
	const [a, b] = [constant.values, tensor.values];
	let [ab, aa, bb] = [0, 0, 0];
	for (let index = 0; index < a.length; index++) {
		ab += a[index] * b[index];
		aa += a[index] * a[index];
		bb += b[index] * b[index];
	}
	return ab / Math.sqrt(aa * bb);
}

const sorted = ({ values }: { readonly values: ArrayLike<number> }): number[] =>
	Array.from(values).sort((a, b) => a - b);

function areReordered(constant: DeployedConstant, tensor: LoneTensor): boolean {
	const [values, others] = [sorted(constant), sorted(tensor)];
	return differing({ ...constant, values }, { ...tensor, values: others }).length === 0;
}

function describe(constant: DeployedConstant, tensor: LoneTensor): DifferingOperator {
	const wrong = differing(constant, tensor);
	const differenceAt = (index: number) => Math.abs(constant.values[index] - tensor.values[index]);
	const worst = wrong.reduce((a, b) => (differenceAt(b) > differenceAt(a) ? b : a), wrong[0] ?? 0);
	const [found, expected] = [constant.values[worst], tensor.values[worst]];
	const order = areReordered(constant, tensor) ? ', and they are the same numbers in another order' : '';
	const maxAbs = Math.abs(found - expected);
	return {
		name: constant.node,
		evidence: `${count(wrong.length, 'number')} of ${constant.values.length} in ${constant.node} ${wrong.length === 1 ? 'is' : 'are'} not those of "${tensor.tensor.name}" in the checkpoint${order}: number ${worst} is ${shortNumber(found)} instead of ${shortNumber(expected)}.`,
		maxAbs,
		bound: ROUNDINGS * Math.max(tensor.unitRoundoff, constant.unitRoundoff) * Math.abs(expected),
		maxRel: maxAbs / Math.max(Math.abs(found), Math.abs(expected)),
	};
}
