import type { DataTypeCode, Node } from '../onnx/model.js';
import { typeCode } from '../onnx/types.js';
import { type Inverse, InversePattern } from './inverse-pattern.js';
import type { HandBuilt } from './layer.js';
import { resolveAxes } from './normalized-axes.js';
import { GraphPattern } from './pattern.js';
import { isNear, sameAxes } from './reduction-pattern.js';
import { viewedAxes } from './view-pattern.js';

/** Statistics of data: mean and variance over the same axes. */
interface Statistics extends Pick<HandBuilt, 'axes' | 'variance' | 'unbiased'> {
	readonly x: string;
}

/** A constant with the operators that move its dimensions. */
export interface MovedConstant {
	readonly name: string;
	readonly reshapes: readonly Node[];
}

export interface Core extends Statistics, Pick<HandBuilt, 'place'> {
	readonly epsilon: number;
	/** The constant gamma, if gamma / deviation multiplies the difference. */
	readonly gamma?: MovedConstant;
	/** The constant beta, in x * s + (beta - mean * s). */
	readonly beta?: MovedConstant;
}

/** x, its mean and the inverse of its deviation, before they are known to be that. */
interface Candidate extends Pick<Core, 'beta'> {
	readonly x: string;
	readonly mean: string;
	/** Operators behind the mean that move its dimensions. */
	readonly behindMean?: readonly Node[] | undefined;
	readonly inverse: Inverse;
}

/** Types without loss against shorter ones, the least precise first. */
const PRECISE_TYPES = [typeCode('float32'), typeCode('float64')] as const;

/** Returns the types that a normalization may compute in, the data's own type first; none if it is no float type. */
function typesFor(type: DataTypeCode): readonly DataTypeCode[] {
	const at = PRECISE_TYPES.indexOf(type);
	const isHalf = type === typeCode('float16') || type === typeCode('bfloat16');
	return at >= 0 ? PRECISE_TYPES.slice(at) : isHalf ? [type, ...PRECISE_TYPES] : [];
}

/** Finds the parts of a normalization backwards from its division, or from the last operator of x * s + t. */
export class StatisticsPattern extends InversePattern {
	/** Types that a normalization may compute in, the type of its data first: the data's and more precise ones. */
	#types: readonly DataTypeCode[] = [];
	/** Data of the candidate under way. A cast in front of them may lose values that a more precise tensor has. */
	#data: string | undefined;

	async core(node: Node): Promise<Core | undefined> {
		const type = this.context.shapes.of(this.scope, node.outputs[0] ?? '').dataType;
		this.#types = typesFor(type);
		for await (const candidate of this.#candidates(node)) {
			const { inverse, beta } = candidate;
			const statistics = await this.#statistics(candidate);
			this.#data = undefined;
			if (statistics && this.#hasTypeOfData(statistics.x)) {
				const { epsilon, place, gamma, gammaReshapes = [] } = inverse;
				return {
					...statistics,
					...{ epsilon, place },
					...(gamma !== undefined && { gamma: { name: gamma, reshapes: gammaReshapes } }),
					...(beta && { beta }),
				};
			}
		}
		return undefined;
	}

	/** Passes casts between the type of the data and more precise ones, too: the rounding bound allows for them. */
	protected override hasNoEffect(node: Node): boolean {
		if (super.hasNoEffect(node) || !this.isOp(node, 'Cast') || node.outputs[0] === this.#data) {
			return super.hasNoEffect(node);
		}
		const { dataType } = this.context.shapes.of(this.scope, node.inputs[0] ?? '');
		return this.#types.includes(dataType) && this.#types.includes(this.scope.attribute(node, 'to')?.i ?? 0);
	}

