import type { BatchNormLayer } from '../../batchnorm/layer.js';
import { FLOAT_FORMATS, type FloatFormat, type FloatType, isFloatType } from '../../numbers/float-formats.js';
import { isConstant } from '../../onnx/graph/constants.js';
import { Scope } from '../../onnx/graph/scope.js';
import type { Node, Tensor } from '../../onnx/model.js';
import { typeName } from '../../onnx/types.js';
import type { LayerComparison } from '../../report/comparison/comparison.js';
import type { RegionDifference } from '../affine/region-record.js';
import { ROUNDED_STEPS } from '../operators/expected.js';
import { alongAxis } from '../operators/layout.js';
import { dequantizer, type LinearOperator } from '../operators/linear.js';
import type { MatchedNetworks } from '../pairing/partners.js';
import { layerNodes } from '../targets/layer-nodes.js';
import type { Network } from '../targets/network.js';
import { Upstream } from '../targets/upstream.js';
import { hasSameConstants, RowDeviations } from './plain-operators.js';

/** Roundings that copying a constant may cost. */
const ROUNDINGS = 8;

/** Functions whose constants stay where they are, whatever happens to the operators behind them. */
const FUNCTIONS: ReadonlySet<string> = new Set(['PRelu', 'Min', 'Max', 'Clip', 'Pow']);
/** Arithmetic whose constants a tool may move into an operator on either side. */
const ARITHMETIC: ReadonlySet<string> = new Set(['Mul', 'Div', 'Add', 'Sub']);
/** Functions with numbers in attributes -> their names and defaults. */
const ATTRIBUTES: ReadonlyMap<string, Readonly<Record<string, number>>> = new Map([
	['LeakyRelu', { alpha: 0.01 }],
	['Elu', { alpha: 1 }],
	['Celu', { alpha: 1 }],
	['ThresholdedRelu', { alpha: 1 }],
	['HardSigmoid', { alpha: 0.2, beta: 0.5 }],
]);

/** Linear operator or layer of a model that both models have. */
export type Landmark = LinearOperator | BatchNormLayer;

/** A node with constants, and the landmarks next to it. */
export interface FunctionNode {
	readonly node: Node;
	/** Names of its constant inputs, in order. */
	readonly constants: readonly string[];
	readonly before: ReadonlySet<Landmark>;
	/** Outputs of the model by their position. */
	readonly after: ReadonlySet<Landmark | string>;
}

/**
 * Compares the constants of functions between linear operators: the slopes of a PRelu, the bounds of a Clip, the factor of
 * a LayerScale. Counts only functions behind operators that have their original channels, in their original order. The
 * factors and terms of arithmetic count only if the operators on both sides are the original's. Runs no model.
 * @param layers verdicts on the layers, by layer index
 */
export async function compareFunctionConstants(
	models: MatchedNetworks,
	layers: readonly LayerComparison[],
): Promise<RegionDifference[]> {
	const { original, deployed, pairing, kept } = models;
	const originals = functionNodes(original, new Set(kept.keys()));
	const candidates = originals.length > 0 ? functionNodes(deployed, new Set(kept.values())) : [];
	const partnerOf = (landmark: Landmark | string): Landmark | string | undefined =>
		typeof landmark === 'string'
			? landmark
			: 'channels' in landmark
				? kept.get(landmark)
				: pairing.byOriginal.get(landmark)?.deployed;
	const partners = pairFunctions(originals, candidates, partnerOf);
	const isProven = provenLandmarks(models, layers);
	const differences: RegionDifference[] = [];
	for (const [candidate, partner] of partners) {
		const difference = await differenceOf(candidate, partner, { original, deployed });
		if (!difference) {
			continue;
		}
		const neighbors = ARITHMETIC.has(candidate.node.opType)
			? [...candidate.before, ...candidate.after]
			: [...candidate.before];
		const areProven = await Promise.all(neighbors.map((each) => typeof each === 'string' || isProven(each)));
		if (areProven.every(Boolean)) {
			differences.push({ original: [candidate.node], deployed: [partner.node], isCertain: true, ...difference });
		}
	}
	return differences;
}

