import { indicesWhere, medianMagnitude } from '../numbers/arrays.js';
import { FLOAT_FORMATS } from '../numbers/float-formats.js';
import type { Finding, LayerParameters } from '../report/types.js';
import { float32Number, shortNumber } from '../text/numbers.js';
import { countChannels, joinWords } from '../text/sentences.js';
import { affine as affineOf } from './affine.js';
import type { BatchNormLayer } from './layer.js';
import { isSameTensor, tensorName } from './parameters.js';
import { type ScaleSubject, varianceFindings } from './variance-health.js';

/** Thresholds of findings. Their units are chosen so that the defaults hold for networks of any scale. */
export interface HealthThresholds {
	/**
	 * abs(gamma) below this share of the layer's median counts as about 0. Default 1 %: a channel a hundred times quieter
	 * than its neighbors disappears in their rounding once the layer is quantized to 8 bits. No absolute number exists;
	 * people prune by percentile.
	 */
	readonly deadShare: number;
	/** Assumed range of a normalized value in standard deviations: 3, as in data-free quantization. */
	readonly sigmas: number;
	/** variance / epsilon below this: epsilon sets the scale. 1, where both weigh the same. */
	readonly epsilonRatio: number;
	/**
	 * abs(scale) above this many times the layer's median is reported. 100 leaves the other channels about a single step
	 * of an 8-bit range.
	 */
	readonly explodingFactor: number;
}

export const DEFAULT_THRESHOLDS: HealthThresholds = {
	deadShare: 0.01,
	sigmas: 3,
	epsilonRatio: 1,
	explodingFactor: 100,
};

/** Properties of a layer that findings are derived from. */
export interface HealthSubject {
	readonly parameters: LayerParameters | null;
	readonly epsilon: number;
	readonly mode: 'inference' | 'training';
	readonly axes: 'channel' | 'activation';
	/** True if every reader of the output cuts at 0 like a ReLU. */
	readonly feedsRelu: boolean;
	/** True if a Reshape precedes the layer, as where instance normalization uses BatchNormalization. */
	readonly afterReshape: boolean;
	/** Element type of the data, or "unknown". */
	readonly dtype: string;
	/** Name of the tensor that is both mean and variance. */
	readonly sharedStatistics?: string;
	/** The file requests statistics per activation but has a value per channel. */
	readonly isMarkedPerActivation?: boolean;
}

/** Returns the properties of a layer that findings are derived from. */
export function healthSubject(layer: BatchNormLayer, parameters: LayerParameters | null): HealthSubject {
	const { epsilon, mode, axes, dtype, source, rectified, isMarkedPerActivation = false, mean, variance } = layer;
	return {
		...{ parameters, epsilon, mode, axes, dtype, isMarkedPerActivation },
		feedsRelu: rectified === true,
		afterReshape: source?.opType === 'Reshape',
		...(isSameTensor(mean, variance) && { sharedStatistics: tensorName(mean) }),
	};
}

/** A layer's parameters with its effective scale and the thresholds. */
interface Examined extends ScaleSubject {
	readonly feedsRelu: boolean;
	readonly thresholds: HealthThresholds;
}

/** All findings that need no run, the gravest first. */
export function layerHealth(subject: HealthSubject, thresholds = DEFAULT_THRESHOLDS): Finding[] {
	const { parameters, epsilon, feedsRelu, mode, dtype, sharedStatistics } = subject;
	const findings = modeFindings(subject);
	if (!parameters) {
		return bySeverity([...findings, ...epsilonFindings(epsilon)]);
	}
	const { gamma, beta, mean, variance } = parameters;
	const map = affineOf(gamma, beta, mean, variance, epsilon);
	const { epsilonRatio } = thresholds;
	const examined = { ...parameters, ...map, epsilon, mode, dtype, epsilonRatio, feedsRelu, thresholds };
	const byVariance = varianceFindings(examined, sharedStatistics);
	// Channels spoiled by a negative epsilon say more than epsilon alone.
	const isExplained = byVariance.some(({ severity }) => severity !== 'info');
	findings.push(...(isExplained ? [] : epsilonFindings(epsilon)), ...nonFinite(examined), ...neverUpdated(examined));
	findings.push(...byVariance, ...quietChannels(examined), ...explodingScale(examined));
	return bySeverity(findings);
}

