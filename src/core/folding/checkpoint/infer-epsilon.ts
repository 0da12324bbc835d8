import type { BatchNormLayer } from '../../batchnorm/layer.js';
import { median } from '../../numbers/arrays.js';
import { FLOAT_FORMATS, type FloatType, isFloatType } from '../../numbers/float-formats.js';
import { shortNumber } from '../../text/numbers.js';
import type { LayerValues } from './layer-values.js';
import type { PairedWeight } from './read-weights.js';

/** Defaults of frameworks, the most usual first. */
export const USUAL_EPSILONS: readonly number[] = [1e-5, 1e-3, 1e-4, 1e-6, 2e-5, 1e-8, 1e-12, 1e-7, 5e-5, 1e-2, 0].map(
	Math.fround,
);

/** Votes of a layer for the framework's default; other values get a single vote. */
const DEFAULT_VOTES = 2;

/** Epsilon of a layer, as the deployed model shows it. */
export interface EpsilonEvidence {
	/** Index of the layer in the checkpoint. */
	readonly index: number;
	readonly name: string;
	/** Values that agree with the deployed numbers within rounding; empty if none does. */
	readonly possible: readonly number[];
	/**
	 * True for a layer that the deployed model still has, as scale and shift. An exporter writes them layer by layer with
	 * the model's own epsilon. A wrong fold uses the same epsilon for all layers.
	 */
	readonly isWritten?: boolean;
}

/** The epsilons of a checkpoint that does not state them. */
export interface InferredEpsilons {
	/** The value that most layers agree with. */
	readonly common: number;
	/** Layers at the end, and layers written as scale and shift, that agree on another value: index -> epsilon. */
	readonly own: ReadonlyMap<number, number>;
	/** Layers at odds with the rest, and the values that they agree with. */
	readonly atOdds: ReadonlyMap<number, number>;
	/** Sentences for users. */
	readonly notes: readonly string[];
}

/** Rows of a deployed weight as multiples of the checkpoint's. */
type ScaledRows = Pick<PairedWeight, 'ratio' | 'residual' | 'stored' | 'source' | 'rowLength'>;

/**
 * Lists the epsilons that explain the ratios between deployed and original rows of a layer: usual values, and the value
 * that the channels themselves give.
 */
export function possibleEpsilons({ parameters, source }: LayerValues, weight: ScaledRows): readonly number[] {
	const { gamma, variance } = parameters;
	const measured = Array.from(weight.ratio, (ratio, row) => (gamma[row] / ratio) ** 2 - variance[row]).filter(
		Number.isFinite,
	);
	const own = Number(median(measured).toPrecision(3));
	const candidates = own > 0 && !USUAL_EPSILONS.includes(Math.fround(own)) ? [...USUAL_EPSILONS, own] : USUAL_EPSILONS;
	const bound = errorBound(weight, source);
	return candidates.filter((epsilon) => {
		const errors = Array.from(weight.ratio, (ratio, row) => {
			const scale = gamma[row] / Math.sqrt(variance[row] + epsilon);
			return (ratio - scale) / scale;
		}).filter(Number.isFinite);
		return errors.length > 0 && Math.abs(middleMean(errors)) <= bound / Math.sqrt(errors.length) + FORMULA_ERROR;
	});
}

/** Roundings of a scale: variance + epsilon, root, quotient, product. */
const ROUNDINGS = 4;
/** Error of the formula in float32, which may have the same sign in all channels. */
const FORMULA_ERROR = ROUNDINGS * FLOAT_FORMATS.float32.unitRoundoff;
/** Standard deviations of a layer's mean error up to which it counts as rounding: 1 layer in 2,000 lies above. */
const DEVIATIONS = 3.5;
/** Standard deviation of the mean of the middle half of the channels, times the root of their number: 1 for a plain mean. */
const MIDDLE_MEAN = 1.1;
/**
 * Standard deviation of a channel's scale, in unit roundoffs of gamma and variance: 0.41 of them from gamma, and half of
 * that from the root of the variance.
 */
const PARAMETER_ERROR = 0.46;

/** Bound of the mean relative error of a layer with a single channel; it falls with the root of the channels. */
function errorBound({ stored, source, rowLength, residual }: ScaledRows, parameters: FloatType): number {
	const unit = (type: FloatType) => FLOAT_FORMATS[type].unitRoundoff;
	// The part of a row that is no multiple, as quantization leaves it, moves the ratio by its share over the row.
	const rest = median([...residual].filter((value) => !Number.isNaN(value)));
	const row = (Math.max(unit(stored), unit(source)) + rest) / Math.sqrt(rowLength);
	return DEVIATIONS * MIDDLE_MEAN * (PARAMETER_ERROR * unit(parameters) + row);
}

/** Returns the mean of the middle half of the values, which a few wrong channels do not move. */
function middleMean(values: readonly number[]): number {
	const sorted = values.toSorted((a, b) => a - b);
	const cut = Math.floor(sorted.length / 4);
	const middle = sorted.slice(cut, sorted.length - cut);
	return middle.reduce((sum, value) => sum + value, 0) / middle.length;
}

/**
 * Returns the epsilon that a kept layer states. For a layer written as scale and shift, returns the values that explain
 * its scale.
 */
