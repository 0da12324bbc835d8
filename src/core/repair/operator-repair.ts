import { roundedCopyPrecision } from '../folding/diagnosis/observed/precision.js';
import { addBiases, type FoldTolerance, foldTolerance, ROUNDED_STEPS } from '../folding/operators/expected.js';
import { channelCount, forEachRun, relayout, rowLength } from '../folding/operators/layout.js';
import { dequantizer, type LinearOperator } from '../folding/operators/linear.js';
import type { OperatorWeights } from '../folding/operators/weights.js';
import type { OperatorPair } from '../folding/pairing/pairing.js';
import type { MatchedNetworks } from '../folding/pairing/partners.js';
import { isRepresentable } from '../folding/rewrite/fold-model.js';
import type { GraphEditor } from '../folding/rewrite/graph-editor.js';
import { addedBehind } from '../folding/targets/added-behind.js';
import { roundTo } from '../numbers/float-formats.js';
import { isInFunction } from '../onnx/graph/supply.js';
import { type CauseCode, ROUNDING_CAUSES } from '../report/causes.js';
import type { LayerComparison } from '../report/comparison/comparison.js';
import { failure, type Result, success } from '../result.js';
import { asClause, count } from '../text/sentences.js';
import { type AddedConstant, addedConstantBehind, type BiasPlace, biasPlace } from './bias-place.js';
import { type ConstantWriter, IN_FUNCTION, type WrittenConstant } from './constant-writer.js';
import { paddedForward, restoreLayer, unrestorableReason } from './restored-layer.js';
import { removedLayers, rightConstants } from './right-constants.js';

/** The parts that write a repair. */
export interface RepairTools {
	readonly models: MatchedNetworks;
	readonly editor: GraphEditor;
	readonly writer: ConstantWriter;
}

/** An operator's constants as they are and as they should be, in the deployed layout; Gemm's factors multiplied in. */
interface Change {
	readonly operator: LinearOperator;
	readonly found: OperatorWeights;
	readonly weight: Float64Array;
	/** The whole bias, shape (rows). */
	readonly bias: Float64Array;
	readonly tolerance: FoldTolerance;
	readonly added: AddedConstant | undefined;
	/** Constant that `added` adds now, shape (rows). */
	readonly addition: Float64Array | null;
	/** Channel of each row behind the operator, shape (rows). */
	readonly rows: Int32Array;
}

/**
 * Corrects the constants of a deployed operator. Elements within rounding of the right value keep their bytes.
 * @param compared errors of the operator's bias as the comparison measured them
 * @returns the change as a clause, or a clause that gives the reason why there is none
 */
export async function repairOperator(
	tools: RepairTools,
	pair: OperatorPair,
	compared: Pick<LayerComparison, 'causes' | 'perChannel'>,
): Promise<Result<string>> {
	const { models } = tools;
	const { deployed: operator } = pair;
	const found = await models.deployed.weights.read(operator);
	if (!found.ok) {
		return failure(asClause(found.reason));
	}
	const restored = paddedForward(models, pair);
	if (restored && isInFunction(operator)) {
		return failure(IN_FUNCTION);
	}
	const obstacle = restored && unrestorableReason(restored, pair);
	if (obstacle !== undefined) {
		return failure(
			`the operator behind it pads its input, so no weights make the fold right at the border, and it is not put back: ${obstacle}`,
		);
	}
	const place = placeOfBias(models, pair);
	const right = await rightConstants(models, pair, place.absorbed);
	if (!right.ok) {
		return failure(asClause(right.reason));
	}
	const { layout, stored } = found.value;
	const from = right.value.layout;
	if (channelCount(from) !== channelCount(layout) || rowLength(from) !== rowLength(layout)) {
		return failure('the deployed weight has another form than that of the original');
	}
	const weight = Float64Array.from(relayout(right.value.weight, from, layout));
	const total = addBiases(right.value.bias, await originalAddition(models, pair));
	const bias = Float64Array.from(total ?? new Float64Array(channelCount(layout)));
	if (!isRepresentable(operator, { ...found.value, weight, bias })) {
		return failure(`a right value is too large for ${stored}`);
	}
	const rows = rowsBehind(models, pair, channelCount(layout));
	const addition = place.added ? await readAddition(models.deployed, operator, rows) : null;
	if (addition === undefined) {
		return failure('its bias is added in a form that is not rewritten');
	}
	const tolerance = right.value.isRoundedCopy
		? roundedCopyPrecision({ source: right.value.stored, stored }, new Float64Array(1).fill(1)).tolerance
		: foldTolerance(stored, stored === 'float64' ? 'float64' : 'float32');
	const change = { operator, found: found.value, weight, bias, tolerance, added: place.added, addition, rows };
	const written = await write(tools, change, !restored && isBiasMeasuredRight(found.value, compared));
	if (!restored || (!written.ok && written.reason !== RIGHT_ALREADY)) {
		return written;
	}
	const added = restoreLayer(tools.editor, restored, pair, stored);
	return success(written.ok ? `${added}, ${written.value}` : added);
}

