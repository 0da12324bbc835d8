import { FLOAT_FORMATS } from '../../numbers/float-formats.js';
import { Scope } from '../../onnx/graph/scope.js';
import type { Node } from '../../onnx/model.js';
import type { LayerComparison } from '../../report/comparison/comparison.js';
import type { RegionDifference } from '../affine/region-record.js';
import type { LinearOperator } from '../operators/linear.js';
import type { MatchedNetworks } from '../pairing/partners.js';
import { layerNodes } from '../targets/layer-nodes.js';
import type { Network } from '../targets/network.js';
import { type FunctionNode, functionNodes, type Landmark, numbersOf, provenLandmarks } from './function-constants.js';
import { RowDeviations } from './plain-operators.js';

/** Arithmetic -> constant with which it hands on its input. */
const NEUTRAL: ReadonlyMap<string, number> = new Map([
	['Add', 0],
	['Sub', 0],
	['Mul', 1],
	['Div', 1],
]);
/** Roundings of 1 that a constant may be away from the neutral one. */
const ROUNDINGS = 8;
/** Operators that hand on their input. */
const PASSING: ReadonlySet<string> = new Set(['Identity', 'Dropout']);

/**
 * Finds arithmetic with constants that a deployed model has directly behind a right fold, and the original does not have.
 * Counts only between operators with the original's constants, so that no operator makes up for it, and only where both
 * models go on with the same operators: a function may be written with arithmetic. Runs no model.
 * @param layers verdicts on the layers, by layer index
 */
export async function findAddedArithmetic(
	models: MatchedNetworks,
	layers: readonly LayerComparison[],
): Promise<RegionDifference[]> {
	const { original, deployed, pairing, kept } = models;
	const added = functionNodes(deployed, new Set(kept.values())).filter(({ node }) => NEUTRAL.has(node.opType));
	if (added.length === 0) {
		return [];
	}
	const originals = new Map<Landmark, Landmark>();
	for (const [own, pair] of pairing.byOriginal) {
		originals.set(pair.deployed, own);
	}
	for (const [own, partner] of kept) {
		originals.set(partner, own);
	}
	const arithmetic = functionNodes(original, new Set(kept.keys())).filter(({ node }) => NEUTRAL.has(node.opType));
	const isProven = provenLandmarks(models, layers);
	const followers = { original: new Followers(original), deployed: new Followers(deployed) };
	const differences: RegionDifference[] = [];
	for (const candidate of added) {
		const [landmark, ...others] = candidate.before;
		const own = landmark && originals.get(landmark);
		if (
			!landmark ||
			'channels' in landmark ||
			!own ||
			others.length > 0 ||
			arithmetic.some(({ before }) => before.has(own))
		) {
			continue;
		}
		const isDirect = followers.deployed.isOnlyReader(outputOf(landmark), candidate.node);
		const [expected, found] = [
			followers.original.behind(outputOf(own)),
			followers.deployed.behind(candidate.node.outputs[0]),
		];
		if (!isDirect || expected !== found) {
			continue;
		}
		const difference = await distanceFromNeutral(candidate, deployed);
		const behind = [...candidate.after].filter((each) => typeof each !== 'string');
		const neighbors = [own, ...behind.map((each) => originals.get(each))];
		const areProven = await Promise.all(neighbors.map((each) => each !== undefined && isProven(each)));
		if (difference && areProven.every(Boolean) && (await holdsBias(landmark, own, models, layers))) {
			differences.push({ original: [], deployed: [candidate.node], isCertain: true, isAdded: true, difference });
		}
	}
	return differences;
}

/**
 * True if the bias that was found right for a folded layer is the deployed operator's own. Else it is divided between the
 * operator and the arithmetic behind it.
 * @param own operator of the original
 */
async function holdsBias(
	operator: LinearOperator,
	own: Landmark,
	{ original, deployed }: MatchedNetworks,
	layers: readonly LayerComparison[],
): Promise<boolean> {
	const index = original.layers.findLastIndex((layer) => original.targets.get(layer)?.operator === own);
	const found = layers[index]?.perChannel.foundBias;
	const weights = found && (await deployed.weights.read(operator));
	if (!found || !weights?.ok) {
		return false;
	}
	const { bias } = weights.value;
	return found.every((value, channel) => {
		const stated = bias?.[channel] ?? 0;
		return Math.abs(stated - value) <= ROUNDINGS * FLOAT_FORMATS.float32.unitRoundoff * Math.abs(value);
	});
}

const outputOf = (landmark: Landmark): string =>
	('channels' in landmark ? landmark.node : landmark.last).outputs[0] ?? '';

/** Tells which operators read a tensor of a main graph behind layers. */
class Followers {
	readonly #scope: Scope;
	readonly #outputs: ReadonlySet<string>;
	readonly #passing: ReadonlySet<Node>;

	constructor({ model, layers }: Network) {
		this.#scope = Scope.ofModel(model);
		this.#outputs = new Set(model.graph.outputs.map(({ name }) => name));
		this.#passing = new Set(layers.flatMap(layerNodes));
	}

	/** True if a node alone reads a tensor, which is no output of the model. */
	isOnlyReader(name: string, node: Node): boolean {
		const readers = this.#scope.consumers(name);
		return readers.length === 1 && readers[0] === node && !this.#outputs.has(name);
	}

	/** Returns the types of the operators that read a tensor, behind layers and operators that hand on their input. */
	behind(name: string): string {
		const names = new Set([name]);
		const found: string[] = [];
		for (const at of names) {
			if (this.#outputs.has(at)) {
				found.push('output');
			}
			for (const reader of this.#scope.consumers(at)) {
				if (this.#passing.has(reader) || PASSING.has(reader.opType)) {
					names.add(reader.outputs[0] ?? '');
				} else {
					found.push(reader.opType);
				}
			}
		}
		return found.sort().join();
	}
}

/** @returns undefined if the constant hands on the input, stands in front of the operator, or cannot be read */
async function distanceFromNeutral(
	candidate: FunctionNode,
	deployed: Network,
): Promise<RegionDifference['difference'] | undefined> {
	const { node, constants } = candidate;
	const numbers =
		constants[0] === node.inputs[1] || node.opType === 'Add' || node.opType === 'Mul'
			? await numbersOf(candidate, deployed)
			: undefined;
	if (numbers?.length !== 1) {
		return undefined;
	}
	const [{ values, steps }] = numbers;
	const expected = NEUTRAL.get(node.opType) ?? Number.NaN;
	const errors = new RowDeviations(values.length);
	for (let row = 0; row < values.length; row++) {
		const bound = ROUNDINGS * FLOAT_FORMATS.float32.unitRoundoff + (steps?.[row] ?? 0);
		if (Math.abs(values[row] - expected) > bound) {
			errors.add({ row, part: 'constant', found: values[row], expected, bound });
		}
	}
	const { worst, count: different } = errors;
	return worst && { compared: values.length, different, rows: errors.rows(), worst };
}
