/** Networks in which one layer is folded wrongly, in the forms in which tools store the deployed weights. */
import { seededRandom } from '../../src/engine/child/tensors/random.js';
import { buildModel, type ModelSpec } from '../unit/support/model-builder.js';
import { type Grid, type QuantizedForm, quantized } from '../unit/support/quantized-forms.js';
import { type FaultSet, foldWith } from './cases.js';
import { stateDict } from './checkpoint-case.js';
import type { OperatorKind, RandomLayer } from './layers.js';
import { describePair, type PairedLayer } from './pair.js';
import { drawLayer, FAMILIES, isGemmBeta } from './run.js';

interface FormOfWeights {
	readonly isHalf?: boolean;
	readonly quantized?: readonly [QuantizedForm, Grid];
	/** The original is a state_dict. */
	readonly isCheckpoint?: boolean;
}

export const REPAIR_FORMS = {
	float32: {},
	float16: { isHalf: true },
	checkpoint: { isCheckpoint: true },
	'QDQ per tensor': { quantized: ['qdq', { perChannel: false }] },
	'QDQ per channel': { quantized: ['qdq', { perChannel: true }] },
	'QDQ uint8 per channel': { quantized: ['qdq', { perChannel: true, unsigned: true }] },
	QLinearConv: { quantized: ['qoperator', { perChannel: true }] },
	'QLinearConv per tensor': { quantized: ['qoperator', { perChannel: false }] },
	dynamic: { quantized: ['dynamic', { perChannel: true }] },
	'QDQ 7 bits': { quantized: ['qdq', { perChannel: true, reduced: true }] },
	'QLinearConv 7 bits': { quantized: ['qoperator', { perChannel: true, reduced: true }] },
	'dynamic uint8 7 bits': { quantized: ['dynamic', { perChannel: false, unsigned: true, reduced: true }] },
	'blocks of 4 bits': { quantized: ['blocked', { perChannel: true }] },
	'blocks of 4 bits with negative scales': { quantized: ['blocked', { perChannel: true, negative: true }] },
	MatMulNBits: { quantized: ['packed', { perChannel: true }] },
	'MatMulNBits with negative scales': { quantized: ['packed', { perChannel: true, negative: true }] },
	'MatMulNBits with zero points': { quantized: ['packed', { perChannel: true, unsigned: true }] },
} as const satisfies Record<string, FormOfWeights>;

export type RepairForm = keyof typeof REPAIR_FORMS;

export interface RepairCase {
	readonly original: Uint8Array;
	readonly deployed: Uint8Array;
	/** The deployed model without the fault, in the same form. */
	readonly right: Uint8Array;
	/** Position of the faulty layer. */
	readonly at: number;
}

/** Number of layers of a state_dict, of which the right ones show its epsilon. */
const [LAYERS, CHECKPOINT_LAYERS, AT] = [3, 4, 1];
const EPSILON = Math.fround(1e-5);
/** Channels of the input, and size of its image axes. Four convolutions without padding leave 4 of 12. */
const INPUT = { channels: 8, size: 12 };

/** Builds networks in which a layer behind an operator of this kind is folded with the faults. */
export function repairCase(
	set: FaultSet,
	kind: OperatorKind,
	{ seed, form }: { readonly seed: number; readonly form: RepairForm },
): RepairCase {
	const { isHalf = false, isCheckpoint = false, quantized: grid }: FormOfWeights = REPAIR_FORMS[form];
	const random = seededRandom(seed);
	const family = FAMILIES.find((kinds) => kinds.includes(kind));
	const drawn: RandomLayer[] = [];
	for (let index = 0; index < (isCheckpoint ? CHECKPOINT_LAYERS : LAYERS); index++) {
		const from = drawn.at(-1)?.channels ?? INPUT.channels;
		drawn.push(index === AT ? drawLayer(set.faults, random, [kind], from) : drawLayer([], random, family, from));
	}
	const layers = isCheckpoint ? drawn.map((layer) => ({ ...layer, epsilon: EPSILON })) : drawn;
	const pairOf = (faults: FaultSet) => {
		const paired = layers.map((layer, index): PairedLayer => {
			const isFaulty = index === AT;
			const folded = foldWith(layer, isFaulty ? faults : { faults: [] }, seed);
			return { layer, folded, hasGemmBeta: !isCheckpoint && isFaulty && isGemmBeta(set.faults), isHalf };
		});
		return describePair(paired, seededRandom(seed + 1), INPUT);
	};
	const [original, wrong] = pairOf(set);
	const [, plain] = pairOf({ name: 'right', faults: [] });
	const written = (spec: ModelSpec) => buildModel(grid ? quantized(spec, ...grid) : spec);
	return {
		original: isCheckpoint ? stateDict(layers) : buildModel(original),
		deployed: written(wrong),
		right: written(plain),
		at: AT,
	};
}