/** Reason why an operator is not rewritten that has the right constants. */
export const RIGHT_ALREADY = 'its weight and bias are right by themselves';

/** Returns the place of the bias. Without a removed layer an Add of the original counts as its bias, too. */
function placeOfBias(models: MatchedNetworks, { original, deployed }: OperatorPair): BiasPlace {
	const last = removedLayers(models, original).back.at(-1);
	if (last) {
		return biasPlace(deployed, last.scope, last.output);
	}
	return { added: deployed.bias === '' ? addedConstantBehind(deployed) : undefined, absorbed: 0 };
}

/** Returns the constant that the original adds to an operator without a removed layer behind it. */
async function originalAddition(models: MatchedNetworks, { original }: OperatorPair): Promise<Float64Array | null> {
	const weights = await models.original.weights.read(original);
	if (!weights.ok || removedLayers(models, original).back.length > 0) {
		return null;
	}
	const rows = Int32Array.from({ length: channelCount(weights.value.layout) }, (_, row) => row);
	const [addition = null] = await addedBehind(original, rows, models.original.weights);
	return addition?.values ?? null;
}

/** Returns the channel of each output channel of the operator behind it: that of the last removed layer. */
function rowsBehind(models: MatchedNetworks, { original }: OperatorPair, channels: number): Int32Array {
	const last = removedLayers(models, original).back.at(-1);
	return (last && models.original.targets.get(last)?.rows) ?? Int32Array.from({ length: channels }, (_, row) => row);
}

/** Returns the constant that is added behind an operator, shape (rows); undefined if it has another shape. */
async function readAddition(
	{ weights }: MatchedNetworks['deployed'],
	operator: LinearOperator,
	rows: Int32Array,
): Promise<Float64Array | undefined> {
	const [addition] = await addedBehind(operator, rows, weights);
	return addition?.values;
}

/** True if the comparison found the bias right by the rounding of its own type; the bound of a narrower type is wider. */
function isBiasMeasuredRight(
	{ stored, grid }: OperatorWeights,
	{ causes, perChannel: { biasError, biasBound } }: Pick<LayerComparison, 'causes' | 'perChannel'>,
): boolean {
	const isWide = (stored === 'float32' || stored === 'float64') && !grid;
	return (
		isWide &&
		!causes.some((code) => ROUNDINGS.has(code)) &&
		biasBound !== undefined &&
		biasError.length > 0 &&
		Array.from(biasError).every((error, row) => Math.abs(error) <= biasBound[row])
	);
}

const ROUNDINGS: ReadonlySet<CauseCode> = new Set(ROUNDING_CAUSES);

async function write(tools: RepairTools, change: Change, isBiasRight: boolean): Promise<Result<string>> {
	const { operator, found, weight, tolerance } = change;
	const isWeightWrong = isWrong(change);
	let written: WrittenConstant = { rescaled: 0 };
	if (isWeightWrong) {
		const values = found.grid?.weight ? weight : corrected(found.weight, weight, { tolerance, stored: found.stored });
		const wanted = { dims: found.dims, dtype: found.stored, values: values.map((value) => value / operator.alpha) };
		const leastScale = await leastScales(tools, change);
		const result = await tools.writer.writeWeight(operator, wanted, { hasZeroPoints: true, leastScale });
		if (!result.ok) {
			return result;
		}
		written = result.value;
	}
	const isBiasWrong = !isBiasRight || written.rescaled > 0;
	const result = isBiasWrong ? await writeBias(tools, change, written) : success(false);
	if (!result.ok) {
		return result;
	}
	const words = [isWeightWrong ? 'weight' : '', result.value ? 'bias' : ''].filter((word) => word !== '');
	if (words.length === 0) {
		return failure(RIGHT_ALREADY);
	}
	const scales =
		written.rescaled > 0
			? `, with ${count(written.rescaled, 'new scale')} because the stated grid was made for other values`
			: '';
	return success(`${words.join(' and ')} of ${operator.name} corrected${scales}`);
}

