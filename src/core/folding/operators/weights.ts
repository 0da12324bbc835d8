import { mapInto } from '../../numbers/arrays.js';
import { type FloatType, isFloatType } from '../../numbers/float-formats.js';
import { OnnxError } from '../../onnx/errors.js';
import { ConstantBudget } from '../../onnx/graph/constant-budget.js';
import { type Constant, ConstantResolver, isConstant } from '../../onnx/graph/constants.js';
import { ShapeInference } from '../../onnx/graph/infer.js';
import { dequantized, integerRange, type ScaleLayout } from '../../onnx/graph/quantization.js';
import type { Scope } from '../../onnx/graph/scope.js';
import type { Dimension, Tensor } from '../../onnx/model.js';
import { isBacked } from '../../onnx/tensor/backed.js';
import { readTensor, type TensorAccess } from '../../onnx/tensor/tensor.js';
import { elementBits, typeName } from '../../onnx/types.js';
import { failure, type Result, success } from '../../result.js';
import type { LinearWeights } from './expected.js';
import { ExpressionCache } from './expression-cache.js';
import { alongAxis, type ChannelLayout, channelCount, elementCount, forEachRun } from './layout.js';
import {
	type Dequantizer,
	dequantizer,
	HANDS_ON_ROUNDED,
	type LinearOperator,
	type Quantization,
	recordOf,
} from './linear.js';
import { type PackedWeight, unpack } from './packed-weight.js';
import {
	type Codes,
	int32Bias,
	type QuantizationGrid,
	type RowShape,
	rowSteps,
	withoutEmptySteps,
} from './quantization-grid.js';
import { headOf } from './tensor-head.js';
import { type BroadcastPartner, isPerChannel, weightLayout } from './weight-layout.js';

/** A linear operator's constants, read. */
export interface OperatorWeights extends LinearWeights {
	readonly dims: readonly number[];
	/** Element type of the stored weights. float32 for quantized weights, because their product with the scale counts. */
	readonly stored: FloatType;
	/** True if the weights were rounded to `stored` after the deployed model was made: a checkpoint in half precision. */
	readonly isRoundedCopy?: true;
	/** Quantization steps that the file states; absent for constants in float. */
	readonly grid?: QuantizationGrid;
}

/** Values of a constant, and their division into rows. */
interface RowValues extends RowShape {
	readonly values: ArrayLike<number>;
}

/** Maximum size of an axis of a computed weight, because its shape may rest on a mere claim. */
const MAX_COMPUTED_AXIS = 2 ** 22;

/** Maximum bits of a code whose grid may clip values at an end by more than half a step. */
const FEW_BITS = 4;

/** Maximum number of scales that are quantized themselves, one behind another. Ends the search in a graph with a cycle. */
const MAX_QUANTIZED_SCALES = 4;

/** Reads the constants of a model's linear operators. */
export class WeightReader {
	readonly #access: TensorAccess;
	readonly #shapes = new ShapeInference();
	/** Results of costly constant expressions. Tensors of the file are read again instead. */
	readonly #expressions = new ExpressionCache();
	readonly #expressionShapes = new Map<string, readonly number[] | undefined>();
	readonly #budget = new ConstantBudget();

	constructor(access: TensorAccess) {
		this.#access = access;
	}

	/**
	 * Returns the shape of an operator's weight; undefined if it is not constant or does not fit. Evaluates a constant
	 * expression only if the structure does not give the shape.
	 */
	async dims({ scope, weight, packed }: LinearOperator): Promise<readonly number[] | undefined> {
		if (packed) {
			return [packed.rows, packed.columns];
		}
		const record = recordOf(scope, weight);
		if (record && !isBacked(record)) {
			return undefined;
		}
		const dims = record?.dims ?? this.#inferred(scope, weight);
		const known = dims ?? (await this.#expressionDims(scope, weight));
		return known && known.length > 0 ? known : undefined;
	}

	/**
	 * Returns the shape of a transposed or dequantized weight. Evaluating it would cost as much memory as the weight
	 * itself.
	 */
	#inferred(scope: Scope, name: string): readonly number[] | undefined {
		const { shape } = isConstant(scope, name) ? this.#shapes.of(scope, name) : { shape: undefined };
		const isKnown = (dim: Dimension): dim is number => typeof dim === 'number' && dim <= MAX_COMPUTED_AXIS;
		return shape?.every(isKnown) ? shape : undefined;
	}

