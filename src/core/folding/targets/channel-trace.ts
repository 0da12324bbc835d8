import type { Dimension } from '../../onnx/model.js';

/**
 * Follows an operator's output channels through operators that only move elements, to find the channel of the last
 * tensor that each of them reaches. A tensor's axes are lists of atoms: the pieces into which reshapes cut the original
 * axes, in row-major order. An atom of the channel axis remembers its stride there.
 */
export interface Atom {
	/** undefined: unknown, as batch and image sizes often are. */
	readonly size: number | undefined;
	/** Step in channel numbers; 0 for a piece of another axis. */
	readonly stride: number;
}

export type Axis = readonly Atom[];

/** Returns the axes of a linear operator's output. `channelAxis` has `channels` channels. */
export function outputAxes(shape: readonly Dimension[], channelAxis: number, channels: number): Axis[] {
	return shape.map((size, axis) =>
		axis === channelAxis
			? [{ size: channels, stride: 1 }]
			: [{ size: typeof size === 'number' ? size : undefined, stride: 0 }],
	);
}

export function transposeAxes(axes: readonly Axis[], perm: readonly number[] | undefined): Axis[] | undefined {
	const order = perm ?? axes.map((_, axis) => axes.length - 1 - axis);
	return order.length === axes.length && order.every((axis) => axis in axes)
		? order.map((axis) => axes[axis])
		: undefined;
}

export function unsqueezeAxes(axes: readonly Axis[], at: readonly number[]): Axis[] | undefined {
	const rank = axes.length + at.length;
	const inserted = new Set(at.map((axis) => (axis < 0 ? axis + rank : axis)));
	const rest = axes.values();
	const result = Array.from({ length: rank }, (_, axis): Axis | undefined =>
		inserted.has(axis) ? [] : rest.next().value,
	);
	return inserted.size === at.length && result.every((axis) => axis !== undefined) ? result : undefined;
}

export function squeezeAxes(axes: readonly Axis[], at: readonly number[]): Axis[] | undefined {
	const removed = new Set(at.map((axis) => (axis < 0 ? axis + axes.length : axis)));
	const isUnit = (axis: Axis) => axis.every(({ size }) => size === 1);
	return [...removed].every((axis) => axes[axis] && isUnit(axes[axis]))
		? axes.filter((_, axis) => !removed.has(axis))
		: undefined;
}

/** Averages over axes without channels. @param keeps true: an averaged axis is left, with a single element */
export function averagedAxes(axes: readonly Axis[], at: readonly number[], keeps: boolean): Axis[] | undefined {
	const averaged = new Set(at.map((axis) => (axis < 0 ? axis + axes.length : axis)));
	const isOfOthers = [...averaged].every((axis) => axes[axis]?.every(({ stride }) => stride === 0));
	return isOfOthers ? axes.flatMap((axis, index) => (averaged.has(index) ? (keeps ? [[]] : []) : [axis])) : undefined;
}

export function flattenAxes(axes: readonly Axis[], axis: number): Axis[] {
	const at = axis < 0 ? axis + axes.length : axis;
	return [axes.slice(0, at).flat(), axes.slice(at).flat()];
}

/**
 * Applies a Reshape. From the right, matches dimensions of known size with atoms and cuts atoms if necessary. From the
 * left, matches the rest up to the first unknown dimension. The single dimension between takes the remaining atoms;
 * there may be several such dimensions if they hold no channels.
 * @param target as the operator takes it: 0 keeps the dimension, -1 is worked out.
 */
export function reshapeAxes(axes: readonly Axis[], target: readonly number[]): Axis[] | undefined {
	// A kept dimension of known size has that size. A kept dimension of unknown size is matched as a whole, from the
	// left.
	const wanted = target.map((size, axis) => (size === 0 ? sizeOf(axes[axis] ?? []) : size));
	const atoms = axes.flat();
	const result = new Array<Axis | undefined>(target.length).fill(undefined);
	let last = target.length - 1;
	for (; last >= 0; last--) {
		const size = wanted[last];
		const taken = size === undefined || size < 0 ? undefined : takeFromRight(atoms, size);
		if (!taken) {
			break;
		}
		result[last] = taken;
	}
	let first = 0;
	for (; first < last; first++) {
		const size = wanted[first];
		const taken = size === undefined ? takeAxis(atoms, axes[first]) : takeFromLeft(atoms, size);
		if (!taken) {
			break;
		}
		result[first] = taken;
	}
	if (first < last) {
		const middle = withoutChannels(atoms.splice(0), wanted.slice(first, last + 1));
		middle?.forEach((axis, at) => {
			result[first + at] = axis;
		});
	}
	if (first === last) {
		const rest = atoms.splice(0);
		const [size, product] = [wanted[first], sizeOf(rest)];
		if (size !== undefined && size >= 0 && product !== undefined && product !== size) {
			return undefined;
		}
		result[first] = rest;
	}
	const isComplete = atoms.every(({ size }) => size === 1);
	return isComplete && result.every((axis) => axis !== undefined) ? result : undefined;
}

