import { recordOf } from '../../../core/folding/operators/linear.js';
import { isConstant } from '../../../core/onnx/graph/constants.js';
import type { Node } from '../../../core/onnx/model.js';
import { encodeAttribute } from '../../../core/onnx/write/encode-attribute.js';
import type { Replace, Unrounder } from './unrounder.js';

const inputAt = ({ inputs }: Node, position: number): string => inputs[position] ?? '';
const outputOf = ({ outputs }: Node): string => outputs[0] ?? '';

const quantizeLinear: Replace = async (unrounder, node) => {
	const [x = '', scale = '', zeroPoint = ''] = node.inputs;
	const { scope } = unrounder;
	if (isConstant(scope, x)) {
		unrounder.quantizers.push(node);
		return 'kept';
	}
	const isInput = scope.lookup(x).kind === 'input';
	const outputType = scope.attribute(node, 'output_dtype')?.i ?? 0;
	const isDone = await unrounder.quantize(x, [scale, zeroPoint], outputOf(node), { outputType, isInput });
	return isDone ? 'replaced' : 'impossible';
};

const dequantizeLinear: Replace = async (unrounder, node) => {
	const [codes = '', scale = '', zeroPoint = ''] = node.inputs;
	if (unrounder.isFloat(codes)) {
		const values = await unrounder.dequantize(codes, scale, zeroPoint, outputOf(node));
		return values === undefined ? 'impossible' : 'replaced';
	}
	if (recordOf(unrounder.scope, codes)) {
		unrounder.codes.add(codes);
	}
	return 'kept';
};

/** The input stays as it is: in steps of 1, from 0. */
const dynamicQuantizeLinear: Replace = async (unrounder, node) => {
	const [codes = '', scale = '', zeroPoint = ''] = node.outputs;
	unrounder.add('Identity', [inputAt(node, 0)], {}, codes);
	if (scale !== '') {
		unrounder.addScalar(1, undefined, scale);
	}
	if (zeroPoint !== '') {
		unrounder.addScalar(0, undefined, zeroPoint);
		unrounder.markFloat(zeroPoint);
	}
	unrounder.markFloat(codes);
	return 'replaced';
};

/** Inputs of a linear operator on integers: three of the activation, three of the weight, and behind them. */
interface LinearSlots {
	readonly opType: string;
	readonly bias?: number;
	/** Positions of scale and zero point of the output. */
	readonly output: readonly [number, number];
}

function rankOf({ scope }: Unrounder, name: string): number | undefined {
	return recordOf(scope, name)?.dims.length;
}

const linear =
	({ opType, bias, output }: LinearSlots): Replace =>
	async (unrounder, node) => {
		const [codes = '', xScale = '', xZero = '', weight = '', scale = '', zeroPoint = ''] = node.inputs;
		const rank = rankOf(unrounder, weight);
		const x = await unrounder.dequantize(codes, xScale, xZero);
		if (rank === undefined || x === undefined) {
			return 'impossible';
		}
		const transB = opType === 'Gemm' && (unrounder.scope.attribute(node, 'transB')?.i ?? 0) !== 0;
		const at = opType === 'Conv' || transB ? 0 : rank - 1;
		const inputs = [x, unrounder.weight(weight, scale, zeroPoint, { at, of: rank })];
		const added = bias === undefined ? '' : inputAt(node, bias);
		if (added !== '') {
			unrounder.codes.add(added);
			const steps = unrounder.add('Mul', [unrounder.add('Cast', [added], { to: 1 }), xScale]);
			inputs.push(unrounder.add('Mul', [steps, scale]));
		}
		const values = await unrounder.rewrite({ opType, inputs, outputs: [unrounder.freshName()] });
		const [outputScale, outputZero] = [inputAt(node, output[0]), inputAt(node, output[1])];
		return (await unrounder.quantize(values, [outputScale, outputZero], outputOf(node))) ? 'replaced' : 'impossible';
	};

/** ConvInteger and MatMulInteger: the scales follow behind. */
const integerProduct =
	(opType: string): Replace =>
	async (unrounder, node) => {
		const [codes = '', weight = '', xZero = '', zeroPoint = ''] = node.inputs;
		const rank = rankOf(unrounder, weight);
		const zero = xZero === '' || unrounder.isFloat(xZero) ? xZero : await zeroScalar(unrounder, xZero);
		if (!unrounder.isFloat(codes) || rank === undefined || zero === undefined) {
			return 'impossible';
		}
		const at = opType === 'Conv' ? 0 : rank - 1;
		const x = zero === '' ? codes : unrounder.add('Sub', [codes, zero]);
		await unrounder.rewrite({ opType, inputs: [x, unrounder.weight(weight, undefined, zeroPoint, { at, of: rank })] });
		unrounder.markFloat(outputOf(node));
		return 'replaced';
	};

