/** Runs generated cases through the comparison and counts what it says. */
import { compareModels } from '../../src/core/folding/compare/compare.js';
import type { Comparison, LayerComparison } from '../../src/core/report/comparison/comparison.js';
import { type Random, seededRandom } from '../../src/engine/child/tensors/random.js';
import { type OpenModel, openBytes } from '../unit/support/open.js';
import { type FaultSet, foldWith, isIdentifiable, kindsOf, LEAST_ROWS } from './cases.js';
import type { Fault } from './faults.js';
import { type LayerWishes, OPERATORS, type OperatorKind, type RandomLayer, randomLayer } from './layers.js';
import { buildPair, type PairedLayer } from './pair.js';
import { deployedWith, type RealLayer } from './real-networks.js';

export interface Outcome {
	readonly set: FaultSet;
	readonly seed: number;
	readonly kind: OperatorKind;
	/** Could anyone tell the faults from the result? */
	readonly identifiable: boolean;
	/** The faulty layer, and no other, is not a plain match. */
	readonly isLayerFound: boolean;
	readonly status: string;
	/** What the comparison named: all causes in alphabetical order, "none" where it found nothing. */
	readonly named: string;
	readonly expected: string;
	readonly confidence: number;
	readonly layer: LayerComparison;
}

const LAYERS = 3;
/** Share of the cases in which a real network has the wrong layer, where one has a layer that fits. */
const REAL = 0.5;

/** What is compared, and where the wrongly folded layer is. */
interface Case {
	readonly faulty: RandomLayer;
	readonly at: number;
	readonly original: OpenModel;
	readonly deployed: OpenModel;
}

/** One network in which one layer is folded with the faults. `real`: layers of real networks to draw from. */
export async function runCase(set: FaultSet, seed: number, real: readonly RealLayer[] = []): Promise<Outcome> {
	const random = seededRandom(seed);
	const fitting = real.filter(({ layer }) => canHave(layer, set.faults));
	const chosen = fitting[Math.floor(random.uniform() * fitting.length)];
	const { faulty, at, original, deployed } =
		chosen && random.uniform() < REAL ? await realCase(set, seed, chosen) : await randomCase(set, seed, random);
	const comparison = await compareModels(
		{ model: original.model, access: { source: original.source } },
		{ model: deployed.model, access: { source: deployed.source } },
	);
	return {
		set,
		seed,
		kind: faulty.kind,
		...judge(comparison, at, set),
		identifiable: set.damage !== undefined || isIdentifiable(faulty, set, seed),
	};
}

async function realCase(set: FaultSet, seed: number, chosen: RealLayer): Promise<Case> {
	const deployed = await openBytes(deployedWith(chosen, foldWith(chosen.layer, set, seed)));
	return { faulty: chosen.layer, at: chosen.index, original: chosen.original, deployed };
}

/** Three random layers one behind the other. */
async function randomCase(set: FaultSet, seed: number, random: Random): Promise<Case> {
	const at = Math.floor(random.uniform() * LAYERS);
	const faulty = drawLayer(set.faults, random);
	const family = FAMILIES.find((kinds) => kinds.includes(faulty.kind));
	const layers = Array.from({ length: LAYERS }, (_, index) => (index === at ? faulty : drawLayer([], random, family)));
	const hasGemmBeta = isGemmBeta(set.faults);
	const isHalf = set.faults.some(({ code }) => code === 'rounding-fp16') && random.uniform() < 0.3;
	const paired = layers.map((layer, index): PairedLayer => {
		const isFaulty = index === at;
		const folded = foldWith(layer, isFaulty ? set : { faults: [] }, seed);
		return { layer, folded, hasGemmBeta: isFaulty && hasGemmBeta, isHalf: isFaulty && isHalf };
	});
	const [original, deployed] = await Promise.all(buildPair(paired, random).map(openBytes));
	return { faulty, at, original, deployed };
}

/** Operators that can stand one behind the other. */
export const FAMILIES: readonly (readonly OperatorKind[])[] = [
	['Conv', 'DepthwiseConv', 'GroupedConv', 'ConvTranspose', 'GroupedConvTranspose'],
	['Conv1d'],
	['Gemm', 'GemmTransposed', 'MatMul'],
];

/** No Gemm of the real networks has a beta. */
export const isGemmBeta = (faults: readonly Fault[]): boolean =>
	faults.some(({ code }) => code === 'gemm-beta-reapplied');

const wishesOf = (faults: readonly Fault[]): LayerWishes =>
	Object.assign({}, ...faults.map((fault) => fault.wishes ?? {}));

function canHave({ kind, bias, dims, gamma, variance, epsilon }: RandomLayer, faults: readonly Fault[]): boolean {
	const wishes = wishesOf(faults);
	const hasShape = kindsOf(faults).includes(kind) && !(wishes.square && dims[0] !== dims[1]);
	const isShown =
		!(wishes.bias && !bias) &&
		!(wishes.negativeGammas && gamma.filter((value) => value < 0).length < LEAST_ROWS) &&
		!(wishes.smallVariances && variance.filter((value) => value < epsilon).length < LEAST_ROWS);
	return hasShape && isShown && !isGemmBeta(faults);
}

export function drawLayer(
	faults: readonly Fault[],
	random: Random,
	family: readonly OperatorKind[] = OPERATORS,
	from?: number,
): RandomLayer {
	const kinds = kindsOf(faults).filter((kind) => family.includes(kind));
	const kind = kinds[Math.floor(random.uniform() * kinds.length)];
	const inputs = from ?? 8 * (1 + Math.floor(random.uniform() * 4));
	return randomLayer(random, inputs, { ...wishesOf(faults), kind });
}

export function judge({ layers }: Comparison, at: number, set: FaultSet) {
	const layer = layers[at];
	const { status, causes, confidence } = layer;
	const codes = set.faults.map(({ code }) => code).sort();
	const isOnlyRounded = set.faults.length === 1 && set.faults[0].parts.includes('rounding');
	const areOthersRight = layers.every(
		({ status, cause }, index) => index === at || ((status === 'match' || status === 'kept') && cause === null),
	);
	return {
		status,
		named: [...causes].sort().join(' + ') || 'none',
		expected: set.damage ? 'unknown' : codes.join(' + '),
		isLayerFound: areOthersRight && status === (isOnlyRounded ? 'match' : 'mismatch'),
		confidence,
		layer,
	};
}
