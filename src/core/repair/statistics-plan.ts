import type { BatchNormLayer, Parameter } from '../batchnorm/layer.js';
import { GraphEditor } from '../folding/rewrite/graph-editor.js';
import { type FloatType, isFloatType, roundTo } from '../numbers/float-formats.js';
import type { NodeInput } from '../onnx/graph/scope.js';
import { isInFunction, supplyOf } from '../onnx/graph/supply.js';
import { formatNumber } from '../text/numbers.js';
import { type InferencePlan, switchToInference, type TrainedModel } from './inference-plan.js';

/** Positions among the inputs of BatchNormalization. */
const [MEAN_INPUT, VARIANCE_INPUT] = [3, 4];

/** New running statistics of a layer; arrays as long as the layer's parameters. */
export interface NewStatistics {
	/** Index in the model's layers. */
	readonly layer: number;
	readonly mean: Float64Array;
	readonly variance: Float64Array;
}

/**
 * Returns the reason, a clause, why a layer's running statistics cannot be written, or undefined. The layer must read
 * constants of the main graph that no other call of a function or run of a body needs.
 */
export function unwritableReason(layer: BatchNormLayer): string | undefined {
	if (layer.kind !== 'batchnorm') {
		return 'it is built of elementary operators, whose constants are not running statistics of their own';
	}
	if (!supplyOfLayer(layer, MEAN_INPUT) || !supplyOfLayer(layer, VARIANCE_INPUT)) {
		return sharedReason(layer);
	}
	for (const [name, parameter] of Object.entries({
		'running mean': layer.mean,
		'running variance': layer.variance,
		gamma: layer.gamma,
		beta: layer.beta,
	})) {
		const reason = unknownReason(name, parameter);
		if (reason !== undefined) {
			return reason;
		}
	}
	const lengths = [layer.gamma, layer.beta, layer.mean, layer.variance].map(({ values }) => values?.length);
	return new Set(lengths).size > 1 ? 'its parameters have different numbers of values' : undefined;
}

/** Returns the reason why a layer in a body or function has no statistics of its own. */
function sharedReason({ scope, node, graphPath }: BatchNormLayer): string {
	const isOfFunction = isInFunction({ scope }) && !supplyOf({ scope, node, input: MEAN_INPUT });
	return isOfFunction
		? `it is inside ${graphPath}, and its statistics belong to the function, not to a call of it`
		: `it is inside ${graphPath}, the body of an If, Loop or Scan, which need not run exactly once for each batch`;
}

/** Returns the input in the main graph that supplies an input of a layer, through the calls of functions around it. */
function supplyOfLayer({ scope, node }: BatchNormLayer, input: number): NodeInput | undefined {
	const supply = supplyOf({ scope, node, input });
	return supply?.scope.depth === 0 ? supply : undefined;
}

function unknownReason(name: string, { values, origin, problem, dtype }: Parameter): string | undefined {
	if (origin.kind === 'graph-input') {
		return `its ${name} is the graph input "${origin.name}", which a caller supplies at run time`;
	}
	if (origin.kind === 'runtime') {
		return `its ${name} is computed at run time by ${origin.operator}`;
	}
	if (values === null) {
		return problem?.replace(/\.$/, '') ?? `the node has no ${name}`;
	}
	return isFloatType(dtype) ? undefined : `its ${name} is of type ${dtype}`;
}

/** Edits that write new running statistics, and the switch to inference that goes with them. */
export type StatisticsPlan = InferencePlan;

/**
 * Plans the edits that write new running statistics in the types of the old statistics, rounded once, and switch the
 * model to inference. A tensor that several nodes read gets a copy; every other byte stays.
 * @param statistics only of layers without {@link unwritableReason}
 * @returns edits, or the reason, a sentence, if a statistic does not fit in its type
 * @throws {OnnxError} `io`
 */
export async function planStatistics(
	model: TrainedModel,
	statistics: readonly NewStatistics[],
): Promise<StatisticsPlan | { readonly reason: string }> {
	const editor = new GraphEditor(model.model, model.access.source, false, 'reestimated');
	for (const { layer: index, mean, variance } of statistics) {
		const layer = model.layers[index];
		for (const [input, parameter, values, words] of [
			[MEAN_INPUT, layer.mean, mean, 'running mean'],
			[VARIANCE_INPUT, layer.variance, variance, 'running variance'],
		] as const) {
			const dtype = parameter.dtype as FloatType;
			const bad = values.findIndex((value) => !Number.isFinite(roundTo(value, dtype)));
			if (bad >= 0) {
				return {
					reason: `${layer.name} cannot take its ${words} ${formatNumber(values[bad])} of channel ${bad}: ${dtype} ends before it.`,
				};
			}
			const supply = supplyOfLayer(layer, input);
			if (supply) {
				editor.setInput(supply.scope, supply.node, supply.input, { dims: dimsOf(parameter), dtype, values });
			}
		}
	}
	const facts = await switchToInference(editor, model);
	return { ...facts, edits: await editor.finish() };
}

const dimsOf = ({ dims, values }: Parameter): readonly number[] => (dims.length > 0 ? dims : [values?.length ?? 0]);