/** Returns axes cut from atoms of unknown size. The cut does not matter, because these atoms hold no channels. */
function withoutChannels(atoms: Axis, wanted: readonly (number | undefined)[]): Axis[] | undefined {
	const axes = wanted.map((size): Axis => [{ size: size !== undefined && size >= 0 ? size : undefined, stride: 0 }]);
	const [given, taken] = [sizeOf(atoms), sizeOf(axes.flat())];
	const fits = given === undefined || taken === undefined || given === taken;
	return fits && atoms.every(({ stride }) => stride === 0) ? axes : undefined;
}

/** Returns the product of an axis's atoms; undefined if unknown. */
function sizeOf(axis: Axis): number | undefined {
	return axis.reduce<number | undefined>(
		(product, { size }) => (product === undefined || size === undefined ? undefined : product * size),
		1,
	);
}

/** Takes an axis of unknown size as a whole, where the list begins with it. */
function takeAxis(atoms: Atom[], axis: Axis = []): Axis | undefined {
	const isNext = axis.length > 0 && axis.every((atom, position) => atoms[position] === atom);
	return isNext ? atoms.splice(0, axis.length) : undefined;
}

/** Takes `size` elements off the left end of the list; see {@link takeFrom}. The piece cut off an atom is its outer part. */
function takeFromLeft(atoms: Atom[], size: number): Axis | undefined {
	return takeFrom(atoms, size, {
		next: (rest) => rest.shift(),
		join: (taken, atom) => taken.push(atom),
		cut: (atom, inner, left) => [
			{ size: left, stride: atom.stride * inner },
			{ size: inner, stride: atom.stride },
		],
		putBack: (rest, atom) => rest.unshift(atom),
	});
}

/** Takes `size` elements off the right end of the list; see {@link takeFrom}. The piece cut off an atom is its inner part. */
function takeFromRight(atoms: Atom[], size: number): Axis | undefined {
	return takeFrom(atoms, size, {
		next: (rest) => rest.pop(),
		join: (taken, atom) => taken.unshift(atom),
		cut: (atom, outer, left) => [
			{ size: left, stride: atom.stride },
			{ size: outer, stride: atom.stride * left },
		],
		putBack: (rest, atom) => rest.push(atom),
	});
}

/** Either end of a list of atoms. */
interface End {
	next(rest: Atom[]): Atom | undefined;
	join(taken: Atom[], atom: Atom): void;
	/** Cuts `left` elements off an atom and leaves `remaining`. */
	cut(atom: Atom, remaining: number, left: number): readonly [piece: Atom, remainder: Atom];
	putBack(rest: Atom[], atom: Atom): void;
}

/** Takes `size` elements off an end of the list. Leaves the list unchanged if the atoms do not divide evenly. */
function takeFrom(atoms: Atom[], size: number, end: End): Axis | undefined {
	const rest = [...atoms];
	const taken: Atom[] = [];
	for (let left = size; left > 1; ) {
		const atom = end.next(rest);
		if (atom?.size === undefined) {
			return undefined;
		}
		if (left % atom.size === 0) {
			end.join(taken, atom);
			left /= atom.size;
		} else if (atom.size % left === 0) {
			const [piece, remainder] = end.cut(atom, atom.size / left, left);
			end.join(taken, piece);
			end.putBack(rest, remainder);
			left = 1;
		} else {
			return undefined;
		}
	}
	atoms.splice(0, atoms.length, ...rest);
	return taken;
}

/**
 * Returns the channel of axis 1 that each of the operator's `channels` output channels reaches. Undefined if axis 1
 * also runs over other elements, so that no channel has a single scale.
 */
export function channelsOfAxis(axis: Axis, channels: number): Int32Array | undefined {
	const pieces = axis.filter(({ size }) => size !== 1);
	if (pieces.some(({ size, stride }) => size === undefined || stride === 0)) {
		return undefined;
	}
	const result = new Int32Array(channels);
	for (let channel = 0; channel < channels; channel++) {
		let index = 0;
		for (const { size = 1, stride } of pieces) {
			index = index * size + (Math.floor(channel / stride) % size);
		}
		result[channel] = index;
	}
	return result;
}

/**
 * Returns the channel of each index of an axis, shape (count). Undefined if channels lie on another axis, too, or if the
 * sizes beside them are unknown. A single unknown piece has the size that `count` leaves for it.
 * @param channels number of channels
 */
export function channelOfIndex(axis: Axis, channels: number, count: number): Int32Array | undefined {
	const pieces: { size: number | undefined; stride: number }[] = [];
	for (const { size, stride } of axis.filter((atom) => atom.size !== 1)) {
		const last = pieces.at(-1);
		if (last && last.stride === 0 && stride === 0) {
			last.size = last.size === undefined || size === undefined ? undefined : last.size * size;
		} else {
			pieces.push({ size, stride });
		}
	}
	const known = pieces.reduce((product, { size = 1 }) => product * size, 1);
	const open = pieces.filter(({ size }) => size === undefined);
	const present = pieces.reduce((product, { size = 1, stride }) => (stride > 0 ? product * size : product), 1);
	const left = count / known;
	if (present !== channels || open.length > 1 || !(open.length === 1 ? Number.isInteger(left) : left === 1)) {
		return undefined;
	}
	return Int32Array.from({ length: count }, (_, index) => {
		let channel = 0;
		let rest = index;
		for (const { size = left, stride } of pieces.toReversed()) {
			channel += (rest % size) * stride;
			rest = Math.floor(rest / size);
		}
		return channel;
	});
}
