import type { BatchNormLayer } from '../batchnorm/layer.js';
import type { ComparedFiles } from '../folding/compare/compare.js';
import { foldTolerance } from '../folding/operators/expected.js';
import { layerParameters } from '../folding/operators/layer-parameters.js';
import { type ChannelLayout, channelCount, forEachRun, rowLength } from '../folding/operators/layout.js';
import { hasOwnBias, isQuantized, type LinearOperator } from '../folding/operators/linear.js';
import type { OperatorWeights } from '../folding/operators/weights.js';
import type { OperatorPair } from '../folding/pairing/pairing.js';
import { foldBack, isRepresentable } from '../folding/rewrite/fold-model.js';
import { GraphEditor } from '../folding/rewrite/graph-editor.js';
import { extendedLayers } from '../folding/targets/layers-behind.js';
import { withLayers } from '../folding/targets/target.js';
import { roundTo } from '../numbers/float-formats.js';
import { isConstant } from '../onnx/graph/constants.js';
import type { Node } from '../onnx/model.js';
import type { ByteSource } from '../onnx/source.js';
import type { Edit } from '../onnx/write/edit.js';
import { CAUSES } from '../report/causes.js';
import type { LayerComparison } from '../report/comparison.js';
import type { RepairedPart, UnrepairedPart } from '../report/repair-result.js';
import { failure, type Result, success } from '../result.js';

/** The changes to a deployed model that put its wrong folds right. */
export interface FoldRepairPlan {
	/** Edits of the deployed file. */
	readonly edits: readonly Edit[];
	readonly repaired: readonly RepairedPart[];
	readonly unrepaired: readonly UnrepairedPart[];
}

/**
 * Plans the repair of every layer that the comparison of the files calls a mismatch. The right values are computed from
 * the original in float64 and rounded once to the deployed type. Elements within rounding of the right value keep their
 * bytes.
 * @param excluded reasons to leave layers as they are, by their names
 * @throws {OnnxError} when a file cannot be read any more.
 */
export async function planFoldRepair(
	{ comparison, models }: Pick<ComparedFiles, 'comparison' | 'models'>,
	source: ByteSource,
	excluded: ReadonlyMap<string, string> = new Map(),
): Promise<FoldRepairPlan> {
	const editor = new GraphEditor(models.deployed.model, source);
	const repaired: RepairedPart[] = [];
	const unrepaired: UnrepairedPart[] = [];
	const done = new Map<LinearOperator, Result<string>>();
	for (const [index, compared] of comparison.layers.entries()) {
		if (compared.status === 'match' || compared.status === 'kept') {
			continue;
		}
		const layer = models.original.layers[index];
		const reason = excluded.get(layer.name);
		const outcome =
			reason === undefined ? await repairLayer({ layer, compared, models, editor, done }) : failure(reason);
		const part = { name: layer.name, op: compared.into?.op ?? 'BatchNormalization' };
		if (outcome.ok) {
			const cause = compared.cause ? CAUSES[compared.cause].title : 'another value';
			repaired.push({ ...part, change: `${outcome.value} (was: ${cause})` });
		} else {
			unrepaired.push({ ...part, reason: outcome.reason });
		}
	}
	return { edits: repaired.length > 0 ? await editor.finish() : [], repaired, unrepaired };
}

interface LayerRepair extends Pick<ComparedFiles, 'models'> {
	readonly layer: BatchNormLayer;
	readonly compared: LayerComparison;
	readonly editor: GraphEditor;
	/** Outcome of each deployed operator that was handled, because several layers may fold into one. */
	readonly done: Map<LinearOperator, Result<string>>;
}

/** Returns the change as a clause, or the reason why there is none. */
async function repairLayer(request: LayerRepair): Promise<Result<string>> {
	const { layer, compared, models, done } = request;
	if (compared.status !== 'mismatch') {
		return failure('no operator of the deployed model shows what became of it');
	}
	if (models.kept.has(layer)) {
		return failure('it is still a layer of the deployed model, or the operator in front of it was changed');
	}
	const target = models.original.targets.get(layer);
	const pair = target && models.pairing.byOriginal.get(target.operator);
	if (!pair) {
		return failure('it does not fold into an operator in front of it');
	}
	const known = done.get(pair.deployed);
	const outcome = known ?? (await repairOperator(request, pair));
	done.set(pair.deployed, outcome);
	return outcome;
}

async function repairOperator({ compared, models, editor }: LayerRepair, pair: OperatorPair): Promise<Result<string>> {
	const { deployed: operator } = pair;
	if (isQuantized(operator)) {
		return failure('the deployed weight is quantized or computed, and is not quantized again here');
	}
	if (!operator.scope.graph.spans) {
		return failure('the deployed operator stands in a function, which other calls share');
	}
	const found = await models.deployed.weights.read(operator);
	const right = await rightWeights(models, pair);
	if (!found.ok || !right.ok) {
		return found.ok ? (right as Result<never>) : failure(found.reason);
	}
	const weight = rearranged(right.value, found.value.layout);
	if (!weight) {
		return failure('the deployed weight has another form than that of the original');
	}
	const wanted = { ...found.value, weight, bias: right.value.bias };
	if (!isRepresentable(operator, wanted)) {
		return failure(`a right value is too large for ${found.value.stored}`);
	}
	return write(editor, operator, { found: found.value, wanted, compared });
}

