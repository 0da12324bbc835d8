import type { Node } from '../onnx/model.js';
import type { HandBuilt } from './layer.js';
import { GraphPattern } from './pattern.js';

/** Statistics of data: mean and variance over the same axes. */
interface Statistics {
	readonly x: string;
	/** null: all axes. */
	readonly axes: readonly number[] | null;
	readonly variance: HandBuilt['variance'];
}

export interface Core extends Statistics {
	readonly epsilon: number;
}

/** Finds the parts of a normalization backwards from its division. */
export class StatisticsPattern extends GraphPattern {
	async core(node: Node): Promise<Core | undefined> {
		for await (const [centered, deviation] of this.#quotients(node)) {
			const inside = this.isOp(this.writer(centered), 'Sub') && deviation && (await this.#withEpsilon(deviation));
			const statistics = inside && (await this.#statistics(centered, inside.variance));
			if (inside && statistics) {
				return { ...statistics, epsilon: inside.epsilon };
			}
		}
		return undefined;
	}

	/** Returns the pairs (x - mean, variance + epsilon) that a node may divide, with a root of the second. */
	async *#quotients(node: Node): AsyncGenerator<readonly [string, string | undefined]> {
		const [a = '', b = ''] = node.inputs;
		if (this.isOp(node, 'Div')) {
			yield [a, await this.#rooted(b)];
		} else if (this.isOp(node, 'Mul')) {
			for (const [centered, inverse] of [
				[a, b],
				[b, a],
			]) {
				yield [centered, await this.#inverted(inverse)];
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

	/** Returns v of 1 / sqrt(v) or v^-0.5. */
	async #inverted(name: string): Promise<string | undefined> {
		const inverse = this.writer(name);
		if (this.isOp(inverse, 'Reciprocal')) {
			return this.#rooted(inverse.inputs[0] ?? '');
		}
		if (this.isOp(inverse, 'Div') && (await this.isNumber(inverse.inputs[0], 1))) {
			return this.#rooted(inverse.inputs[1] ?? '');
		}
		return this.isOp(inverse, 'Pow') && (await this.isNumber(inverse.inputs[1], -0.5)) ? inverse.inputs[0] : undefined;
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

	/** Recognizes mean((x - mean)^2) and mean(x^2) - mean^2. */
	async #varianceForm(
		name: string,
		{ centered, x, mean }: { readonly centered: string; readonly x: string; readonly mean: string },
	): Promise<{ readonly axes: readonly number[] | null; readonly form: HandBuilt['variance'] } | undefined> {
		const difference = this.writer(name);
		if (this.isOp(difference, 'Sub')) {
			const squares = await this.#mean(difference.inputs[0] ?? '');
			const base = squares && (await this.#squared(squares.of));
			const isSquareOfMean = this.source((await this.#squared(difference.inputs[1] ?? '')) ?? '') === this.source(mean);
			return squares && base && isSquareOfMean && this.source(base) === this.source(x)
				? { axes: squares.axes, form: 'difference' }
				: undefined;
		}
		const squares = await this.#mean(name);
		const base = squares && (await this.#squared(squares.of));
		return squares && base && this.#isSameDifference(base, centered)
			? { axes: squares.axes, form: 'centered' }
			: undefined;
	}

	/** True if two tensors are the same difference: the same tensor, or two Subs of the same inputs. */
	#isSameDifference(a: string, b: string): boolean {
		const [one, other] = [this.writer(a), this.writer(b)];
		const inputs = (node: Node | undefined) => node?.inputs.map((name) => this.source(name)).join('\0');
		return one !== undefined && (one === other || (this.isOp(one, 'Sub') && inputs(one) === inputs(other)));
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
		const node = this.writer(name);
		if (this.isOp(node, 'Unsqueeze')) {
			const inner = this.writer(node.inputs[0] ?? '');
			if (!this.isOp(inner, 'ReduceMean') || this.#keepsAxes(inner)) {
				return undefined;
			}
			const [added, reduced] = [await this.#axes(node), await this.#axes(inner)];
			return added && reduced && sameAxes(added, reduced) ? { of: inner.inputs[0] ?? '', axes: reduced } : undefined;
		}
		if (this.isOp(node, 'GlobalAveragePool')) {
			const rank = this.context.shapes.of(this.scope, node.inputs[0] ?? '').shape?.length;
			const axes = rank === undefined ? undefined : Array.from({ length: rank - 2 }, (_, i) => i + 2);
			return axes && { of: node.inputs[0] ?? '', axes };
		}
		if (!this.isOp(node, 'ReduceMean')) {
			return undefined;
		}
		const axes = await this.#axes(node);
		// Without reduced axes, the result aligns with the last axes of x.
		const isAligned = this.#keepsAxes(node) || axes === null || axes?.toSorted().every((axis, at) => axis === at);
		return axes !== undefined && isAligned ? { of: node.inputs[0] ?? '', axes } : undefined;
	}

	#keepsAxes(node: Node): boolean {
		return (this.scope.attribute(node, 'keepdims')?.i ?? 1) !== 0;
	}

	/** Returns the axes of a node, from its attribute or its second input; null: all; undefined: unknown. */
	async #axes(node: Node): Promise<readonly number[] | null | undefined> {
		const attribute = this.scope.attribute(node, 'axes')?.ints;
		const name = node.inputs[1] ?? '';
		if (attribute || name === '') {
			return attribute ?? null;
		}
		const { tensor } = await this.context.constants.resolve(this.scope, name);
		return tensor ? Array.from(tensor.data) : undefined;
	}
}

function sameAxes(a: readonly number[] | null, b: readonly number[] | null): boolean {
	return a === null || b === null ? a === b : a.length === b.length && a.every((axis) => b.includes(axis));
}
