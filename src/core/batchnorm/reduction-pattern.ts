import type { Node } from '../onnx/model.js';
import { resolveAxes } from './normalized-axes.js';
import { GraphPattern, MAX_WRAPPERS, type NumberConstant } from './pattern.js';

/** A mean of a tensor over axes; null: all axes. */
export interface Mean {
	readonly of: string;
	readonly axes: readonly number[] | null;
	/** True: the mean is of the tensor's squares, as ReduceSumSquare and ReduceL2 compute them. */
	readonly isOfSquares?: true;
	/** Number of values m, if the sum is divided by m - 1. */
	readonly unbiased?: number;
}

/** A mean as operators compute it, before its dimensions are moved. */
export interface Reduction extends Mean {
	readonly keepsAxes: boolean;
}

/** Recognizes means, sums divided by their counts, squares and differences in the forms that exporters write. */
export class ReductionPattern extends GraphPattern {
	/** Recognizes a mean and a mean of means, whose axes are joined. */
	async reduction(name: string, until: string | undefined, depth = 0): Promise<Reduction | undefined> {
		const node = this.writer(name);
		const single = node && (await this.#singleReduction(node));
		if (!single?.keepsAxes || single.isOfSquares || depth > MAX_WRAPPERS || this.source(single.of) === until) {
			return single;
		}
		const inner = await this.reduction(single.of, until, depth + 1);
		const rank = inner && this.context.shapes.of(this.scope, inner.of).shape?.length;
		if (!inner?.keepsAxes || inner.unbiased !== undefined || rank === undefined) {
			return single;
		}
		const [a, b] = [resolveAxes(inner.axes, rank), resolveAxes(single.axes, rank)];
		return a && b ? { ...inner, axes: [...new Set([...a, ...b])].toSorted((one, other) => one - other) } : single;
	}

	async #singleReduction(node: Node): Promise<Reduction | undefined> {
		const of = node.inputs[0] ?? '';
		if (this.isOp(node, 'ReduceMean')) {
			const axes = await this.#axes(node);
			return axes === undefined ? undefined : { of, axes, keepsAxes: this.#keepsAxes(node) };
		}
		const shape = this.context.shapes.of(this.scope, of).shape;
		const isPool = this.isOp(node, 'GlobalAveragePool') || this.#isWholePool(node, shape);
		if (shape && isPool) {
			return { of, axes: Array.from({ length: shape.length - 2 }, (_, i) => i + 2), keepsAxes: true };
		}
		const [a = '', b = ''] = node.inputs;
		if (this.isOp(node, 'Div')) {
			return this.#divided(a, b, false);
		}
		if (this.isOp(node, 'Mul') && this.source(a) !== this.source(b)) {
			return (await this.#divided(a, b, true)) ?? (await this.#divided(b, a, true));
		}
		const root = await this.squared(node.outputs[0] ?? '');
		return root === undefined ? undefined : this.#squaredRoot(root);
	}

	/** True for an AveragePool over all positions of a known size. */
	#isWholePool(node: Node, shape: readonly unknown[] | undefined): boolean {
		const kernel = this.isOp(node, 'AveragePool') ? this.scope.attribute(node, 'kernel_shape')?.ints : undefined;
		const isPadded =
			this.scope.attribute(node, 'auto_pad')?.s !== undefined ||
			(this.scope.attribute(node, 'pads')?.ints?.some((pad) => pad !== 0) ?? false);
		const sizes = shape?.slice(2);
		return (
			!isPadded && kernel !== undefined && kernel.length === sizes?.length && kernel.every((k, i) => k === sizes[i])
		);
	}

	/**
	 * Recognizes a sum divided by its number of values, or by this number minus 1.
	 * @param isInverse true: `divisor` is 1 / count
	 */
	async #divided(name: string, divisor: string, isInverse: boolean): Promise<Reduction | undefined> {
		const sum = await this.#sum(name);
		if (!sum) {
			return undefined;
		}
		const { of, axes } = sum;
		const count = this.countOf(of, axes);
		const given = await this.constant(divisor);
		const stated = given && { ...given, value: isInverse ? 1 / given.value : given.value };
		if (stated !== undefined && count !== undefined) {
			const isLess = Math.abs(stated.value - count + 1) < Math.abs(stated.value - count);
			return isNear(stated, isLess ? count - 1 : count) ? { ...sum, ...(isLess && { unbiased: count }) } : undefined;
		}
		if (isInverse) {
			return undefined;
		}
		// The count may come from the shape of x, also for the squares of x or of x - mean.
		for (const same of [of, ...this.operands(of)]) {
			if (await this.isCount(divisor, { of: this.source(same), axes })) {
				return sum;
			}
		}
		return undefined;
	}