function bySeverity(findings: Finding[]): Finding[] {
	const rank = { error: 0, warning: 1, info: 2 };
	return findings.sort((a, b) => rank[a.severity] - rank[b.severity]);
}

function modeFindings({ mode, axes, afterReshape, isMarkedPerActivation }: HealthSubject): Finding[] {
	const findings: Finding[] = [];
	if (mode === 'training') {
		const instance = afterReshape
			? ' With the Reshape in front of it this is probably an instance normalization, exported as BatchNormalization.'
			: '';
		const message = `The layer is in training mode: it normalizes with the statistics of each batch, not with the running ones.${instance}`;
		findings.push({ code: 'training-mode', severity: instance ? 'info' : 'warning', channels: [], message });
	}
	if (axes === 'activation') {
		const message =
			'The layer is per activation (spatial = 0): every position of every channel has statistics of its own.';
		findings.push({ code: 'per-activation', severity: 'info', channels: [], message });
	}
	if (isMarkedPerActivation) {
		const message =
			'The file asks for statistics per activation (spatial = 0), but has one value per channel, as files of MXNet do: the layer is read as per channel. Set spatial to 1, because runtimes refuse the file as it is.';
		findings.push({ code: 'per-activation', severity: 'info', channels: [], message });
	}
	return findings;
}

/** Returns findings about an epsilon that is negative, infinite or NaN. */
export function epsilonFindings(epsilon: number): Finding[] {
	if (!Number.isFinite(epsilon)) {
		const effect = Number.isNaN(epsilon) ? 'everything the layer computes is NaN, too' : 'the scale is 0';
		return [{ code: 'non-finite', severity: 'error', channels: [], message: `Epsilon is ${epsilon}: ${effect}.` }];
	}
	const message = `Epsilon is negative (${float32Number(epsilon)}): it makes variances smaller, where it should keep them from 0.`;
	return epsilon < 0
		? [{ code: 'epsilon-dominated', meaning: 'negative-epsilon', severity: 'warning', channels: [], message }]
		: [];
}

function nonFinite(layer: Examined): Finding[] {
	const { gamma, mode, scale, shift } = layer;
	const names = ['gamma', 'beta', 'mean', 'variance'] as const;
	const isBroken = (c: number) => names.some((name) => !Number.isFinite(layer[name][c]));
	// An infinite variance alone makes a scale of 0. A layer in training mode does not use it.
	const isConstant = (c: number) => mode === 'inference' && scale[c] === 0 && Number.isFinite(shift[c]);
	const finding = (channels: readonly number[], effect: string): Finding[] => {
		const broken = names.filter((name) => channels.some((c) => !Number.isFinite(layer[name][c])));
		const place = countChannels(channels, gamma.length);
		const message = `NaN or infinite values in ${joinWords(broken)} of ${place}: ${effect}.`;
		return channels.length === 0 ? [] : [{ code: 'non-finite', severity: 'error', channels, message }];
	};
	const all = indicesWhere(gamma, (_, c) => isBroken(c));
	return [
		...finding(
			all.filter((c) => !isConstant(c)),
			'everything computed from them is, too',
		),
		...finding(all.filter(isConstant), 'the scale is 0, so the output stays at beta'),
	];
}

