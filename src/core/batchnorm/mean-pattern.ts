import type { Node } from '../onnx/model.js';
import { resolveAxes } from './normalized-axes.js';
import { GraphPattern, MAX_WRAPPERS } from './pattern.js';

/** A mean of a tensor over axes; null: all axes. */
export interface Mean {
	readonly of: string;
	readonly axes: readonly number[] | null;
}

/** Recognizes means in the forms that exporters write, if their shapes broadcast against the tensor's. */
export class MeanPattern extends GraphPattern {
	/** Returns tensor and axes of a mean whose shape broadcasts against the tensor's. */
	async mean(name: string): Promise<Mean | undefined> {
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
			return this.isOp(node, 'Div') && reshapes.length === 0 ? this.#dividedSum(node) : undefined;
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

	/** Recognizes a sum divided by its number of values. */
	async #dividedSum(quotient: Node): Promise<Mean | undefined> {
		const [sum, count] = [this.writer(quotient.inputs[0] ?? ''), quotient.inputs[1] ?? ''];
		const of = sum?.inputs[0] ?? '';
		const axes = this.isOp(sum, 'ReduceSum') && this.#keepsAxes(sum) ? await this.#axes(sum) : undefined;
		if (axes === undefined) {
			return undefined;
		}
		const shape = this.context.shapes.of(this.scope, of).shape;
		const sizes = shape && resolveAxes(axes, shape.length)?.map((axis) => shape[axis]);
		const values = sizes?.reduce<number>(
			(product, size) => product * (typeof size === 'number' ? size : Number.NaN),
			1,
		);
		if (await this.isNumber(count, values ?? Number.NaN)) {
			return { of, axes };
		}
		// The count may come from the shape of x, also for the squares of x or of x - mean.
		for (const same of [of, ...this.#operands(of)]) {
			if (await this.isCount(count, { of: this.source(same), axes })) {
				return { of, axes };
			}
		}
		return undefined;
	}

	/** Returns the first operands of a square and of the difference in it, which have the shape of the square. */
	#operands(square: string): string[] {
		const product = this.writer(square);
		const base = this.isOp(product, 'Mul') || this.isOp(product, 'Pow') ? (product.inputs[0] ?? '') : square;
		const difference = this.writer(base);
		return this.isOp(difference, 'Sub') ? [base, difference.inputs[0] ?? ''] : [base];
	}

	/**
	 * Returns the axis of x that each dimension of a mean stands for, behind operators that add dimensions of size 1.
	 * @param shape of x
	 */
	async #layoutBehind(reshapes: readonly Node[], from: Layout, shape: readonly unknown[]): Promise<Layout | undefined> {
		let layout: Layout | undefined = from;
		for (const node of reshapes) {
			const target: readonly number[] | null | undefined = await this.integers(node, 'axes');
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
		const added = this.isOp(node, 'Unsqueeze') && others.length === 0 ? await this.integers(node, 'axes') : null;
		return added && axes && sameAxes(added, axes) ? [] : undefined;
	}

	#keepsAxes(node: Node): boolean {
		return (this.scope.attribute(node, 'keepdims')?.i ?? 1) !== 0;
	}

	/** Returns the axes of a ReduceMean, from its attribute or its second input; null: all; undefined: unknown. */
	async #axes(node: Node): Promise<readonly number[] | null | undefined> {
		const isGiven = this.scope.attribute(node, 'axes')?.ints !== undefined || (node.inputs[1] ?? '') !== '';
		return isGiven ? this.integers(node, 'axes') : null;
	}

	/** Returns constant integers from an attribute or the second input; undefined if they are unknown. */
	async integers(node: Node, attribute: string): Promise<readonly number[] | undefined> {
		const given = this.scope.attribute(node, attribute)?.ints;
		if (given) {
			return given;
		}
		const { tensor } = await this.context.constants.resolve(this.scope, node.inputs[1] ?? '');
		return tensor ? Array.from(tensor.data) : undefined;
	}

	/** True if two tensors are the same, or means of the same tensor over the same axes. */
	async isSameMean(a: string, b: string): Promise<boolean> {
		if (this.source(a) === this.source(b)) {
			return true;
		}
		const [one, other] = [await this.mean(a), await this.mean(b)];
		return (
			one !== undefined &&
			other !== undefined &&
			this.source(one.of) === this.source(other.of) &&
			sameAxes(one.axes, other.axes)
		);
	}

	/** True if a tensor holds the number of values behind each statistic, computed from the shape of x. */
	async isCount(name: string, { of, axes }: Mean): Promise<boolean> {
		const cast = this.writer(name);
		const sizes = this.writer(this.isOp(cast, 'Cast') ? (cast.inputs[0] ?? '') : name);
		const picked = this.isOp(sizes, 'ReduceProd') ? this.writer(sizes.inputs[0] ?? '') : undefined;
		const isAll = this.isOp(picked, 'Shape');
		const shape = this.isOp(picked, 'Gather') ? this.writer(picked.inputs[0] ?? '') : picked;
		if (!picked || !this.isOp(shape, 'Shape') || this.source(shape.inputs[0] ?? '') !== of) {
			return false;
		}
		const indices = isAll ? null : await this.integers(picked, '');
		return indices !== undefined && sameAxes(indices, axes);
	}
}

export function sameAxes(a: readonly number[] | null, b: readonly number[] | null): boolean {
	return a === null || b === null ? a === b : a.length === b.length && a.every((axis) => b.includes(axis));
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