	/** Recognizes a sum, a sum of squares, and the square of a root of a sum of squares. */
	async #sum(name: string): Promise<Reduction | undefined> {
		const node = this.writer(name);
		const isPlain = this.isOp(node, 'ReduceSum');
		if (isPlain || this.isOp(node, 'ReduceSumSquare')) {
			const axes = await this.#axes(node);
			const sum = {
				of: node.inputs[0] ?? '',
				keepsAxes: this.#keepsAxes(node),
				...(!isPlain && { isOfSquares: true as const }),
			};
			return axes === undefined ? undefined : { ...sum, axes };
		}
		const root = await this.squared(name);
		return root === undefined ? undefined : this.#norm(root);
	}

	/** Recognizes (ReduceL2 / sqrt(count))^2. @param root the quotient */
	async #squaredRoot(root: string): Promise<Reduction | undefined> {
		const quotient = this.writer(root);
		const norm = this.isOp(quotient, 'Div') ? await this.#norm(quotient.inputs[0] ?? '') : undefined;
		const divisor = norm && (await this.constant(quotient?.inputs[1] ?? ''));
		const count = norm && this.countOf(norm.of, norm.axes);
		return divisor !== undefined && count !== undefined && isNear(divisor, Math.sqrt(count)) ? norm : undefined;
	}

	async #norm(name: string): Promise<Reduction | undefined> {
		const node = this.writer(name);
		const axes = this.isOp(node, 'ReduceL2') ? await this.#axes(node) : undefined;
		return node && axes !== undefined
			? { of: node.inputs[0] ?? '', axes, keepsAxes: this.#keepsAxes(node), isOfSquares: true }
			: undefined;
	}

	/** Returns the number of values behind each mean; undefined if a size is unknown. */
	countOf(of: string, axes: readonly number[] | null): number | undefined {
		const shape = this.context.shapes.of(this.scope, of).shape;
		const sizes = shape && resolveAxes(axes, shape.length)?.map((axis) => shape[axis]);
		return sizes?.reduce<number | undefined>(
			(product, size) => (product === undefined || typeof size !== 'number' ? undefined : product * size),
			1,
		);
	}

	/** Returns t of t * t, t^2 or |t|^2. */
	async squared(name: string): Promise<string | undefined> {
		const square = this.writer(name);
		const [a = '', b = ''] = square?.inputs ?? [];
		const isSquare = this.isOp(square, 'Mul')
			? this.source(a) === this.source(b)
			: this.isOp(square, 'Pow') && (await this.isNumber(b, 2));
		const base = this.writer(a);
		return isSquare ? (this.isOp(base, 'Abs') ? base.inputs[0] : a) : undefined;
	}

	/** Returns x and mean of x - mean, or of x + (-mean). */
	difference(name: string): { readonly x: string; readonly mean: string } | undefined {
		const node = this.writer(name);
		const [a = '', b = ''] = node?.inputs ?? [];
		if (this.isOp(node, 'Sub')) {
			return { x: a, mean: b };
		}
		if (this.isOp(node, 'Add')) {
			for (const [x, other] of [
				[a, b],
				[b, a],
			]) {
				const negative = this.writer(other);
				if (this.isOp(negative, 'Neg')) {
					return { x, mean: negative.inputs[0] ?? '' };
				}
			}
		}
		return undefined;
	}

	/** Returns the first operands of a square and of the difference in it, which have the shape of the square. */
	operands(square: string): string[] {
		const product = this.writer(square);
		const base = this.isOp(product, 'Mul') || this.isOp(product, 'Pow') ? (product.inputs[0] ?? '') : square;
		const difference = this.difference(base);
		return difference ? [base, difference.x] : [base];
	}

	#keepsAxes(node: Node): boolean {
		return (this.scope.attribute(node, 'keepdims')?.i ?? 1) !== 0;
	}

	/** Returns the axes of a reduction, from its attribute or its second input; null: all; undefined: unknown. */
	async #axes(node: Node): Promise<readonly number[] | null | undefined> {
		const isGiven = this.scope.attribute(node, 'axes')?.ints !== undefined || (node.inputs[1] ?? '') !== '';
		return isGiven ? this.integers(node, 'axes') : null;
	}

	/** True if a tensor holds the number of values behind each statistic, computed from the shape of x. */
	async isCount(name: string, { of, axes }: Mean): Promise<boolean> {
		const counted = await this.#countedAxes(name, of);
		return counted !== undefined && sameAxes(counted, axes);
	}

	/** Returns the axes of a tensor whose sizes are multiplied, by ReduceProd or by Mul; null: all. */
	async #countedAxes(name: string, of: string, depth = 0): Promise<readonly number[] | null | undefined> {
		const cast = this.writer(name);
		const node = this.isOp(cast, 'Cast') ? this.writer(cast.inputs[0] ?? '') : cast;
		if (this.isOp(node, 'Mul') && depth < MAX_WRAPPERS) {
			const [a, b] = [
				await this.#countedAxes(node.inputs[0] ?? '', of, depth + 1),
				await this.#countedAxes(node.inputs[1] ?? '', of, depth + 1),
			];
			return a && b && !a.some((axis) => b.includes(axis)) ? [...a, ...b] : undefined;
		}
		const picked = this.isOp(node, 'ReduceProd') ? this.writer(node.inputs[0] ?? '') : node;
		const isAll = this.isOp(picked, 'Shape') && picked !== node;
		const shape = this.isOp(picked, 'Gather') ? this.writer(picked.inputs[0] ?? '') : picked;
		if (!this.isOp(shape, 'Shape') || this.source(shape.inputs[0] ?? '') !== of) {
			return undefined;
		}
		if (isAll) {
			return null;
		}
		const indices = picked === undefined || picked === shape ? undefined : await this.integers(picked, '');
		// Without a product, only a single size is a count.
		return picked === node && indices?.length !== 1 ? undefined : indices;
	}
}

/**
 * True if a constant is a number but for rounding in its type: twice that of the number and its inverse or square, as
 * the bound in handbuilt-bound.ts allows.
 */
export function isNear({ value, unitRoundoff }: NumberConstant, exact: number): boolean {
	return Math.abs(value - exact) <= 2 * unitRoundoff * Math.abs(exact);
}

export function sameAxes(a: readonly number[] | null, b: readonly number[] | null): boolean {
	return a === null || b === null ? a === b : a.length === b.length && a.every((axis) => b.includes(axis));
}
