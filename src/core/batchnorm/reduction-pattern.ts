import { product } from '../numbers/arrays.js';
import type { Node } from '../onnx/model.js';
import { resolveAxes } from './normalized-axes.js';
import { MAX_WRAPPERS, type NumberConstant } from './pattern.js';
import { ViewPattern } from './view-pattern.js';

/** A mean of a tensor over axes; null: all axes. */
export interface Mean {
	readonly of: string;
	readonly axes: readonly number[] | null;
	/** True: the mean is of the tensor's squares, as ReduceSumSquare and ReduceL2 compute them. */
	readonly isOfSquares?: true;
	/** Number of values m, if the sum is divided by m - 1; true: computed from the shape of the data. */
	readonly unbiased?: number | true;
}

/** A mean as operators compute it, before its dimensions are moved. */
export interface Reduction extends Mean {
	readonly keepsAxes: boolean;
}

/** Recognizes means, sums divided by their counts, squares and differences in the forms that exporters write. */
export class ReductionPattern extends ViewPattern {
	/** Recognizes a mean and a mean of means, whose axes are joined. */
	async reduction(name: string, until: string | undefined, depth = 0): Promise<Reduction | undefined> {
		const node = this.writer(name);
		const single = node && (await this.#singleReduction(node, until));
		const isLast = single === undefined || single.isOfSquares || single.unbiased !== undefined;
		if (isLast || depth > MAX_WRAPPERS || this.source(single.of) === until) {
			return single;
		}
		const inner = await this.reduction(single.of, until, depth + 1);
		const axes = inner?.unbiased === undefined ? this.#joinedAxes(inner, single) : undefined;
		return inner && axes ? { ...inner, axes } : single;
	}

	/** Returns the axes of a reduction of a reduction; undefined if only one of them keeps its axes. */
	#joinedAxes(inner: Reduction | undefined, outer: Reduction): readonly number[] | undefined {
		const rank = inner && this.context.shapes.of(this.scope, inner.of).shape?.length;
		const first = rank === undefined ? undefined : resolveAxes(inner?.axes ?? null, rank);
		if (!first || inner?.keepsAxes !== outer.keepsAxes) {
			return undefined;
		}
		const all = Array.from({ length: rank ?? 0 }, (_, axis) => axis);
		const left = outer.keepsAxes ? all : all.filter((axis) => !first.includes(axis));
		const second = resolveAxes(outer.axes, left.length)?.map((at) => left[at]);
		return second && [...new Set([...first, ...second])].toSorted((one, other) => one - other);
	}

	async #singleReduction(node: Node, until: string | undefined): Promise<Reduction | undefined> {
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
			return this.#divided(a, b, { until });
		}
		if (this.isOp(node, 'Mul') && this.source(a) !== this.source(b)) {
			return (await this.#divided(a, b, { until, isInverse: true })) ?? this.#divided(b, a, { until, isInverse: true });
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
	async #divided(
		name: string,
		divisor: string,
		{ until, isInverse = false }: { readonly until: string | undefined; readonly isInverse?: boolean },
	): Promise<Reduction | undefined> {
		const sum = await this.#sum(name, until);
		if (!sum) {
			return undefined;
		}
		const { of, axes } = sum;
		const count = await this.countOf(of, axes);
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
			const counted = this.source(same);
			if (await this.isCount(divisor, counted, axes)) {
				return sum;
			}
			if (await this.isCountLessOne(divisor, counted, axes)) {
				return { ...sum, unbiased: true };
			}
		}
		return undefined;
	}

	/** Recognizes a sum, a sum of sums, a sum of squares, and the square of a root of a sum of squares. */
	async #sum(name: string, until: string | undefined, depth = 0): Promise<Reduction | undefined> {
		const node = this.writer(name);
		const isPlain = this.isOp(node, 'ReduceSum');
		if (isPlain || this.isOp(node, 'ReduceSumSquare')) {
			const axes = await this.#axes(node);
			const sum = {
				of: node.inputs[0] ?? '',
				keepsAxes: this.#keepsAxes(node),
				...(!isPlain && { isOfSquares: true as const }),
			};
			const single = axes === undefined ? undefined : { ...sum, axes };
			if (!single || single.isOfSquares || depth > MAX_WRAPPERS || this.source(single.of) === until) {
				return single;
			}
			const inner = await this.#sum(single.of, until, depth + 1);
			const all = this.#joinedAxes(inner, single);
			return inner && all ? { ...inner, axes: all } : single;
		}
		const root = await this.squared(name);
		return root === undefined ? undefined : this.#norm(root);
	}

	/** Recognizes (ReduceL2 / sqrt(count))^2. @param root the quotient */
	async #squaredRoot(root: string): Promise<Reduction | undefined> {
		const quotient = this.writer(root);
		const norm = this.isOp(quotient, 'Div') ? await this.#norm(quotient.inputs[0] ?? '') : undefined;
		const divisor = norm && (await this.constant(quotient?.inputs[1] ?? ''));
		const count = norm && (await this.countOf(norm.of, norm.axes));
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
	async countOf(of: string, axes: readonly number[] | null): Promise<number | undefined> {
		for (const same of [of, ...this.operands(of)]) {
			const shape = await this.shapeOf(same);
			const sizes = shape && resolveAxes(axes, shape.length)?.map((axis) => shape[axis]);
			if (sizes?.every((size) => typeof size === 'number')) {
				return product(sizes);
			}
		}
		return undefined;
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
		const axes = isGiven ? await this.integers(node, 'axes') : [];
		const hasNoEffect = axes?.length === 0 && (this.scope.attribute(node, 'noop_with_empty_axes')?.i ?? 0) !== 0;
		return hasNoEffect ? undefined : axes?.length === 0 ? null : axes;
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
