import type { Node } from '../onnx/model.js';
import type { HandBuilt } from './layer.js';
import { MeanPattern, sameAxes } from './mean-pattern.js';

/** Statistics of data: mean and variance over the same axes. */
interface Statistics {
	readonly x: string;
	/** null: all axes. */
	readonly axes: readonly number[] | null;
	readonly variance: HandBuilt['variance'];
	readonly unbiased?: NonNullable<HandBuilt['unbiased']>;
}

export interface Core extends Statistics {
	readonly epsilon: number;
	/** Name of the constant gamma, if gamma / sqrt(variance + epsilon) multiplies the difference. */
	readonly gamma?: string;
}

/** Factor of a difference: gamma / sqrt(v), with 1 for an absent gamma. */
interface Inverse {
	/** v */
	readonly of: string;
	readonly gamma?: string;
}

/** Finds the parts of a normalization backwards from its division. */
export class StatisticsPattern extends MeanPattern {
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
		const center = await this.mean(mean);
		if (!center || this.source(center.of) !== this.source(x)) {
			return undefined;
		}
		const corrected = await this.#corrected(variance);
		const form = await this.#varianceForm(corrected?.variance ?? variance, { centered, x, mean });
		if (!form || !sameAxes(form.axes, center.axes)) {
			return undefined;
		}
		const found = { x: this.source(x), axes: center.axes, variance: form.form };
		if (!corrected) {
			return found;
		}
		const { count } = corrected;
		if (typeof count === 'number') {
			return { ...found, unbiased: count };
		}
		return (await this.isCount(count, { of: found.x, axes: found.axes })) ? { ...found, unbiased: true } : undefined;
	}

	/**
	 * Splits v * m / (m - 1), the unbiased variance of m values.
	 * @returns the name of v, and m or the name of the tensor that holds it
	 */
	async #corrected(name: string): Promise<{ readonly variance: string; readonly count: number | string } | undefined> {
		const quotient = this.writer(name);
		const product = this.isOp(quotient, 'Div') ? this.writer(quotient.inputs[0] ?? '') : undefined;
		if (!quotient || !this.isOp(product, 'Mul')) {
			return undefined;
		}
		const divisor = quotient.inputs[1] ?? '';
		const [a = '', b = ''] = product.inputs;
		for (const [variance, factor] of [
			[a, b],
			[b, a],
		]) {
			const count = await this.number(factor);
			if (count !== undefined && (await this.isNumber(divisor, count - 1))) {
				return { variance, count };
			}
			const less = this.writer(divisor);
			const isLess = this.isOp(less, 'Sub') && this.source(less.inputs[0] ?? '') === this.source(factor);
			if (isLess && (await this.isNumber(less.inputs[1], 1))) {
				return { variance, count: factor };
			}
		}
		return undefined;
	}

	/** Recognizes mean((x - mean)^2) and mean(x^2) - mean^2. Exporters may compute the same mean twice. */
	async #varianceForm(
		name: string,
		{ centered, x, mean }: { readonly centered: string; readonly x: string; readonly mean: string },
	): Promise<{ readonly axes: readonly number[] | null; readonly form: HandBuilt['variance'] } | undefined> {
		const difference = this.writer(name);
		if (this.isOp(difference, 'Sub')) {
			const squares = await this.mean(difference.inputs[0] ?? '');
			const base = squares && (await this.#squared(squares.of));
			const root = await this.#squared(difference.inputs[1] ?? '');
			const isSquareOfMean = root !== undefined && (await this.isSameMean(root, mean));
			return squares && base && isSquareOfMean && this.source(base) === this.source(x)
				? { axes: squares.axes, form: 'difference' }
				: undefined;
		}
		const squares = await this.mean(name);
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
		return this.source(x) === this.source(y) && this.isSameMean(mean, second);
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
}