	/** True if the operator has no bias, or a constant bias with a value per output channel or a value for all. */
	async hasFittingBias(operator: LinearOperator): Promise<boolean> {
		const { scope, bias } = operator;
		const dims = await this.dims(operator);
		const layout = dims && weightLayout(operator, dims);
		if (bias === '' || !layout) {
			return layout !== undefined;
		}
		const shape = recordOf(scope, bias)?.dims ?? (await this.#expressionDims(scope, bias));
		return shape !== undefined && isPerChannel(shape, channelCount(layout));
	}

	/** Reads the whole weight and bias. The failure's reason is a sentence. */
	async read(operator: LinearOperator): Promise<Result<OperatorWeights>> {
		const { scope } = operator;
		try {
			if (operator.packed) {
				return success(await this.#unpacked(operator, operator.packed));
			}
			const tensor = await this.#tensor(scope, operator.weight);
			const layout = tensor && weightLayout(operator, tensor.dims);
			if (!tensor || !layout || elementCount(layout) !== tensor.data.length) {
				const problem =
					tensor || recordOf(scope, operator.weight)
						? undefined
						: (await this.#expression(scope, operator.weight)).problem;
				return failure(
					problem ?? `The weight "${operator.weight}" of ${operator.name} is no constant of a fitting shape.`,
				);
			}
			const weight = await this.#dequantize(operator, tensor, layout);
			const shape = { channels: channelCount(layout), dims: tensor.dims };
			const bias = operator.bias === '' ? null : await this.#bias(operator, shape);
			const type = typeName(tensor.dataType);
			const stored = isFloatType(type) ? type : 'float32';
			const isRoundedCopy = isDeferred(scope, operator.weight) && (stored === 'float16' || stored === 'bfloat16');
			if (bias === undefined) {
				return failure(
					`The bias "${operator.bias}" of ${operator.name} is no constant with one value an output channel.`,
				);
			}
			const grid = await this.#grid(operator, { ...shape, layout, values: weight });
			const origin = { ...(isRoundedCopy && { isRoundedCopy }), ...(grid && { grid }) };
			const slack = { ...weightSlack(operator, tensor, layout), ...(await this.#biasSlack(operator, shape.channels)) };
			return success({ weight, layout, bias, dims: tensor.dims, stored, ...origin, ...slack });
		} catch (error) {
			return failure(sentenceOf(error));
		}
	}

	/**
	 * Reads at least `count` elements from the start of the weight, or all of them: enough to recognize it without
	 * reading a large tensor twice. Undefined if unavailable.
	 */
	async sample(operator: LinearOperator, count: number): Promise<Float32Array | Float64Array | undefined> {
		const record = recordOf(operator.scope, operator.weight);
		const head = record && headOf(record, count);
		try {
			if (operator.quantization || operator.packed) {
				const weights = await this.read(operator);
				return weights.ok ? weights.value.weight : undefined;
			}
			const tensor = head ? await readTensor(head, this.#access) : await this.#tensor(operator.scope, operator.weight);
			return tensor?.data;
		} catch (error) {
			if (error instanceof OnnxError) {
				// The caller that reads the whole tensor gets the reason.
				return undefined;
			}
			throw error;
		}
	}

	/** Returns a constant with a value per channel, or a value for all; undefined if there is none. */
	async perChannel(
		scope: Scope,
		name: string,
		channels: number,
		against: BroadcastPartner = { behind: 0 },
	): Promise<Float64Array | undefined> {
		const tensor = await this.#tensor(scope, name);
		if (!tensor) {
			return undefined;
		}
		const { data, dims } = tensor;
		if (!isPerChannel(dims, channels, against)) {
			return undefined;
		}
		return data.length === 1 ? new Float64Array(channels).fill(data[0]) : Float64Array.from(data);
	}

	/** Returns a constant; undefined if there is none. */
	async constant(scope: Scope, name: string): Promise<Tensor | undefined> {
		return name === '' ? undefined : this.#tensor(scope, name);
	}

	/** A constant list of integers: a shape, axes. */
	async integers(scope: Scope, name: string): Promise<readonly number[] | undefined> {
		const tensor = await this.constant(scope, name);
		return tensor && Array.from(tensor.data);
	}

	/** Reads weights that share bytes, and their bias in float. @throws {OnnxError} if a constant does not fit */
	async #unpacked({ scope, weight, bias, name }: LinearOperator, packed: PackedWeight): Promise<OperatorWeights> {
		const codes = await this.#tensor(scope, weight);
		const scales = await this.#tensor(scope, packed.scale);
		const zeroPoints = packed.zeroPoint === '' ? undefined : await this.#tensor(scope, packed.zeroPoint);
		const added = bias === '' ? null : await this.perChannel(scope, bias, packed.rows);
		if (!codes || !scales || added === undefined || (packed.zeroPoint !== '' && !zeroPoints)) {
			throw new OnnxError('bad-tensor', `A constant of ${name} is computed at run time, or does not fit.`);
		}
		const { weight: values, steps } = unpack(packed, { codes, scales, zeroPoints });
		const dims = [packed.rows, packed.columns];
		return {
			weight: values,
			layout: alongAxis(dims, 0),
			bias: added,
			dims,
			stored: 'float32',
			grid: { weight: steps },
		};
	}

	/** `(w - zero point) * scale` where the operator takes its weight quantized, `alpha * w` for Gemm. */
	async #dequantize(operator: LinearOperator, { data, dims }: Tensor, layout: ChannelLayout) {
		const { alpha, quantization, scope } = operator;
		if (!quantization) {
			return alpha === 1 ? data : mapInto(new Float64Array(data.length), data, (value) => value * alpha);
		}
		const channels = channelCount(layout);
		const scale = await this.#rowScale(operator, quantization, { channels, dims });
		const zero = quantization.zeroPoint && (await this.perChannel(scope, quantization.zeroPoint, channels));
		if (!scale || zero === undefined) {
			throw new OnnxError('bad-tensor', `The weight's scale or zero point of ${operator.name} is no constant.`);
		}
		const values = Float32Array.from(data);
		forEachRun(layout, (channel, start) => {
			for (let index = start; index < start + layout.inner; index++) {
				values[index] = (data[index] - (zero ? zero[channel] : 0)) * scale[channel];
			}
		});
		return values;
	}

	/** Returns scale and alpha of each row of a quantized weight, shape (channels); undefined if it is no constant. */
	async #rowScale(
		{ scope, kind, alpha }: LinearOperator,
		{ scale, scalesOutput }: Quantization,
		{ channels, dims }: { readonly channels: number; readonly dims: readonly number[] },
	): Promise<Float64Array | undefined> {
		const behind = scalesOutput && kind === 'Conv' ? dims.length - 2 : 0;
		const scales = await this.perChannel(scope, scale, channels, { behind });
		return alpha === 1 ? scales : scales?.map((value) => value * alpha);
	}

	async #bias(
		operator: LinearOperator,
		{ channels, dims }: { readonly channels: number; readonly dims: readonly number[] },
	): Promise<Float64Array | undefined> {
		const { scope, beta, quantization } = operator;
		const bias = await this.perChannel(scope, operator.bias, channels);
		if (!quantization?.inputScale) {
			return beta === 1 ? bias : bias?.map((value) => value * beta);
		}
		const step = await this.#rowScale(operator, quantization, { channels, dims });
		const input = await this.perChannel(scope, quantization.inputScale, channels);
		return step && input && bias?.map((value, channel) => value * step[channel] * input[channel]);
	}

	/** Returns the error of a computed bias. */
	async #biasSlack({ scope, bias, beta }: LinearOperator, channels: number): Promise<Pick<LinearWeights, 'biasSlack'>> {
		const error = bias === '' || recordOf(scope, bias) ? undefined : (await this.#tensor(scope, bias))?.error;
		const each = error?.length === 1 ? new Float64Array(channels).fill(error[0]) : error;
		return each ? { biasSlack: each.map((value) => value * Math.abs(beta)) } : {};
	}

	/** Returns the steps that the operator's own inputs or the DequantizeLinear nodes in front of it state. */
	async #grid(
		operator: LinearOperator,
		weights: { readonly channels: number } & RowValues,
	): Promise<QuantizationGrid | undefined> {
		const { scope, weight, bias, quantization } = operator;
		const { channels } = weights;
		if (quantization) {
			const { inputScale } = quantization;
			const step = (await this.#rowScale(operator, quantization, weights))?.map(Math.abs);
			const input = inputScale === '' ? undefined : await this.perChannel(scope, inputScale, channels);
			const ofWeight = step && withoutEmptySteps(step, weights);
			return ofWeight && { weight: ofWeight, ...(input && int32Bias(step.map((s, row) => Math.abs(s * input[row])))) };
		}
		const ofWeight = await this.steps(scope, weight, weights);
		const ofBias = await this.#steps(scope, bias, { dims: [channels], layout: alongAxis([channels], 0) });
		const grid = ofBias && (isInt32(scope, bias) ? int32Bias(ofBias) : { bias: ofBias });
		return ofWeight || grid ? { ...(ofWeight && { weight: ofWeight }), ...grid } : undefined;
	}

	/**
	 * Returns the step of each row of a constant behind DequantizeLinear, shape (rows); undefined for other constants.
	 * @param rows the constant's values
	 */
	async steps(scope: Scope, name: string, rows: RowValues): Promise<Float64Array | undefined> {
		const steps = await this.#steps(scope, name, rows);
		return steps && withoutEmptySteps(steps, rows);
	}

	/** Returns the stated scale of each row. If blocks of a row have scales, returns the row's largest. */
	async #steps(scope: Scope, name: string, { layout, dims }: RowShape): Promise<Float64Array | undefined> {
		const found = dequantizer(scope, name, HANDS_ON_ROUNDED);
		const scale = found && (await this.#tensor(found.scope, found.scale));
		return scale && rowSteps(scale, { dims, layout, ...scaleLayout(found) }, await this.#codes(found));
	}

	/** Reads the codes of a constant in few bits on a symmetric grid; undefined for other constants. */
	async #codes({ scope, node, integers }: Dequantizer): Promise<Codes | undefined> {
		const record = recordOf(scope, integers);
		const isNarrow = record && elementBits(record.dataType) <= FEW_BITS;
		const range = isNarrow ? integerRange(typeName(record.dataType)) : undefined;
		if (!record || !range) {
			return undefined;
		}
		const [, , zero = ''] = node.inputs;
		const middle = (range[0] + range[1] + 1) / 2;
		const zeros = zero === '' ? [0] : (await this.#tensor(scope, zero))?.data;
		const isSymmetric = zeros !== undefined && Array.from(zeros).every((value) => value === middle);
		return isSymmetric ? { data: (await readTensor(record, this.#access)).data, range } : undefined;
	}

	/** Dequantizes a constant of the file itself, because an expression may have a few million elements only. */
	async #dequantized(scope: Scope, name: string, depth: number): Promise<Tensor | undefined> {
		const found = depth < MAX_QUANTIZED_SCALES ? dequantizer(scope, name) : undefined;
		const record = found && recordOf(found.scope, found.integers);
		if (!found || !record) {
			return undefined;
		}
		const scale = await this.#tensor(found.scope, found.scale, depth + 1);
		if (!scale) {
			return undefined;
		}
		const [, , zero = ''] = found.node.inputs;
		const zeroPoint = zero === '' ? undefined : await this.#tensor(found.scope, zero, depth + 1);
		const x = await readTensor(record, this.#access);
		return zero !== '' && !zeroPoint ? undefined : dequantized({ x, scale, zeroPoint, ...scaleLayout(found) });
	}

	/** @param depth number of quantized scales between the operator's constant and this one */
	async #tensor(scope: Scope, name: string, depth = 0): Promise<Tensor | undefined> {
		const record = recordOf(scope, name);
		return record
			? readTensor(record, this.#access)
			: ((await this.#dequantized(scope, name, depth)) ?? (await this.#expression(scope, name)).tensor ?? undefined);
	}

	/** Returns the shape of an expression; undefined if it is not constant. Evaluates the expression once. */
	async #expressionDims(scope: Scope, name: string): Promise<readonly number[] | undefined> {
		const key = keyOf(scope, name);
		if (!this.#expressionShapes.has(key)) {
			this.#expressionShapes.set(key, (await this.#expression(scope, name)).tensor?.dims);
		}
		return this.#expressionShapes.get(key);
	}

	/**
	 * Creates a resolver for each expression, because its limits are meant for the small parameters of a whole model. The
	 * budget covers them all.
	 */
	#expression(scope: Scope, name: string): Promise<Constant> {
		return this.#expressions.get(keyOf(scope, name), () =>
			new ConstantResolver(this.#access, this.#budget).resolve(scope, name),
		);
	}
}

function keyOf(scope: Scope, name: string): string {
	return `${scope.key}\0${name}`;
}

/** Returns the largest error of each row of a computed weight. */
function weightSlack(
	{ alpha, quantization }: LinearOperator,
	{ error }: Tensor,
	layout: ChannelLayout,
): Pick<LinearWeights, 'weightSlack'> {
	if (!error || quantization) {
		return {};
	}
	const slack = new Float64Array(channelCount(layout));
	forEachRun(layout, (row, start) => {
		for (let index = start; index < start + layout.inner; index++) {
			slack[row] = Math.max(slack[row], error[index] * Math.abs(alpha));
		}
	});
	return { weightSlack: slack };
}

function scaleLayout({ scope, node }: Dequantizer): ScaleLayout {
	return { axis: scope.attribute(node, 'axis')?.i ?? 1, blockSize: scope.attribute(node, 'block_size')?.i ?? 0 };
}

/** True for int32 behind DequantizeLinear. */
function isInt32(scope: Scope, name: string): boolean {
	const node = dequantizer(scope, name, HANDS_ON_ROUNDED);
	const record = node && recordOf(node.scope, node.integers);
	return record !== undefined && typeName(record.dataType) === 'int32';
}

/** True for a tensor of a checkpoint. */
function isDeferred(scope: Scope, name: string): boolean {
	return recordOf(scope, name)?.storage.kind === 'deferred';
}

/** Returns the message of the error that a broken tensor caused. @throws whatever is not about a tensor */
function sentenceOf(error: unknown): string {
	if (error instanceof OnnxError) {
		return error.message;
	}
	throw error;
}
