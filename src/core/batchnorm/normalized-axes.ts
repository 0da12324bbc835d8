import { count, joinWords } from '../text/sentences.js';
import type { ReducedAxes, Regrouped } from './layer.js';

/** Axes of a normalization, and the change of a Reshape in front of it. */
export interface NormalizedAxes extends ReducedAxes {
	readonly regrouped?: Regrouped | undefined;
}

/** Number of the paper's method, or the name of another normalization. */
export type AxesName = 1 | 2 | 3 | 'layer' | 'instance' | 'group' | 'tensor' | 'other';

const SPATIAL: Readonly<Record<number, readonly string[]>> = { 1: ['L'], 2: ['H', 'W'], 3: ['D', 'H', 'W'] };

/** Returns axes as numbers from 0 on; undefined if any is missing. @param axes null: all */
export function resolveAxes(axes: readonly number[] | null, rank: number): number[] | undefined {
	const all = Array.from({ length: rank }, (_, axis) => axis);
	const wanted = axes === null ? all : axes.map((axis) => (axis < 0 ? axis + rank : axis));
	return wanted.every((axis) => axis in all) ? all.filter((axis) => wanted.includes(axis)) : undefined;
}

/**
 * Names a normalization by its axes (arXiv 1502.03167, section 3.2). Method 1 takes mean and variance over N and C,
 * method 2 over N, method 3 over N and the spatial axes. Without spatial axes, methods 2 and 3 are equal and count as
 * method 3.
 */
export function nameAxes(axes: NormalizedAxes): AxesName {
	const name = nameAsShaped(axes);
	const { regrouped } = axes;
	if (!regrouped) {
		return name;
	}
	if ('instances' in regrouped) {
		// Axis 0 has size 1, so a mean over it joins no images.
		return name === 3 || name === 'instance' ? 'instance' : 'other';
	}
	return name === 'instance' ? (regrouped.groups === 1 ? 'layer' : 'group') : name === 'layer' ? name : 'other';
}

function nameAsShaped({ reduced, rank, channelAxis }: NormalizedAxes): AxesName {
	const has = (axis: number) => reduced.includes(axis);
	const spatial = spatialAxes(rank, channelAxis);
	const reducesAll = spatial.every(has);
	const reducesNone = !spatial.some(has);
	if (reduced.length === rank) {
		return 'tensor';
	}
	if (has(0)) {
		return has(channelAxis) ? (reducesNone ? 1 : 'other') : reducesAll ? 3 : reducesNone ? 2 : 'other';
	}
	if (has(channelAxis)) {
		return reducesAll || reducesNone ? 'layer' : 'other';
	}
	// Over the last axis alone: the features of a network without channels.
	return reducesAll && spatial.length > 0 ? 'instance' : has(rank - 1) && reduced.length === 1 ? 'layer' : 'other';
}

function spatialAxes(rank: number, channelAxis: number): number[] {
	return Array.from({ length: rank }, (_, axis) => axis).filter((axis) => axis !== 0 && axis !== channelAxis);
}

const NAMES: Readonly<Record<AxesName, string>> = {
	1: 'method 1, per location',
	2: 'method 2, per activation',
	3: 'method 3, per channel, which is batch normalization',
	layer: 'layer normalization',
	instance: 'instance normalization',
	group: 'group normalization',
	tensor: 'one mean and variance for the whole tensor',
	other: 'none of the usual normalizations',
};

/**
 * Returns "over N, H and W (axes 0, 2 and 3: method 3, per channel, which is batch normalization)".
 * @param place clause behind the axes, " in front of the Reshape"
 */
export function describeAxes(axes: NormalizedAxes, place = ''): string {
	const { reduced, rank, channelAxis } = axes;
	const spatial = spatialAxes(rank, channelAxis);
	const letters = SPATIAL[spatial.length] ?? spatial.map((_, i) => `D${i + 1}`);
	const letterOf = (axis: number) => (axis === 0 ? 'N' : axis === channelAxis ? 'C' : letters[spatial.indexOf(axis)]);
	const numbers = `${reduced.length === 1 ? 'axis' : 'axes'} ${joinWords(reduced.map(String))}`;
	const name = nameAxes(axes);
	const groups = axes.regrouped && 'groups' in axes.regrouped ? axes.regrouped.groups : 1;
	const inGroups = name === 'group' ? ` in ${count(groups, 'group')}` : '';
	return `over ${joinWords(reduced.map(letterOf))} (${numbers}${place}: ${NAMES[name]}${inGroups})`;
}