/** True if a weight is off by more than rounding and half a quantization step allow. */
function isWrong({ found, weight, tolerance }: Change): boolean {
	const { stored, layout, grid } = found;
	let wrong = false;
	forEachRun(layout, (row, start) => {
		const step = ROUNDED_STEPS * (grid?.weight?.[row] ?? 0);
		for (let index = start; !wrong && index < start + layout.inner; index++) {
			const right = roundTo(weight[index], stored);
			const allowed = tolerance.weightRelative * Math.abs(right) + tolerance.weightAbsolute + step;
			wrong = !(Math.abs(found.weight[index] - right) <= allowed);
		}
	});
	return wrong;
}

/** Replaces every element that is off by more than rounding. */
function corrected(
	found: ArrayLike<number>,
	wanted: Float64Array,
	{ tolerance, stored }: Pick<Change, 'tolerance'> & Pick<OperatorWeights, 'stored'>,
): Float64Array {
	const { weightRelative, weightAbsolute } = tolerance;
	return wanted.map((value, index) => {
		const right = roundTo(value, stored);
		const isRight = Math.abs(found[index] - right) <= weightRelative * Math.abs(right) + weightAbsolute;
		return isRight ? found[index] : right;
	});
}

/** Largest value of an int32 bias. */
const MAX_STEPS = 2 ** 31 - 1;

/** Returns the least scale of each row's weight that lets the bias fit into int32, shape (rows). */
async function leastScales({ models }: RepairTools, change: Change): Promise<Float64Array | undefined> {
	const step = await inputStep(models, change);
	return step && change.bias.map((value, row) => Math.abs(value) / step[row] / MAX_STEPS);
}

/** Returns the scale of the operator's quantized input for each row; undefined for an input in float. */
async function inputStep(
	{ deployed }: MatchedNetworks,
	{ operator, found, bias }: Change,
): Promise<Float64Array | undefined> {
	const { grid } = found;
	if (grid?.bias && grid.weight) {
		const { weight } = grid;
		return grid.bias.map((step, row) => step / weight[row]);
	}
	const input = dequantizer(operator.scope, operator.node.inputs[0] ?? '');
	const scale = input && (await deployed.weights.perChannel(input.scope, input.scale, 1));
	return scale && grid?.weight && new Float64Array(bias.length).fill(scale[0]);
}

/** Writes the bias where it is wrong. The result is false if it was right. */
async function writeBias(tools: RepairTools, change: Change, written: WrittenConstant): Promise<Result<boolean>> {
	const { operator, found, bias, added, addition } = change;
	const { scope, node, beta, quantization, biasInput = 2 } = operator;
	const { editor, writer } = tools;
	const before = addBiases(found.bias, addition) ?? new Float64Array(bias.length);
	const factors = factorsOf(written, bias.length);
	// On a grid with other steps the former rounding no longer counts.
	const isKept = (row: number) => factors[row] === 1 && isBiasWithin(change, before, row);
	const rounded = bias.map((value, row) => (isKept(row) ? before[row] : value));
	if (written.rescaled === 0 && rounded.every((value, row) => value === before[row])) {
		return success(false);
	}
	const dtype = found.stored;
	const spatial = operator.kind === 'Conv' || operator.kind === 'ConvTranspose' ? found.dims.length - 2 : 0;
	if (added) {
		return writeAddition(tools, change, rounded, spatial);
	}
	// A MatMul of the runtime may have a bias of its own.
	const canTakeBias = operator.kind !== 'MatMul' || operator.bias !== '';
	const takesBias = canTakeBias && (quantization === undefined || quantization.inputScale !== '');
	if (!takesBias && quantization?.scalesOutput === false) {
		return failure('it takes no bias, and its output is quantized');
	}
	// The constants of a function are supplied by its calls, and its nodes stay.
	if (isInFunction(operator) && (!takesBias || quantization || operator.bias === '' || beta === 0)) {
		return failure('the function in which it stands gets no bias from its calls');
	}
	if (!takesBias) {
		const dims = [bias.length, ...new Array<number>(spatial).fill(1)];
		const last = scope.producer(operator.output) ?? node;
		const name = editor.addConstant(scope, `${operator.output}_bias`, { dims, dtype, values: rounded }, last);
		editor.addBehind(scope, last, name);
		return success(true);
	}
	if (quantization) {
		const steps = found.grid?.bias?.map((step, row) => step * factors[row]);
		if (!steps) {
			return failure('the scale of its bias is not known');
		}
		const values = rounded.map((value, row) => Math.round(value / steps[row]));
		editor.setInput(scope, node, biasInput, { dims: [bias.length], dtype: 'int32', values });
		return success(true);
	}
	const values = rounded.map((value) => value / (beta || 1));
	if (beta === 0) {
		editor.setFloatAttribute(node, 'beta', 1);
	}
	const steps = operator.bias === '' ? await newBiasSteps(tools, change, factors) : undefined;
	if (steps) {
		insertQuantizedBias(tools, change, steps);
		return success(true);
	}
	const result = await writer.write(
		scope,
		{ node, input: biasInput },
		{ dims: [bias.length], dtype, values },
		{ hasZeroPoints: true, factors },
	);
	return result.ok ? success(true) : result;
}

