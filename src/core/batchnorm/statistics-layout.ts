import { resolveAxes } from './normalized-axes.js';

/** The axis of x behind each dimension of a mean; null for a dimension of size 1 that stands for no axis. */
export type Layout = readonly (number | null)[];

/** Returns the layout of a reduction of data of `rank`. @param reduced axes from 0 on */
export function axesLeft(reduced: readonly number[], rank: number, keeps: boolean): Layout {
	const all = Array.from({ length: rank }, (_, axis) => (reduced.includes(axis) ? null : axis));
	return keeps ? all : all.filter((axis) => axis !== null);
}

export function unsqueezed(layout: Layout, axes: readonly number[]): Layout | undefined {
	const added = resolveAxes(axes, layout.length + axes.length);
	const left = [...layout];
	return (
		added &&
		Array.from({ length: layout.length + axes.length }, (_, at) => (added.includes(at) ? null : (left.shift() ?? null)))
	);
}

/** Returns undefined if a dimension that stands for an axis is taken away. */
export function squeezed(layout: Layout, axes: readonly number[]): Layout | undefined {
	const removed = resolveAxes(axes, layout.length);
	return removed?.every((at) => layout[at] === null) ? layout.filter((_, at) => !removed.includes(at)) : undefined;
}

/** Returns undefined unless the target keeps every axis in its order, and adds only dimensions of size 1. */
export function reshaped(layout: Layout, target: readonly unknown[], shape: readonly unknown[]): Layout | undefined {
	const axes = layout.filter((axis) => axis !== null);
	let next = 0;
	const result = target.map((size) => (size === 1 ? null : (axes[next++] ?? Number.NaN)));
	const fits = target.every((size, at) => {
		const axis = result[at];
		return axis === null || size === -1 || (axis !== undefined && size === shape[axis]);
	});
	return next === axes.length && fits && target.filter((size) => size === -1).length <= 1 ? result : undefined;
}

/** True if each axis is at its own place, counted from the last dimension, as broadcasting does. */
export function isAligned(layout: Layout, rank: number): boolean {
	return layout.length <= rank && layout.every((axis, at) => axis === null || axis === at + rank - layout.length);
}