/** Returns a function that tells if a landmark has its original constants and its channels in the original order. */
export function provenLandmarks(models: MatchedNetworks, layers: readonly LayerComparison[]) {
	const { original, pairing, kept } = models;
	const behind = new Map<LinearOperator, boolean>();
	const byLayer = new Map<BatchNormLayer, boolean>();
	for (const [index, layer] of original.layers.entries()) {
		const { status, maxAbs } = layers[index];
		const hasArrived = (status === 'match' || status === 'kept') && maxAbs !== null;
		byLayer.set(layer, hasArrived);
		const operator = original.targets.get(layer)?.operator ?? original.forwards.get(layer)?.operator;
		if (operator && !kept.has(layer)) {
			behind.set(operator, (behind.get(operator) ?? true) && hasArrived);
		}
	}
	return async (landmark: Landmark): Promise<boolean> => {
		if ('channels' in landmark) {
			return byLayer.get(landmark) ?? false;
		}
		const pair = pairing.byOriginal.get(landmark);
		return behind.get(landmark) ?? (pair !== undefined && (await hasSameConstants(models, pair)));
	};
}

/**
 * Pairs the functions of one kind at the same place, in graph order. Leaves out places where one of the models has more of
 * them.
 */
function pairFunctions(
	originals: readonly FunctionNode[],
	candidates: readonly FunctionNode[],
	partnerOf: (landmark: Landmark | string) => Landmark | string | undefined,
): ReadonlyMap<FunctionNode, FunctionNode> {
	const ids = new Map<unknown, number>();
	const idOf = (landmark: unknown): number => {
		const id = ids.get(landmark) ?? ids.size;
		ids.set(landmark, id);
		return id;
	};
	const keyOf = ({ node, constants, before, after }: FunctionNode, map: (landmark: Landmark | string) => unknown) => {
		const sides = [before, after].map((landmarks) => Array.from<Landmark | string, unknown>(landmarks, map));
		const isKnown = sides.every((side) => !side.includes(undefined));
		const places = sides.map((side) =>
			side
				.map(idOf)
				.sort((a, b) => a - b)
				.join(),
		);
		return isKnown ? [node.opType, constants.length, ...places].join('\0') : undefined;
	};
	const groups = new Map<string, FunctionNode[]>();
	for (const candidate of candidates) {
		const key = keyOf(candidate, (landmark) => landmark) ?? '';
		groups.set(key, [...(groups.get(key) ?? []), candidate]);
	}
	const own = new Map<string, FunctionNode[]>();
	for (const original of originals) {
		const key = keyOf(original, partnerOf);
		if (key !== undefined) {
			own.set(key, [...(own.get(key) ?? []), original]);
		}
	}
	return new Map(
		[...own].flatMap(([key, functions]) => {
			const others = groups.get(key) ?? [];
			return functions.length === others.length ? functions.map((each, at) => [each, others[at]] as const) : [];
		}),
	);
}

const isSameSet = (a: ReadonlySet<unknown>, b: ReadonlySet<unknown>): boolean =>
	a.size === b.size && [...a].every((each) => b.has(each));

/** Returns the functions of the main graph with constants, in graph order. @param stayed layers that are landmarks */
export function functionNodes(
	{ model, operators, layers, targets }: Network,
	stayed: ReadonlySet<BatchNormLayer>,
): readonly FunctionNode[] {
	const scope = Scope.ofModel(model);
	const landmarks = new Map<Node, Landmark>();
	for (const operator of operators.filter((each) => each.scope.depth === 0)) {
		landmarks.set(operator.node, operator);
		landmarks.set(operator.last, operator);
	}
	const others = new Set<Node>(landmarks.keys());
	for (const layer of layers.filter(({ graphPath }) => graphPath === '')) {
		for (const node of [...layerNodes(layer), ...(targets.get(layer)?.path ?? []).map((place) => place.node)]) {
			others.add(node);
		}
		if (stayed.has(layer)) {
			landmarks.set(layer.node, layer);
		}
	}
	const upstream = new Upstream<Landmark>(({ node }) => landmarks.get(node));
	const outputs = new Map(model.graph.outputs.map(({ name }, index) => [name, String(index)]));
	return model.graph.nodes.flatMap((node): FunctionNode[] => {
		const { opType, inputs } = node;
		const constants = inputs.filter((name) => name !== '' && isConstant(scope, name));
		const isFunction =
			node.domain === '' &&
			!others.has(node) &&
			constants.length < inputs.filter((name) => name !== '').length &&
			(ATTRIBUTES.has(opType) || ((FUNCTIONS.has(opType) || ARITHMETIC.has(opType)) && constants.length > 0));
		return isFunction
			? [
					{
						node,
						constants,
						before: upstream.of(scope, inputs),
						after: downstream(scope, node, { landmarks, outputs }),
					},
				]
			: [];
	});
}

