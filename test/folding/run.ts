/** Runs generated cases through the comparison and counts what it says. */
import { compareModels } from '../../src/core/folding/compare.js';
import type { Comparison, LayerComparison } from '../../src/core/report/comparison.js';
import { type Random, seededRandom } from '../../src/engine/child/random.js';
import { openBytes } from '../unit/support/open.js';
import { type FaultSet, foldWith, isIdentifiable, kindsOf } from './cases.js';
import type { Fault } from './faults.js';
import { type LayerWishes, OPERATORS, type OperatorKind, type RandomLayer, randomLayer } from './layers.js';
import { buildPair, type PairedLayer } from './pair.js';

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

/** One network of a few layers in which one is folded with the faults. `real`: layers of real networks to draw from. */
export async function runCase(set: FaultSet, seed: number, real: readonly RandomLayer[] = []): Promise<Outcome> {
	const random = seededRandom(seed);
	const at = Math.floor(random.uniform() * LAYERS);
	const faulty = drawLayer(set.faults, random, real);
	const layers = Array.from({ length: LAYERS }, (_, index) =>
		index === at
			? faulty
			: drawLayer(
					[],
					random,
					real,
					FAMILIES.find((family) => family.includes(faulty.kind)),
				),
	);
	const hasGemmBeta = set.faults.some(({ code }) => code === 'gemm-beta-reapplied');
	const isHalf = set.faults.some(({ code }) => code === 'rounding-fp16') && random.uniform() < 0.3;
	const paired = layers.map((layer, index): PairedLayer => {
		const isFaulty = index === at;
		const folded = foldWith(layer, isFaulty ? set : { faults: [] }, seed);
		return { layer, folded, hasGemmBeta: isFaulty && hasGemmBeta, isHalf: isFaulty && isHalf };
	});
	const [original, deployed] = await Promise.all(buildPair(paired, random).map(openBytes));
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

/** Operators that can stand one behind the other. */
const FAMILIES: readonly (readonly OperatorKind[])[] = [
	['Conv', 'DepthwiseConv', 'GroupedConv', 'ConvTranspose', 'GroupedConvTranspose'],
	['Conv1d'],
	['Gemm', 'GemmTransposed', 'MatMul'],
];

function drawLayer(
	faults: readonly Fault[],
	random: Random,
	real: readonly RandomLayer[],
	family: readonly OperatorKind[] = OPERATORS,
): RandomLayer {
	const kinds = kindsOf(faults).filter((kind) => family.includes(kind));
	const wishes: LayerWishes = Object.assign({}, ...faults.map((fault) => fault.wishes ?? {}));
	const fitting = real.filter(
		({ kind, bias, dims }) =>
			kinds.includes(kind) && !(wishes.bias && !bias) && !(wishes.square && dims[0] !== dims[1]),
	);
	if (fitting.length > 0 && random.uniform() < 0.5) {
		return fitting[Math.floor(random.uniform() * fitting.length)];
	}
	const kind = kinds[Math.floor(random.uniform() * kinds.length)];
	return randomLayer(random, 8 * (1 + Math.floor(random.uniform() * 4)), { ...wishes, kind });
}

function judge({ layers }: Comparison, at: number, set: FaultSet) {
	const layer = layers[at];
	const { status, causes, confidence } = layer;
	const codes = set.faults.map(({ code }) => code).sort();
	const isOnlyRounded = set.faults.length === 1 && set.faults[0].parts.includes('rounding');
	const areOthersRight = layers.every(
		(layer, index) => index === at || (layer.status === 'match' && layer.cause === null),
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
