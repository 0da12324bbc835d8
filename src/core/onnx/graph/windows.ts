import type { Dimension, Node } from '../model.js';
import type { Scope } from './scope.js';

/** Attributes, per spatial axis, that move the window of a Conv, ConvTranspose or pooling operator. */
interface Windows {
	/** Kernel size with its dilation: (kernel - 1) * dilation + 1. */
	readonly extent: readonly Dimension[];
	readonly strides: readonly number[];
	/** Begin and end together. */
	readonly pads: readonly number[];
	/** SAME_UPPER and SAME_LOWER: pads follow from the sizes. */
	readonly same: boolean;
	/** True if attributes are invalid or runtimes disagree about them. */
	readonly uncertain: boolean;
}

/**
 * Returns the spatial sizes behind a convolution or a pooling; undefined if they are uncertain. Formulas: the
 * operators' specification. Runtimes disagree about rounding up (`ceil_mode`) and about automatic pads of dilated
 * windows.
 * @param kernel spatial sizes of the weight, for where the operator does not state them
 */
export function slideWindows(
	scope: Scope,
	node: Node,
	sizes: readonly Dimension[],
	kernel: readonly Dimension[],
): Dimension[] {
	const { extent, strides, pads, same, uncertain } = windowsOf(scope, node, sizes.length, kernel);
	const roundsUp = (scope.attribute(node, 'ceil_mode')?.i ?? 0) !== 0;
	return sizes.map((size, axis) => {
		const [window, stride] = [extent[axis], strides[axis]];
		if (typeof size !== 'number' || typeof window !== 'number' || uncertain) {
			return undefined;
		}
		if (same) {
			return sizeOrUnknown(Math.ceil(size / stride));
		}
		const steps = (size + pads[axis] - window) / stride;
		// Below 0: the window is larger than its input.
		const isCertain = steps >= 0 && !(roundsUp && !Number.isInteger(steps));
		return isCertain ? sizeOrUnknown(Math.floor(steps) + 1) : undefined;
	});
}

/** The same for a ConvTranspose. */
export function spreadWindows(
	scope: Scope,
	node: Node,
	sizes: readonly Dimension[],
	kernel: readonly Dimension[],
): Dimension[] {
	const stated = scope.attribute(node, 'output_shape')?.ints;
	if (stated) {
		return stated.length === sizes.length ? stated.map(sizeOrUnknown) : sizes.map(() => undefined);
	}
	const { extent, strides, pads, same, uncertain } = windowsOf(scope, node, sizes.length, kernel);
	const added = scope.attribute(node, 'output_padding')?.ints;
	return sizes.map((size, axis) => {
		const window = extent[axis];
		// Nor do runtimes agree on automatic pads here.
		if (typeof size !== 'number' || typeof window !== 'number' || same || uncertain) {
			return undefined;
		}
		return sizeOrUnknown((size - 1) * strides[axis] + window + (added?.[axis] ?? 0) - pads[axis]);
	});
}

function windowsOf(scope: Scope, node: Node, rank: number, kernel: readonly Dimension[]): Windows {
	const list = (name: string) => scope.attribute(node, name)?.ints;
	const [stated, dilations, strides, pads] = [list('kernel_shape'), list('dilations'), list('strides'), list('pads')];
	const automatic = automaticPads(scope, node);
	const axes = Array.from({ length: rank }, (_, axis) => axis);
	const explicit = automatic === '' || automatic === 'NOTSET';
	const same = automatic === 'SAME_UPPER' || automatic === 'SAME_LOWER';
	const isDilated = dilations?.some((dilation) => dilation !== 1) ?? false;
	const makesSense = [...(stated ?? []), ...(dilations ?? []), ...(strides ?? [])].every((size) => size >= 1);
	return {
		extent: axes.map((axis) => {
			const size = stated?.[axis] ?? kernel[axis];
			return typeof size === 'number' ? (size - 1) * (dilations?.[axis] ?? 1) + 1 : undefined;
		}),
		strides: axes.map((axis) => strides?.[axis] ?? 1),
		pads: axes.map((axis) => (explicit ? (pads?.[axis] ?? 0) + (pads?.[axis + rank] ?? 0) : 0)),
		same,
		uncertain: !makesSense || !(explicit || same || automatic === 'VALID') || (same && isDilated),
	};
}

/** Returns the auto_pad of a Conv, ConvTranspose or pooling operator; '' if it has none. */
export function automaticPads(scope: Scope, node: Node): string {
	return String.fromCharCode(...(scope.attribute(node, 'auto_pad')?.s ?? []).slice(0, MAX_LETTERS));
}

/** True if a node pads its input, or may do so. */
export function isPadded(scope: Scope, node: Node): boolean {
	const pads = scope.attribute(node, 'pads')?.ints ?? [];
	// A window of a single element needs no pads for an output of any size.
	const isSingle = scope.attribute(node, 'kernel_shape')?.ints?.every((size) => size === 1) ?? false;
	return (automaticPads(scope, node).startsWith('SAME') && !isSingle) || pads.some((pad) => pad !== 0);
}

/** Maximum letters read: a letter more than "SAME_UPPER" has. A hostile file may hold any number of letters. */
const MAX_LETTERS = 11;

/** Returns an unknown dimension for a size that attributes of a broken file led to. */
export function sizeOrUnknown(size: number): Dimension {
	return Number.isSafeInteger(size) && size >= 0 ? size : undefined;
}