function isBiasWithin({ found, bias, tolerance }: Change, before: Float64Array, row: number): boolean {
	const right = roundTo(bias[row], found.stored);
	const { biasBeta, biasRelative, biasAbsolute } = tolerance;
	const allowed =
		(biasBeta + biasRelative) * Math.abs(right) + biasAbsolute + ROUNDED_STEPS * (found.grid?.bias?.[row] ?? 0);
	return Math.abs(before[row] - right) <= allowed;
}

/** Returns the factor of each row's weight scale, shape (rows). */
function factorsOf({ factors }: WrittenConstant, rows: number): Float64Array {
	return factors?.length === rows ? factors : new Float64Array(rows).fill(factors?.length === 1 ? factors[0] : 1);
}

/** Writes the constant of the Add or Sub behind an operator. @param spatial number of image axes behind the channels */
async function writeAddition(
	{ writer }: RepairTools,
	{ operator, found, bias, added, rows }: Change,
	values: Float64Array,
	spatial: number,
): Promise<Result<boolean>> {
	if (!added) {
		return success(false);
	}
	const own = values.map((value, row) => added.sign * (value - (found.bias?.[row] ?? 0)));
	const channels = added.isMoved ? rows.reduce((most, channel) => Math.max(most, channel + 1), 0) : bias.length;
	const byChannel = new Float64Array(channels);
	for (const [row, value] of own.entries()) {
		byChannel[added.isMoved ? rows[row] : row] = value;
	}
	if (
		added.isMoved &&
		own.some((value, row) => Math.abs(byChannel[rows[row]] - value) > Math.abs(value) * MAX_SPREAD)
	) {
		return failure('its bias is added in a form that is not rewritten');
	}
	const dims = [channels, ...new Array<number>(spatial).fill(1)];
	const result = await writer.write(operator.scope, added, { dims, dtype: found.stored, values: byChannel });
	return result.ok ? success(true) : result;
}

/** Maximum relative difference that float64 rounding makes between the rows of a channel. */
const MAX_SPREAD = 2 ** -40;

/**
 * Returns the steps of an int32 bias for an operator that lost its bias, shape (rows): scale of the input times scale of the weight.
 * Undefined for an operator in float.
 */
async function newBiasSteps(
	{ models }: RepairTools,
	change: Change,
	factors: Float64Array,
): Promise<Float64Array | undefined> {
	const weight = change.found.grid?.weight;
	const input = await inputStep(models, change);
	return weight && input?.map((step, row) => Math.fround(step * weight[row] * factors[row]));
}

/** Adds an int32 bias behind a DequantizeLinear of its own, as quantizers write it. */
function insertQuantizedBias({ editor }: RepairTools, { operator, bias, found }: Change, steps: Float64Array): void {
	const { scope, node, output } = operator;
	const isPerRow = steps.some((step) => step !== steps[0]);
	const dims = [bias.length];
	const values = bias.map((value, row) => Math.round(value / steps[row]));
	const data = editor.addConstant(scope, `${output}_bias`, { dims, dtype: 'int32', values }, node);
	const scale = isPerRow ? { dims, values: steps } : { dims: [], values: steps.slice(0, 1) };
	const step = editor.addConstant(scope, `${output}_bias_scale`, { ...scale, dtype: found.stored }, node);
	const domain = scope.producer(operator.weight)?.domain ?? '';
	const integers = isPerRow ? { integers: { axis: 0 } } : {};
	editor.insertInput(scope, node, 2, { opType: 'DequantizeLinear', inputs: [data, step], domain, ...integers });
}