/** Returns the landmarks and outputs that a node's result reaches first. */
function downstream(
	scope: Scope,
	{ outputs: from }: Node,
	{
		landmarks,
		outputs,
	}: { readonly landmarks: ReadonlyMap<Node, Landmark>; readonly outputs: ReadonlyMap<string, string> },
): ReadonlySet<Landmark | string> {
	const found = new Set<Landmark | string>();
	const names = new Set(from);
	for (const name of names) {
		const output = outputs.get(name);
		if (output !== undefined) {
			found.add(output);
		}
		for (const reader of scope.consumers(name)) {
			const landmark = landmarks.get(reader);
			if (landmark) {
				found.add(landmark);
			} else {
				for (const next of reader.outputs) {
					names.add(next);
				}
			}
		}
	}
	return found;
}

/** @returns undefined if all constants are equal up to rounding, or cannot be compared one by one */
async function differenceOf(
	a: FunctionNode,
	b: FunctionNode,
	{ original, deployed }: Pick<MatchedNetworks, 'original' | 'deployed'>,
): Promise<Pick<RegionDifference, 'difference' | 'isReordered'> | undefined> {
	const [expected, found] = [await numbersOf(a, original), await numbersOf(b, deployed)];
	if (expected?.length !== found?.length || !expected || !found) {
		return undefined;
	}
	for (const [index, { values, format }] of expected.entries()) {
		const other = found[index];
		const count = Math.max(values.length, other.values.length);
		if ([values, other.values].some(({ length }) => length !== count && length !== 1)) {
			return undefined;
		}
		const errors = new RowDeviations(count);
		for (let row = 0; row < count; row++) {
			const [value, its] = [values, other.values].map((list) => list[list.length === 1 ? 0 : row]);
			const bound = boundOf(value, coarser(format, other.format), other.steps?.[row] ?? 0);
			// Equal infinities differ by NaN.
			if (value !== its && !(Math.abs(its - value) <= bound)) {
				errors.add({ row, part: 'constant', found: its, expected: value, bound });
			}
		}
		const { worst, count: different } = errors;
		if (worst) {
			const isReordered = different > 1 && isSameSet(new Set(Array.from(values)), new Set(Array.from(other.values)));
			const difference = { compared: count, different, rows: errors.rows(), worst };
			return { difference, ...(isReordered && { isReordered }) };
		}
	}
	return undefined;
}

const boundOf = (value: number, { unitRoundoff, tiny }: FloatFormat, step: number): number =>
	ROUNDINGS * unitRoundoff * Math.abs(value) + tiny + ROUNDED_STEPS * step;

const coarser = (a: FloatFormat, b: FloatFormat): FloatFormat => (a.unitRoundoff > b.unitRoundoff ? a : b);

/** Numbers of one constant. */
interface Numbers {
	readonly values: ArrayLike<number>;
	readonly format: FloatFormat;
	/** Steps of its grid, by number; undefined for a constant in float. */
	readonly steps?: ArrayLike<number> | undefined;
}

/** Returns the numbers of each constant, attributes first; undefined if one cannot be read. */
export async function numbersOf(
	{ node, constants }: FunctionNode,
	{ model, weights }: Network,
): Promise<Numbers[] | undefined> {
	const scope = Scope.ofModel(model);
	const numbers: Numbers[] = Object.entries(ATTRIBUTES.get(node.opType) ?? {}).map(([name, fallback]) => {
		return { values: [scope.attribute(node, name)?.f ?? Math.fround(fallback)], format: FLOAT_FORMATS.float32 };
	});
	for (const name of constants) {
		const tensor = await weights.constant(scope, name);
		if (!tensor) {
			return undefined;
		}
		const steps = dequantizer(scope, name) && (await stepsOf(tensor, weights, { scope, name }));
		numbers.push({ values: tensor.data, format: FLOAT_FORMATS[floatOf(tensor)], steps });
	}
	return numbers;
}

function floatOf({ dataType }: Tensor): FloatType {
	const type = typeName(dataType);
	return isFloatType(type) ? type : 'float32';
}

async function stepsOf(
	{ data, dims }: Tensor,
	weights: Network['weights'],
	{ scope, name }: { readonly scope: Scope; readonly name: string },
): Promise<ArrayLike<number> | undefined> {
	const axis = dims.indexOf(data.length);
	const along =
		axis < 0 ? undefined : await weights.steps(scope, name, { values: data, dims, layout: alongAxis(dims, axis) });
	return along ?? new Float64Array(data.length).fill(Number.POSITIVE_INFINITY);
}
