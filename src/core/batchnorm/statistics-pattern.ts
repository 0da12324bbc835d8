import type { Node } from '../onnx/model.js';
import type { HandBuilt } from './layer.js';
import { resolveAxes } from './normalized-axes.js';
import { GraphPattern, MAX_WRAPPERS } from './pattern.js';

/** Statistics of data: mean and variance over the same axes. */
interface Statistics {
	readonly x: string;
	/** null: all axes. */
	readonly axes: readonly number[] | null;
	readonly variance: HandBuilt['variance'];
}

export interface Core extends Statistics {
	readonly epsilon: number;
	/** Name of the constant gamma, if gamma / sqrt(variance + epsilon) multiplies the difference. */
	readonly gamma?: string;
}

/** What a node multiplies by a difference: gamma / sqrt(v), with 1 for an absent gamma. */
interface Inverse {
	/** v */
	readonly of: string;
	readonly gamma?: string;
}

/** Finds the parts of a normalization backwards from its division. */
export class StatisticsPattern extends GraphPattern {
	async core(node: Node): Promise<Core | undefined> {
		for await (const [centered, inverse] of this.#quotients(node)) {
			const inside = this.isOp(this.writer(centered), 'Sub') && inverse && (await this.#withEpsilon(inverse.of));
			const statistics = inside && (await this.#statistics(centered, inside.variance));
			if (inside && statistics) {
				const { gamma } = inverse;
				return { ...statistics, epsilon: inside.epsilon, ...(gamma !== undefined && { gamma }) };
			}
		}
		return undefined;
	}

	/** Returns the pairs of x - mean and the inverse deviation that a node may multiply. */
	async *#quotients(node: Node): AsyncGenerator<readonly [string, Inverse | undefined]> {
		const [a = '', b = ''] = node.inputs;
		if (this.isOp(node, 'Div')) {
			const of = await this.#rooted(b);
			yield [a, of === undefined ? undefined : { of }];
		} else if (this.isOp(node, 'Mul')) {
			for (const [centered, inverse] of [
				[a, b],
				[b, a],
			]) {
				yield [centered, (await this.#inverted(inverse)) ?? (await this.#scaledInverse(inverse))];
			}
		}
	}

	/** Returns v of sqrt(v) or v^0.5. */
	async #rooted(name: string): Promise<string | undefined> {
		const root = this.writer(name);
		if (this.isOp(root, 'Sqrt')) {
			return root.inputs[0];
		}
		return this.isOp(root, 'Pow') && (await this.isNumber(root.inputs[1], 0.5)) ? root.inputs[0] : undefined;
	}

	/** Recognizes 1 / sqrt(v) and v^-0.5. */
	async #inverted(name: string): Promise<Inverse | undefined> {
		const inverse = this.writer(name);
		let of: string | undefined;
		if (this.isOp(inverse, 'Reciprocal')) {
			of = await this.#rooted(inverse.inputs[0] ?? '');
		} else if (this.isOp(inverse, 'Div') && (await this.isNumber(inverse.inputs[0], 1))) {
			of = await this.#rooted(inverse.inputs[1] ?? '');
		} else if (this.isOp(inverse, 'Pow') && (await this.isNumber(inverse.inputs[1], -0.5))) {
			of = inverse.inputs[0];
		}
		return of === undefined ? undefined : { of };
	}

	/** Recognizes gamma / sqrt(v), and gamma times an inverse, with a constant gamma. */
	async #scaledInverse(name: string): Promise<Inverse | undefined> {
		const product = this.writer(name);
		const [a = '', b = ''] = product?.inputs ?? [];
		if (this.isOp(product, 'Div')) {
			const of = await this.#rooted(b);
			return of === undefined ? undefined : { of, gamma: a };
		}
		if (this.isOp(product, 'Mul')) {
			for (const [gamma, inverse] of [
				[a, b],
				[b, a],
			]) {
				const inner = await this.#inverted(inverse);
				if (inner) {
					return { ...inner, gamma };
				}
			}
		}
		return undefined;
	}