export function epsilonOfKept(values: LayerValues, kept: BatchNormLayer): readonly number[] {
	const { kind, epsilon, affine, beta } = kept;
	if (kind === 'batchnorm') {
		return [epsilon];
	}
	if (!affine || affine.scale.length !== values.layer.channels) {
		return [];
	}
	const stored = isFloatType(beta.dtype) ? beta.dtype : 'float32';
	const residual = new Float64Array(affine.scale.length);
	return possibleEpsilons(values, { ratio: affine.scale, residual, stored, source: values.source, rowLength: 1 });
}

/**
 * Infers the epsilon of a whole network: the value that most layers agree with. Two kinds of layers may have their own
 * value, and the note says so. A run of layers at the end may agree on another usual value, such as a head from another
 * library. A layer may be written as scale and shift. Any other layer that needs another value is at odds.
 * @param evidence in the order of the checkpoint's layers, without layers that state their epsilon
 * @param usual default of the framework that the checkpoint comes from
 */
export function inferEpsilons(evidence: readonly EpsilonEvidence[], usual: number): InferredEpsilons {
	const informed = evidence.filter(({ possible }) => possible.length > 0);
	const common = commonEpsilon(informed, Math.fround(usual));
	const others = informed.filter(({ possible }) => !possible.includes(common));
	const head = ownHead(informed, common);
	const isOwn = (layer: EpsilonEvidence) => head.includes(layer) || layer.isWritten === true;
	const own = new Map(others.filter(isOwn).map(firstPossible));
	const atOdds = new Map(others.filter((layer) => !isOwn(layer)).map(firstPossible));
	return { common, own, atOdds, notes: describe(evidence, { common, own, atOdds }, usual) };
}

const firstPossible = ({ index, possible: [first = 0] }: EpsilonEvidence): [number, number] => [index, first];

function commonEpsilon(informed: readonly EpsilonEvidence[], usual: number): number {
	const votes = new Map<number, number>([[usual, 0]]);
	for (const { possible } of informed) {
		for (const epsilon of possible) {
			votes.set(epsilon, (votes.get(epsilon) ?? 0) + (epsilon === usual ? DEFAULT_VOTES : 1));
		}
	}
	const [[best]] = [...votes].sort(
		([a, x], [b, y]) => y - x || Number(b === usual) - Number(a === usual) || usualness(a) - usualness(b),
	);
	return best;
}

function usualness(epsilon: number): number {
	const position = USUAL_EPSILONS.indexOf(epsilon);
	return position < 0 ? USUAL_EPSILONS.length : position;
}

/** Returns the last layers if they agree on a usual value other than `common`, and are fewer than the layers before. */
function ownHead(informed: readonly EpsilonEvidence[], common: number): readonly EpsilonEvidence[] {
	const start = informed.findLastIndex(({ possible }) => possible.includes(common)) + 1;
	const head = informed.slice(start);
	const [first] = head;
	const value = first?.possible.find((epsilon) => head.every(({ possible }) => possible.includes(epsilon)));
	const isUsual = value !== undefined && USUAL_EPSILONS.includes(value) && value > 0;
	return isUsual && head.length <= start ? head : [];
}

function describe(
	evidence: readonly EpsilonEvidence[],
	{ common, own, atOdds }: Omit<InferredEpsilons, 'notes'>,
	usual: number,
): readonly string[] {
	if (evidence.length === 0) {
		return [];
	}
	const telling = evidence.filter(({ possible }) => possible.length > 0 && possible.length < USUAL_EPSILONS.length);
	const agreeing = telling.filter(({ possible }) => possible.includes(common));
	const advice =
		common === Math.fround(usual)
			? ''
			: ` The framework's default is ${shortNumber(usual)}, so check that the model sets ${shortNumber(common)}.`;
	const first =
		telling.length === 0
			? `The checkpoint does not hold epsilon, and the deployed numbers do not depend on it by more than rounding: ${shortNumber(common)} is assumed.`
			: `The checkpoint does not hold epsilon: ${shortNumber(common)} was inferred, which explains ${agreeing.length === telling.length ? 'every layer' : `${agreeing.length} of ${telling.length} layers`} whose numbers depend on it.${advice}`;
	const names = (layers: ReadonlyMap<number, number>) =>
		evidence
			.filter(({ index }) => layers.has(index))
			.map(({ name }) => name)
			.join(', ');
	const isWritten = new Set(evidence.filter((layer) => layer.isWritten).map(({ index }) => index));
	const written = new Map([...own].filter(([index]) => isWritten.has(index)));
	const folded = new Map([...own].filter(([index]) => !isWritten.has(index)));
	const [writtenValue] = written.values();
	const [head] = folded.values();
	const [odd] = atOdds.values();
	return [
		first,
		...(head === undefined
			? []
			: [
					`${names(folded)} at the end of the network ${folded.size === 1 ? 'fits' : 'fit'} epsilon ${shortNumber(head)} instead: check that the model sets it there.`,
				]),
		...(writtenValue === undefined
			? []
			: [
					`${names(written)}, still a layer of the deployed model, fits epsilon ${shortNumber(writtenValue)} instead: check that the model sets it there.`,
				]),
		...(odd === undefined
			? []
			: [
					`${names(atOdds)} ${atOdds.size === 1 ? 'fits' : 'fit'} epsilon ${shortNumber(odd)} instead: the fold used another epsilon there, or the model sets one that the checkpoint does not hold.`,
				]),
	];
}