function neverUpdated({ gamma, beta, mean, variance, mode }: Examined): Finding[] {
	// Training mode does not use the running statistics.
	if (mode === 'training') {
		return [];
	}
	const all = (values: Float64Array, expected: number) => values.every((value) => value === expected);
	if (mean.length === 0 || !all(mean, 0) || !all(variance, 1)) {
		return [];
	}
	if (all(gamma, 1) && all(beta, 0)) {
		const message =
			'All parameters have their initial values (mean 0, variance 1, gamma 1, beta 0): the layer was never trained, and does nothing.';
		return [{ code: 'never-updated', severity: 'warning', channels: [], message }];
	}
	const message =
		'Every running mean is 0 and every running variance 1: a converter folded the statistics into scale and shift, or they were never updated.';
	return [{ code: 'never-updated', meaning: 'identity-statistics', severity: 'info', channels: [], message }];
}

/** Reports channels without information: gamma about 0, or always cut (or never cut) by the ReLU behind the layer. */
function quietChannels({ gamma, beta, feedsRelu, thresholds }: Examined): Finding[] {
	const total = gamma.length;
	// Pruning sets most gammas of some layers to 0, so the median of the rest is the usual size.
	const floor = thresholds.deadShare * medianMagnitude(gamma.filter((value) => value !== 0 && Number.isFinite(value)));
	const still = (c: number) => gamma[c] === 0 || Math.abs(gamma[c]) < floor;
	const dead = indicesWhere(beta, (value, c) => still(c) && Math.abs(value) <= floor);
	const constant = indicesWhere(beta, (value, c) => still(c) && Math.abs(value) > floor);
	const reach = (c: number) => thresholds.sigmas * Math.abs(gamma[c]);
	const off = indicesWhere(beta, (value, c) => feedsRelu && !still(c) && value + reach(c) <= 0);
	const on = indicesWhere(beta, (value, c) => feedsRelu && !still(c) && value - reach(c) >= 0);
	const limit =
		floor > 0 ? `0 or below ${shortNumber(floor)}, ${thresholds.deadShare * 100} % of the layer's median` : '0';
	const sigma = `${thresholds.sigmas} standard deviations`;
	const finding = (channels: number[], rest: string, key: Pick<Finding, 'code' | 'meaning' | 'severity'>): Finding[] =>
		channels.length === 0 ? [] : [{ ...key, channels, message: `${countChannels(channels, total, true)} ${rest}` }];
	return [
		...finding(dead, `always 0: gamma is ${limit}, and beta no larger.`, { code: 'dead-channel', severity: 'warning' }),
		...finding(constant, `constant: gamma is ${limit}, so the output stays at beta.`, {
			code: 'constant-channel',
			meaning: 'gamma-zero',
			severity: 'info',
		}),
		...finding(
			off,
			`always 0 behind the ReLU: beta + ${thresholds.sigmas} abs(gamma) <= 0, so no input within ${sigma} gets through.`,
			{ code: 'constant-channel', severity: 'warning' },
		),
		...finding(
			on,
			`never cut at 0 by the ReLU: beta - ${thresholds.sigmas} abs(gamma) >= 0, so no input within ${sigma} is changed there.`,
			{ code: 'constant-channel', meaning: 'never-cut', severity: 'info' },
		),
	];
}

function explodingScale({ scale, dtype, thresholds }: Examined): Finding[] {
	const usual = medianMagnitude(scale.filter((value) => value !== 0 && Number.isFinite(value)));
	const { max } = FLOAT_FORMATS[dtype === 'float64' ? 'float64' : 'float32'];
	const limit = thresholds.explodingFactor * usual;
	const channels = indicesWhere(scale, (value) => Math.abs(value) <= max && Math.abs(value) > limit);
	if (usual === 0 || channels.length === 0) {
		return [];
	}
	const largest = channels.reduce((most, c) => Math.max(most, Math.abs(scale[c])), 0);
	const message = `The scale of ${countChannels(channels, scale.length)} is up to ${shortNumber(largest / usual)} times the layer's median (${shortNumber(largest)} against ${shortNumber(usual)}): 8 bits for the whole tensor would lose the other channels.`;
	return [{ code: 'exploding-scale', severity: 'warning', channels, message }];
}