	/** Splits variance + epsilon; epsilon is 0 if none is added. */
	async #withEpsilon(name: string): Promise<{ readonly variance: string; readonly epsilon: number } | undefined> {
		const sum = this.writer(name);
		if (!this.isOp(sum, 'Add')) {
			return { variance: name, epsilon: 0 };
		}
		const [a = '', b = ''] = sum.inputs;
		for (const [variance, constant] of [
			[a, b],
			[b, a],
		]) {
			const epsilon = await this.number(constant);
			if (epsilon !== undefined) {
				return { variance, epsilon };
			}
		}
		return undefined;
	}

	/** Returns the statistics behind x - mean and a variance, if both are of the same data over the same axes. */
	async #statistics(centered: string, variance: string): Promise<Statistics | undefined> {
		const difference = this.writer(centered);
		const [x = '', mean = ''] = difference?.inputs ?? [];
		const center = await this.#mean(mean);
		if (!center || this.source(center.of) !== this.source(x)) {
			return undefined;
		}
		const form = await this.#varianceForm(variance, { centered, x, mean });
		const isSame = form && sameAxes(form.axes, center.axes);
		return isSame ? { x: this.source(x), axes: center.axes, variance: form.form } : undefined;
	}

	/** Recognizes mean((x - mean)^2) and mean(x^2) - mean^2. Exporters may compute the same mean twice. */
	async #varianceForm(
		name: string,
		{ centered, x, mean }: { readonly centered: string; readonly x: string; readonly mean: string },
	): Promise<{ readonly axes: readonly number[] | null; readonly form: HandBuilt['variance'] } | undefined> {
		const difference = this.writer(name);
		if (this.isOp(difference, 'Sub')) {
			const squares = await this.#mean(difference.inputs[0] ?? '');
			const base = squares && (await this.#squared(squares.of));
			const root = await this.#squared(difference.inputs[1] ?? '');
			const isSquareOfMean = root !== undefined && (await this.#isSameMean(root, mean));
			return squares && base && isSquareOfMean && this.source(base) === this.source(x)
				? { axes: squares.axes, form: 'difference' }
				: undefined;
		}
		const squares = await this.#mean(name);
		const base = squares && (await this.#squared(squares.of));
		return squares && base && (await this.#isSameDifference(base, centered))
			? { axes: squares.axes, form: 'centered' }
			: undefined;
	}

	/** True if two tensors are the same difference: the same tensor, or two Subs of the same tensor and its mean. */
	async #isSameDifference(a: string, b: string): Promise<boolean> {
		const [one, other] = [this.writer(a), this.writer(b)];
		if (one === other || !this.isOp(one, 'Sub') || !this.isOp(other, 'Sub')) {
			return one !== undefined && one === other;
		}
		const [[x = '', mean = ''], [y = '', second = '']] = [one.inputs, other.inputs];
		return this.source(x) === this.source(y) && this.#isSameMean(mean, second);
	}

	/** True if two tensors are the same, or means of the same tensor over the same axes. */
	async #isSameMean(a: string, b: string): Promise<boolean> {
		if (this.source(a) === this.source(b)) {
			return true;
		}
		const [one, other] = [await this.#mean(a), await this.#mean(b)];
		return (
			one !== undefined &&
			other !== undefined &&
			this.source(one.of) === this.source(other.of) &&
			sameAxes(one.axes, other.axes)
		);
	}

	/** Returns t of t * t or t^2. */
	async #squared(name: string): Promise<string | undefined> {
		const square = this.writer(name);
		const [a = '', b = ''] = square?.inputs ?? [];
		if (this.isOp(square, 'Mul')) {
			return this.source(a) === this.source(b) ? a : undefined;
		}
		return this.isOp(square, 'Pow') && (await this.isNumber(b, 2)) ? a : undefined;
	}

	/** Returns tensor and axes of a mean whose shape broadcasts against the tensor's. */
	async #mean(name: string): Promise<{ readonly of: string; readonly axes: readonly number[] | null } | undefined> {
		const reshapes: Node[] = [];
		let node = this.writer(name);
		while ((this.isOp(node, 'Unsqueeze') || this.isOp(node, 'Reshape')) && reshapes.length < MAX_WRAPPERS) {
			reshapes.unshift(node);
			node = this.writer(node.inputs[0] ?? '');
		}
		const of = node?.inputs[0] ?? '';
		const shape = this.context.shapes.of(this.scope, of).shape;
		if (this.isOp(node, 'GlobalAveragePool')) {
			const isWhole = shape !== undefined && reshapes.length === 0;
			return isWhole ? { of, axes: Array.from({ length: shape.length - 2 }, (_, i) => i + 2) } : undefined;
		}
		const axes = this.isOp(node, 'ReduceMean') ? await this.#axes(node) : undefined;
		if (node === undefined || axes === undefined) {
			return undefined;
		}
		const keeps = this.#keepsAxes(node);
		if (reshapes.length === 0 && (keeps || axes === null)) {
			return { of, axes };
		}
		const reduced = shape && resolveAxes(axes, shape.length);
		const layout = reduced
			? await this.#layoutBehind(reshapes, axesLeft(reduced, shape.length, keeps), shape)
			: await this.#layoutOfLeadingAxes(reshapes, axes);
		return layout && isAligned(layout, shape?.length ?? layout.length) ? { of, axes } : undefined;
	}

	/**
	 * Returns the axis of x that each dimension of a mean stands for, behind operators that add dimensions of size 1.
	 * @param shape of x
	 */
	async #layoutBehind(reshapes: readonly Node[], from: Layout, shape: readonly unknown[]): Promise<Layout | undefined> {
		let layout: Layout | undefined = from;
		for (const node of reshapes) {
			const target: readonly number[] | null | undefined = await this.#integers(node, 'axes');
			if (!target || !layout) {
				return undefined;
			}
			layout = this.isOp(node, 'Reshape') ? reshaped(layout, target, shape) : unsqueezed(layout, target);
		}
		return layout;
	}

	/** Returns the layout of a mean of unknown rank, if the mean is over its first axes, or they are added again. */
	async #layoutOfLeadingAxes(reshapes: readonly Node[], axes: readonly number[] | null): Promise<Layout | undefined> {
		const [node, ...others] = reshapes;
		if (node === undefined) {
			return axes?.toSorted().every((axis, at) => axis === at) ? [] : undefined;
		}
		const added = this.isOp(node, 'Unsqueeze') && others.length === 0 ? await this.#integers(node, 'axes') : null;
		return added && axes && sameAxes(added, axes) ? [] : undefined;
	}

	#keepsAxes(node: Node): boolean {
		return (this.scope.attribute(node, 'keepdims')?.i ?? 1) !== 0;
	}

	/** Returns the axes of a ReduceMean, from its attribute or its second input; null: all; undefined: unknown. */
	async #axes(node: Node): Promise<readonly number[] | null | undefined> {
		const isGiven = this.scope.attribute(node, 'axes')?.ints !== undefined || (node.inputs[1] ?? '') !== '';
		return isGiven ? this.#integers(node, 'axes') : null;
	}

	/** Returns constant integers from an attribute or the second input; undefined if they are unknown. */
	async #integers(node: Node, attribute: string): Promise<readonly number[] | undefined> {
		const given = this.scope.attribute(node, attribute)?.ints;
		if (given) {
			return given;
		}
		const { tensor } = await this.context.constants.resolve(this.scope, node.inputs[1] ?? '');
		return tensor ? Array.from(tensor.data) : undefined;
	}
}