async function zeroScalar(unrounder: Unrounder, name: string): Promise<string | undefined> {
	const value = await unrounder.number(name);
	return value === undefined ? undefined : unrounder.addScalar(value);
}

/** Attributes of the runtime's operators on integers that their counterparts on floats lack. */
const OWN_ATTRIBUTES: ReadonlySet<string> = new Set(['channels_last', 'opset']);

/**
 * An operator on one or several quantized activations.
 * @param operands positions of codes, each followed by scale and zero point
 * @param output positions of scale and zero point of the output
 */
const elementwise =
	(
		opType: string,
		operands: (node: Node) => readonly number[],
		output: readonly [number, number],
		lastOpset = Number.POSITIVE_INFINITY,
	): Replace =>
	async (unrounder, node) => {
		const { scope } = unrounder;
		if ((scope.attribute(node, 'channels_last')?.i ?? 0) !== 0 || scope.opset() > lastOpset) {
			return 'impossible';
		}
		const inputs: string[] = [];
		for (const at of operands(node)) {
			const [codes, scale, zeroPoint] = [at, at + 1, at + 2].map((position) => inputAt(node, position));
			const values = await unrounder.dequantize(codes, scale, zeroPoint);
			if (values === undefined) {
				return 'impossible';
			}
			inputs.push(values);
		}
		const kept = [...node.attributes.values()].filter(({ name }) => !OWN_ATTRIBUTES.has(name));
		const attributes = kept.flatMap((attribute) => encodeAttribute(attribute.name, attribute) ?? []);
		if (attributes.length < kept.length) {
			return 'impossible';
		}
		const name = unrounder.freshName();
		const values = await unrounder.rewrite({ opType, inputs, outputs: [name], attributes });
		const grid = [inputAt(node, output[0]), inputAt(node, output[1])] as const;
		return (await unrounder.quantize(values, grid, outputOf(node))) ? 'replaced' : 'impossible';
	};

const first = () => [0];
const both = () => [0, 3];
const listed = ({ inputs }: Node) => Array.from({ length: Math.floor((inputs.length - 2) / 3) }, (_, i) => 2 + 3 * i);

/** Computes in floats where the runtime may round activations to 8 bits. */
const packedMatMul: Replace = async (unrounder, node) => {
	if (recordOf(unrounder.scope, inputAt(node, 1))) {
		unrounder.codes.add(inputAt(node, 1));
	}
	if ((unrounder.scope.attribute(node, 'accuracy_level')?.i ?? 0) === 0) {
		return 'kept';
	}
	await unrounder.rewrite({ integers: { accuracy_level: 0 } });
	return 'replaced';
};

const MICROSOFT = 'com.microsoft';

/** "domain:operator" -> replacement. */
export const UNROUNDED_OPERATORS: ReadonlyMap<string, Replace> = new Map<string, Replace>([
	[':QuantizeLinear', quantizeLinear],
	[':DequantizeLinear', dequantizeLinear],
	[':DynamicQuantizeLinear', dynamicQuantizeLinear],
	[':QLinearConv', linear({ opType: 'Conv', bias: 8, output: [6, 7] })],
	[':QLinearMatMul', linear({ opType: 'MatMul', output: [6, 7] })],
	[`${MICROSOFT}:QGemm`, linear({ opType: 'Gemm', bias: 6, output: [7, 8] })],
	[':ConvInteger', integerProduct('Conv')],
	[':MatMulInteger', integerProduct('MatMul')],
	[`${MICROSOFT}:QLinearAdd`, elementwise('Add', both, [6, 7])],
	[`${MICROSOFT}:QLinearMul`, elementwise('Mul', both, [6, 7])],
	[`${MICROSOFT}:QLinearConcat`, elementwise('Concat', listed, [0, 1])],
	[`${MICROSOFT}:QLinearSigmoid`, elementwise('Sigmoid', first, [3, 4])],
	[`${MICROSOFT}:QLinearLeakyRelu`, elementwise('LeakyRelu', first, [3, 4])],
	[`${MICROSOFT}:QLinearGlobalAveragePool`, elementwise('GlobalAveragePool', first, [3, 4])],
	[`${MICROSOFT}:QLinearAveragePool`, elementwise('AveragePool', first, [3, 4])],
	[`${MICROSOFT}:QLinearReduceMean`, elementwise('ReduceMean', first, [3, 4], 17)],
	[`${MICROSOFT}:MatMulNBits`, packedMatMul],
]);