/** Returns the original operator's constants with all layers folded in that the deployed model lacks. */
async function rightWeights(
	{ original, kept }: ComparedFiles['models'],
	pair: OperatorPair,
): Promise<Result<OperatorWeights>> {
	const read = await original.weights.read(pair.original);
	let weights = read.ok ? read.value : undefined;
	if (!weights) {
		return read;
	}
	for (const layer of original.layers) {
		const whole = original.targets.get(layer);
		if (whole?.operator !== pair.original || kept.has(layer)) {
			continue;
		}
		const parameters = layerParameters(layer);
		if (!parameters.ok) {
			return parameters;
		}
		if ((await extendedLayers(layer, parameters.value, original.weights)).length > 0) {
			return failure('constants behind the layer may have gone into the operator, too');
		}
		weights = foldBack(
			weights,
			withLayers(whole, (earlier) => !kept.has(earlier)),
			parameters.value,
		);
	}
	return success(weights);
}

/** Returns weights in another layout with rows of the same length; undefined if there is no such layout. */
function rearranged({ weight, layout: from }: OperatorWeights, to: ChannelLayout): Float64Array | undefined {
	if (channelCount(from) !== channelCount(to) || rowLength(from) !== rowLength(to)) {
		return undefined;
	}
	const length = rowLength(from);
	const rows = new Float64Array(weight.length);
	const filled = new Int32Array(channelCount(from));
	forEachRun(from, (row, start) => {
		for (let index = start; index < start + from.inner; index++) {
			rows[row * length + filled[row]++] = weight[index];
		}
	});
	filled.fill(0);
	const result = new Float64Array(weight.length);
	forEachRun(to, (row, start) => {
		for (let index = start; index < start + to.inner; index++) {
			result[index] = rows[row * length + filled[row]++];
		}
	});
	return result;
}

interface Change {
	/** Constants as they are, and as they should be, in the deployed layout; Gemm's factors multiplied in. */
	readonly found: OperatorWeights;
	readonly wanted: OperatorWeights;
	readonly compared: LayerComparison;
}

/** Writes the wrong constants. Returns the change as a clause. */
function write(editor: GraphEditor, operator: LinearOperator, { found, wanted, compared }: Change): Result<string> {
	const { scope, node, alpha, beta } = operator;
	const { stored: dtype, dims } = found;
	const weight = correct(found.weight, wanted.weight, found);
	const before = found.bias ?? new Float64Array(channelCount(found.layout));
	const { biasError, biasBound } = compared.perChannel;
	const isBiasRight =
		biasBound !== undefined &&
		biasError.length > 0 &&
		Array.from(biasError).every((error, row) => Math.abs(Number(error)) <= Number(biasBound[row]));
	const bias = isBiasRight ? undefined : (wanted.bias ?? new Float64Array(before.length));
	if (bias) {
		const place = biasPlace(operator);
		if (place === undefined) {
			return failure('its bias is added in a form that is not rewritten');
		}
		const tensor = { dims: [bias.length], dtype, values: bias };
		if (place === 'operator') {
			editor.setInput(scope, node, 2, { ...tensor, values: bias.map((value) => value / beta) });
		} else if (place === 'behind') {
			const shape = operator.kind === 'MatMul' ? [bias.length] : [bias.length, ...dims.slice(2).map(() => 1)];
			editor.addBehind(
				scope,
				node,
				editor.addConstant(scope, `${operator.output}_bias`, { ...tensor, dims: shape }, node),
			);
		} else {
			const constant = scope.graph.initializers.get(place.node.inputs[place.input] ?? '');
			if (constant && constant.dims.reduce((a, b) => a * b, 1) !== bias.length) {
				return failure('its bias is one value for all channels');
			}
			editor.setInput(scope, place.node, place.input, { ...tensor, dims: constant?.dims ?? tensor.dims });
		}
	}
	if (weight) {
		editor.setInput(scope, node, 1, { dims, dtype, values: weight.map((value) => value / alpha) });
	}
	const words = [weight ? 'weight' : '', bias ? 'bias' : ''].filter((word) => word !== '');
	return words.length > 0
		? success(`${words.join(' and ')} of ${operator.name} corrected`)
		: failure('its weight and bias are right by themselves');
}

/** Returns the weights with every wrong element replaced; undefined if all are within rounding. */
function correct(
	found: ArrayLike<number>,
	wanted: ArrayLike<number>,
	{ stored }: OperatorWeights,
): Float64Array | undefined {
	const { weightRelative, weightAbsolute } = foldTolerance(stored);
	let isWrong = false;
	const result = Float64Array.from(found, (value, index) => {
		const right = roundTo(wanted[index], stored);
		const isRight = Math.abs(value - right) <= weightRelative * Math.abs(right) + weightAbsolute;
		isWrong ||= !isRight;
		return isRight ? value : right;
	});
	return isWrong ? result : undefined;
}

type BiasPlace = 'operator' | 'behind' | { readonly node: Node; readonly input: number } | undefined;

/** Returns the place of an operator's bias: its own input, the constant of the Add behind it, or a new Add. */
function biasPlace(operator: LinearOperator): BiasPlace {
	const { scope, bias, output } = operator;
	const [next, ...others] = scope.consumers(output);
	const isAdded = bias === '' && next?.opType === 'Add' && next.domain === '' && others.length === 0;
	const input = isAdded && !scope.isOutput(output) ? next.inputs.findIndex((name) => isConstant(scope, name)) : -1;
	if (next && input >= 0) {
		return { node: next, input };
	}
	if (hasOwnBias(operator)) {
		return 'operator';
	}
	return operator.kind === 'MatMul' ? 'behind' : undefined;
}
