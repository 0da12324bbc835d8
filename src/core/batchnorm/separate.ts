import type { Reference, Scope } from '../onnx/graph/scope.js';
import type { Affine } from './affine.js';
import type { Chain, Step } from './chain.js';
import type { BatchNormLayer, Parameter } from './layer.js';
import type { LayerContext } from './place.js';
import { type SplitDeviation, type SplitScale, splitDeviation, splitScale, splitShift } from './split-scale.js';

/** Parameters of a decomposed layer that its constants show. */
type Parts = Pick<BatchNormLayer, 'gamma' | 'beta' | 'mean' | 'variance' | 'epsilon' | 'affine'>;

export interface Separated {
	readonly layer: Parts;
	/** The graph still shows sqrt(variance + epsilon), which proves a normalization. */
	readonly explicit: boolean;
}

/** A chain's parts by name, before their values are looked at. */
interface Split {
	readonly scale: SplitScale;
	/** True if the graph multiplies with -gamma. */
	readonly isScaleNegated: boolean;
	/** Absent where nothing is added. */
	readonly beta: Reference | undefined;
	/** True if the graph subtracts -beta. */
	readonly isNegated: boolean;
	readonly mean: Reference;
	/** True if the graph adds -mean. */
	readonly isMeanNegated: boolean;
}

const NOT_SEPARABLE =
	'The layer is written as elementary operators with folded constants: its scale and shift are known, but gamma, beta, mean and variance cannot be told apart.';

/**
 * Separates gamma, beta, mean, variance and epsilon of a chain whose constants are still expressions of them. Otherwise
 * returns scale and shift with the known parameters (the mean of a chain that begins with x - mean).
 */
export async function separate(
	scope: Scope,
	chain: Chain,
	channels: number,
	context: LayerContext,
): Promise<Separated> {
	const split = splitChain(chain);
	if (split) {
		const layer = await readParts(split, channels, context);
		if (layer) {
			return { layer, explicit: true };
		}
	}
	return { layer: await foldedParts(scope, chain, channels, context), explicit: split !== undefined };
}

function splitChain({ center, scales, shift, sign }: Chain): Split | undefined {
	const [first, second] = scales;
	if (!center) {
		const scale = first.op === 'Mul' && sign === 1 ? splitScale(first.constant) : undefined;
		const offset = scale && shift && splitShift(shift.constant, first.constant, shift.op);
		return offset && { scale, isScaleNegated: false, ...offset, isNegated: false, isMeanNegated: false };
	}
	const rest = {
		isScaleNegated: sign < 0,
		beta: shift?.constant,
		isNegated: isSubtracted(shift),
		mean: center.constant,
		isMeanNegated: center.op === 'Add',
	};
	const own = first.op === 'Div' ? withoutGamma(splitDeviation(first.constant)) : splitScale(first.constant);
	if (!second) {
		return own && { scale: own, ...rest };
	}
	if (second.op !== 'Mul' || !own) {
		return undefined;
	}
	const scale = { factors: [...own.factors, second.constant], deviation: own.deviation };
	return { scale, ...rest };
}

const isSubtracted = (shift: Step | undefined): boolean => shift?.op === 'Sub' && !shift.isReversed;

function withoutGamma(deviation: SplitDeviation | undefined): SplitScale | undefined {
	return deviation && { factors: [], deviation };
}

async function readParts(split: Split, channels: number, context: LayerContext): Promise<Parts | undefined> {
	const read = async ({ scope, name }: Reference) => perChannel(await context.parameters.read(scope, name), channels);
	const factors = await Promise.all(split.scale.factors.map(read));
	const [center, a, b] = await Promise.all([split.mean, ...split.scale.deviation.terms].map(read));
	const mean = center && negatedIf(split.isMeanNegated, center);
	const offset = split.beta ? await read(split.beta) : filled(channels, 0);
	const beta = offset && negatedIf(split.isNegated, offset);
	const [variance, epsilon] = split.scale.deviation.terms.length === 1 ? [a, ZERO] : isScalar(b) ? [a, b] : [b, a];
	// An optional 1 in the numerator is no gamma.
	const gammas = factors.filter((factor) => !(isScalar(factor) && factor?.values?.[0] === 1));
	const factor = gammas.length === 0 ? filled(channels, 1) : gammas.length === 1 ? gammas[0] : undefined;
	const gamma = factor && negatedIf(split.isScaleNegated, factor);
	if (!(gamma && beta && mean && variance && epsilon?.values && isScalar(epsilon))) {
		return undefined;
	}
	return { gamma, beta, mean, variance, epsilon: epsilon.values[0] };
}

/** Returns a parameter with a value per channel. Repeats a single value. */
function perChannel(parameter: Parameter, channels: number): Parameter | undefined {
	const { values } = parameter;
	if (values?.length === 1) {
		return { ...parameter, values: new Float64Array(channels).fill(values[0]) };
	}
	return values?.length === channels ? parameter : undefined;
}

/** True for a single value in the file, not expanded yet. */
function isScalar(parameter: Parameter | undefined): boolean {
	return parameter?.dims.every((dim) => dim === 1) ?? false;
}

/** Epsilon of a deviation that is the root of a bare variance. */
const ZERO: Parameter = {
	name: '',
	origin: { kind: 'missing' },
	values: new Float64Array(1),
	dims: [],
	dtype: 'undefined',
};

/** Parameter that the graph leaves out. */
function filled(channels: number, value: number): Parameter {
	const values = new Float64Array(channels).fill(value);
	return { name: '', origin: { kind: 'missing' }, values, dims: [channels], dtype: 'undefined' };
}

/** Returns a parameter, negated if the graph subtracts it. */
function negatedIf(isSubtracted: boolean, parameter: Parameter): Parameter {
	const values = parameter.values?.map((value) => -value);
	return isSubtracted && values ? { ...parameter, values } : parameter;
}

async function foldedParts(scope: Scope, chain: Chain, channels: number, context: LayerContext): Promise<Parts> {
	const read = async ({ name }: Reference) => await context.parameters.read(scope, name);
	const center = chain.center && negatedIf(chain.center.op === 'Add', await read(chain.center.constant));
	const shift = chain.shift
		? negatedIf(isSubtracted(chain.shift), await read(chain.shift.constant))
		: filled(channels, 0);
	const affine: Affine = { scale: new Float64Array(channels).fill(chain.sign), shift: new Float64Array(channels) };
	for (const step of chain.scales) {
		const values = (await read(step.constant)).values ?? [];
		values.forEach((value, c) => {
			affine.scale[c] = step.op === 'Div' ? affine.scale[c] / value : affine.scale[c] * value;
		});
	}
	for (let c = 0; c < channels; c++) {
		affine.shift[c] = (shift.values?.[c] ?? 0) - (center?.values?.[c] ?? 0) * affine.scale[c];
	}
	const unknown: Parameter = {
		name: '',
		origin: { kind: 'missing' },
		values: null,
		dims: [],
		dtype: chain.shift ? shift.dtype : (center?.dtype ?? shift.dtype),
		problem: NOT_SEPARABLE,
	};
	// Without a shift behind the scale, the constant in front may hold mean and beta.
	const isSeparate = center !== undefined && chain.shift !== undefined;
	return {
		gamma: unknown,
		beta: isSeparate ? shift : unknown,
		mean: isSeparate ? center : unknown,
		variance: unknown,
		epsilon: 0,
		affine,
	};
}