	/** True for a tensor of the type that the normalization computes in, as its rounding bound needs. */
	#hasTypeOfData(name: string): boolean {
		const { dataType } = this.context.shapes.of(this.scope, name);
		return dataType === 0 || this.#types.length === 0 || dataType === this.#types[0];
	}

	async *#candidates(node: Node): AsyncGenerator<Candidate> {
		const [a = '', b = ''] = node.inputs;
		if (this.isOp(node, 'Div')) {
			yield* this.#quotients(a, b);
		} else if (this.isOp(node, 'Mul')) {
			yield* this.#products(a, b);
			yield* this.#products(b, a);
		} else if (this.isOp(node, 'Sub')) {
			yield* this.#shifted(a, b, 'Sub');
		} else if (this.isOp(node, 'Add')) {
			yield* this.#shifted(a, b, 'Add');
			yield* this.#shifted(b, a, 'Add');
		}
	}

	/** Yields (x - mean) / deviation, and gamma * (x - mean) / deviation. */
	async *#quotients(numerator: string, divisor: string): AsyncGenerator<Candidate> {
		const deviation = await this.deviation(divisor);
		if (!deviation) {
			return;
		}
		const plain = this.difference(numerator);
		if (plain) {
			yield { ...plain, inverse: deviation };
			return;
		}
		const product = this.writer(numerator);
		const [a = '', b = ''] = this.isOp(product, 'Mul') ? product.inputs : [];
		for (const [gamma, centered] of [
			[a, b],
			[b, a],
		]) {
			const difference = this.difference(centered);
			if (difference) {
				yield { ...difference, inverse: { ...deviation, gamma } };
			}
		}
	}

	/** Yields (x - mean) * inverse. */
	async *#products(centered: string, factor: string): AsyncGenerator<Candidate> {
		const difference = this.difference(centered);
		const inverse = difference && (await this.inverse(factor));
		if (difference && inverse) {
			yield { ...difference, inverse };
		}
	}

	/** Yields x * s + (beta - mean * s), and x * s - mean * s, where s is gamma / deviation. */
	async *#shifted(product: string, rest: string, op: 'Add' | 'Sub'): AsyncGenerator<Candidate> {
		const scaled = this.writer(product);
		const { name: shift, reshapes } = this.behindReshapes(rest);
		const difference = op === 'Add' ? this.writer(shift) : undefined;
		const mean = op === 'Sub' ? shift : this.isOp(difference, 'Sub') ? (difference.inputs[1] ?? '') : undefined;
		const scaledMean = mean === undefined ? undefined : this.writer(mean);
		if (!this.isOp(scaled, 'Mul') || !this.isOp(scaledMean, 'Mul')) {
			return;
		}
		const [a = '', b = ''] = scaled.inputs;
		const [c = '', d = ''] = scaledMean.inputs;
		for (const [x, s] of [
			[a, b],
			[b, a],
		]) {
			const inner = this.behindReshapes(s).name;
			const isScale = (name: string) => [s, inner].some((same) => this.source(same) === this.source(name));
			const center = isScale(d) ? c : isScale(c) ? d : undefined;
			const inverse = center === undefined ? undefined : await this.inverse(s);
			if (center !== undefined && inverse) {
				const beta = difference && { beta: { name: difference.inputs[0] ?? '', reshapes } };
				yield { x, mean: center, behindMean: reshapes, inverse, ...beta };
			}
		}
	}

	/** Returns the statistics of a candidate, if mean and variance are of the same data over the same axes. */
	async #statistics(candidate: Candidate): Promise<Statistics | undefined> {
		const x = new GraphPattern(this.scope, this.context).source(candidate.x);
		this.#data = x;
		const { inverse, mean: name, behindMean } = candidate;
		const center = await this.mean(name, behindMean, x);
		if (!center || center.isOfSquares || center.unbiased !== undefined || !(await this.#isViewOf(center.of, x))) {
			return undefined;
		}
		const form = await this.#varianceForm(candidate, inverse.variance);
		const found = { x, axes: center.axes };
		if (form) {
			const { unbiased } = form;
			return sameAxes(form.axes, center.axes)
				? { ...found, variance: form.form, ...(unbiased !== undefined && { unbiased }) }
				: undefined;
		}
		for await (const { variance, count } of this.#corrected(inverse.variance, found)) {
			const inner = await this.#varianceForm(candidate, variance);
			if (inner && inner.unbiased === undefined && sameAxes(inner.axes, center.axes)) {
				return { ...found, variance: inner.form, unbiased: count };
			}
		}
		return undefined;
	}

	/**
	 * Splits v * m / (m - 1), the unbiased variance of m values.
	 * @returns names of v, and m if it is a constant of the file, or true if it is computed from the shape of x
	 */
	async *#corrected(
		name: string,
		{ x, axes }: Pick<Statistics, 'x' | 'axes'>,
	): AsyncGenerator<{ readonly variance: string; readonly count: number | true }> {
		const node = this.writer(name);
		const product = this.isOp(node, 'Div') ? this.writer(node.inputs[0] ?? '') : node;
		if (!node || !this.isOp(product, 'Mul')) {
			return;
		}
		const divisor = node === product ? undefined : (node.inputs[1] ?? '');
		const [a = '', b = ''] = product.inputs;
		for (const [variance, factor] of [
			[a, b],
			[b, a],
		]) {
			const stated = await this.constant(factor);
			const count = await this.countOf(x, axes);
			if (divisor === undefined) {
				if (stated !== undefined && count !== undefined && count > 1 && isNear(stated, count / (count - 1))) {
					yield { variance, count };
				}
				const ratio = this.writer(factor);
				if (this.isOp(ratio, 'Div') && (await this.#isCorrection(ratio.inputs[0], ratio.inputs[1], { x, axes }))) {
					yield { variance, count: true };
				}
				continue;
			}
			if (stated !== undefined && (await this.isNumber(divisor, stated.value - 1))) {
				yield { variance, count: stated.value };
			}
			if (await this.#isCorrection(factor, divisor, { x, axes })) {
				yield { variance, count: true };
			}
		}
	}

	/** True for m and m - 1, both computed from the shape of x. */
	async #isCorrection(count = '', less = '', { x, axes }: Pick<Statistics, 'x' | 'axes'>): Promise<boolean> {
		return (await this.isCount(count, x, axes)) && (await this.isCountLessOne(less, x, axes));
	}

	/** Recognizes mean((x - mean)^2) and mean(x^2) - mean^2. Exporters may compute the same mean twice. */
	async #varianceForm({ x, mean, behindMean, inverse: { reshapes } }: Candidate, name: string) {
		const at = this.behindReshapes(name, reshapes);
		const difference = this.writer(at.name);
		if (this.isOp(difference, 'Sub')) {
			const squares = await this.#meanOfSquares(difference.inputs[0] ?? '', at.reshapes, x);
			const root = await this.squared(difference.inputs[1] ?? '');
			const isSquareOfMean = root !== undefined && (await this.#isMeanOf(root, at.reshapes, { x, mean, behindMean }));
			return squares && isSquareOfMean && (await this.#isViewOf(squares.of, this.source(x)))
				? { ...squares, form: 'difference' as const }
				: undefined;
		}
		const squares = await this.#meanOfSquares(at.name, at.reshapes, x);
		const centered = squares && this.difference(squares.of);
		const isCentered =
			centered !== undefined &&
			(this.source(centered.x) === this.source(x)
				? await this.#isMeanOf(centered.mean, [], { x, mean, behindMean })
				: await this.#isCenteredView(centered, { x, mean, behindMean }));
		return squares && isCentered ? { ...squares, form: 'centered' as const } : undefined;
	}

	/** True if a tensor is x, or a flattened view of x. */
	async #isViewOf(name: string, x: string): Promise<boolean> {
		return this.source(name) === x || (await this.flatView(name))?.of === x;
	}

	/** True if a view of x is centered with the mean of a candidate. */
	async #isCenteredView(
		centered: { readonly x: string; readonly mean: string },
		{ x, mean, behindMean }: Pick<Candidate, 'x' | 'mean' | 'behindMean'>,
	): Promise<boolean> {
		const view = await this.flatView(centered.x);
		const own = view && (await this.mean(centered.mean, [], this.source(centered.x)));
		const wanted = own && (await this.mean(mean, behindMean, this.source(x)));
		const dimensions = resolveAxes(own?.axes ?? null, view?.groups.length ?? 0);
		return (
			view?.of === this.source(x) &&
			own !== undefined &&
			!own.isOfSquares &&
			own.unbiased === undefined &&
			this.source(own.of) === this.source(centered.x) &&
			sameAxes(viewedAxes(view.groups, dimensions ?? []), wanted?.axes ?? null)
		);
	}

	/** True if a tensor is the mean of a candidate, or the same mean computed again. */
	async #isMeanOf(
		name: string,
		behind: readonly Node[],
		{ x, mean, behindMean }: Pick<Candidate, 'x' | 'mean' | 'behindMean'>,
	): Promise<boolean> {
		const until = this.source(x);
		const [one, other] = [await this.mean(name, behind, until), await this.mean(mean, behindMean, until)];
		const isMean = one !== undefined && !one.isOfSquares && one.unbiased === undefined;
		return isMean && other !== undefined && (await this.#isViewOf(one.of, until)) && sameAxes(one.axes, other.axes);
	}

	/** Returns the mean of t^2, as a mean of t. */
	async #meanOfSquares(name: string, behind: readonly Node[], x: string) {
		const mean = await this.mean(name, behind, this.source(x));
		const of = mean?.isOfSquares ? mean.of : mean && (await this.squared(mean.of));
		return mean && of !== undefined ? { ...mean, of } : undefined;
	}
}