/** The axis of x behind each dimension of a mean; null for a dimension of size 1 that stands for no axis. */
type Layout = readonly (number | null)[];

function axesLeft(reduced: readonly number[], rank: number, keeps: boolean): Layout {
	const all = Array.from({ length: rank }, (_, axis) => (reduced.includes(axis) ? null : axis));
	return keeps ? all : all.filter((axis) => axis !== null);
}

function unsqueezed(layout: Layout, axes: readonly number[]): Layout | undefined {
	const added = resolveAxes(axes, layout.length + axes.length);
	const left = [...layout];
	return (
		added &&
		Array.from({ length: layout.length + axes.length }, (_, at) => (added.includes(at) ? null : (left.shift() ?? null)))
	);
}

/** Returns undefined unless the target keeps every axis in its order, and adds only dimensions of size 1. */
function reshaped(layout: Layout, target: readonly number[], shape: readonly unknown[]): Layout | undefined {
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
function isAligned(layout: Layout, rank: number): boolean {
	return layout.length <= rank && layout.every((axis, at) => axis === null || axis === at + rank - layout.length);
}

function sameAxes(a: readonly number[] | null, b: readonly number[] | null): boolean {
	return a === null || b === null ? a === b : a.length === b.length && a.every((axis) => b.includes(axis));
}
