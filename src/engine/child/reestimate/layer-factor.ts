import type { GraphAdditions } from './graph-additions.js';

/** Names of a layer's constants. */
export interface LayerConstants {
	/** Shape (width). */
	readonly gamma: string;
	/** Shape (width). */
	readonly beta: string;
	/** Scalar. */
	readonly epsilon: string;
}

/**
 * Adds a layer's factor gamma / sqrt(variance + epsilon), shape (width).
 * @param variance name of the batch's variance, shape (width)
 */
export function addFactor(
	additions: GraphAdditions,
	index: number,
	{ gamma, epsilon }: LayerConstants,
	variance: string,
): string {
	const name = (part: string) => `layer${index}//${part}`;
	const square = additions.node('Add', [variance, epsilon], name('square'));
	return additions.node('Div', [gamma, additions.node('Sqrt', [square], name('deviation'))], name('factor'));
}
