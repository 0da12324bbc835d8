import type { Node } from '../onnx/model.js';
import type { EpsilonPlace } from './layer.js';
import { MeanPattern } from './mean-pattern.js';

/** A deviation: the root of a variance, with epsilon in one of its places. */
export interface Deviation {
	/** Name of the variance. */
	readonly variance: string;
	readonly epsilon: number;
	readonly place: EpsilonPlace;
	/** Operators behind the variance that move its dimensions, in their order. */
	readonly reshapes: readonly Node[];
}

/** Factor of a difference: gamma / deviation. */
export interface Inverse extends Deviation {
	/** Name of the constant gamma; undefined: 1. */
	readonly gamma?: string;
	/** The operators of `reshapes` that move gamma, too. */
	readonly gammaReshapes?: readonly Node[];
}

/** Largest number that counts as no upper limit of a Clip, as float32 holds it. */
const NO_LIMIT = 3e38;

/** Recognizes a deviation, its inverse, and gamma times its inverse. */
export class InversePattern extends MeanPattern {
	/** Recognizes gamma / deviation and gamma * (1 / deviation) with a constant gamma, and 1 / deviation. */
	async inverse(name: string): Promise<Inverse | undefined> {
		const plain = await this.#inverted(name);
		if (plain) {
			return plain;
		}
		const { name: at, reshapes } = this.behindReshapes(name);
		const product = this.writer(at);
		const [a = '', b = ''] = product?.inputs ?? [];
		if (this.isOp(product, 'Div')) {
			const deviation = await this.deviation(b, reshapes);
			return deviation && { ...deviation, gamma: a, gammaReshapes: reshapes };
		}
		for (const [gamma, other] of this.isOp(product, 'Mul')
			? [
					[a, b],
					[b, a],
				]
			: []) {
			const inner = await this.#inverted(other, reshapes);
			if (inner) {
				return { ...inner, gamma, gammaReshapes: reshapes };
			}
		}
		return undefined;
	}

	/** Recognizes 1 / deviation, v^-0.5 and sqrt(1 / v). @param behind operators behind `name` that move its dimensions */
	async #inverted(name: string, behind: readonly Node[] = []): Promise<Inverse | undefined> {
		const { name: at, reshapes } = this.behindReshapes(name, behind);
		const node = this.writer(at);
		const of = node?.inputs[0] ?? '';
		if (this.isOp(node, 'Pow') && (await this.isNumber(node.inputs[1], -0.5))) {
			return this.#withEpsilon(of, reshapes);
		}
		const divisor = await this.#reciprocal(at);
		if (divisor !== undefined) {
			return this.deviation(divisor, reshapes);
		}
		const inside = this.isOp(node, 'Sqrt') ? await this.#reciprocal(of) : undefined;
		return inside === undefined ? undefined : this.#withEpsilon(inside, reshapes);
	}

	/** Returns t of 1 / t. */
	async #reciprocal(name: string): Promise<string | undefined> {
		const node = this.writer(name);
		if (this.isOp(node, 'Reciprocal')) {
			return node.inputs[0];
		}
		return this.isOp(node, 'Div') && (await this.isNumber(node.inputs[0], 1)) ? node.inputs[1] : undefined;
	}

	/**
	 * Recognizes sqrt(v + epsilon), sqrt(max(v, epsilon)), sqrt(v) + epsilon and max(sqrt(v), epsilon).
	 * @param behind operators behind `name` that move its dimensions
	 */
	async deviation(name: string, behind: readonly Node[] = []): Promise<Deviation | undefined> {
		const { name: at, reshapes } = this.behindReshapes(name, behind);
		const root = await this.#rooted(at);
		if (root !== undefined) {
			return this.#withEpsilon(root, reshapes);
		}
		const added = await this.#sumWithNumber(at);
		const limited = added ?? (await this.#maximum(at));
		const { name: base, reshapes: all } = this.behindReshapes(limited?.of ?? '', reshapes);
		const inner = limited && (await this.#rooted(base));
		if (inner === undefined) {
			return undefined;
		}
		const bare = await this.#withEpsilon(inner, all);
		const place = added ? 'beside' : 'floor-beside';
		return bare && bare.epsilon === 0 ? { ...bare, epsilon: limited?.number ?? 0, place } : undefined;
	}

	/** Returns v of sqrt(v) or v^0.5. */
	async #rooted(name: string): Promise<string | undefined> {
		const root = this.writer(name);
		if (this.isOp(root, 'Sqrt')) {
			return root.inputs[0];
		}
		return this.isOp(root, 'Pow') && (await this.isNumber(root.inputs[1], 0.5)) ? root.inputs[0] : undefined;
	}

	/** Splits variance + epsilon and max(variance, epsilon); epsilon is 0 if there is none. */
	async #withEpsilon(name: string, behind: readonly Node[]): Promise<Deviation> {
		const { name: at, reshapes } = this.behindReshapes(name, behind);
		const sum = await this.#sumWithNumber(at);
		const split = sum ?? (await this.#maximum(at));
		// A variance is not negative, so a limit of 0 changes rounding errors only.
		const { name: variance, reshapes: all } = this.behindReshapes(await this.#notNegative(split?.of ?? at), reshapes);
		const place = sum ? 'inside' : 'floor';
		return split && split.number !== 0
			? { variance, epsilon: split.number, place, reshapes: all }
			: { variance, epsilon: 0, place: 'inside', reshapes: all };
	}

	/** Returns t of max(t, 0); otherwise the tensor itself. */
	async #notNegative(name: string): Promise<string> {
		const node = this.writer(name);
		if (this.isOp(node, 'Relu')) {
			return node.inputs[0] ?? '';
		}
		const limited = await this.#maximum(name);
		return limited?.number === 0 ? limited.of : name;
	}

	/** Splits t + number. */
	async #sumWithNumber(name: string): Promise<{ readonly of: string; readonly number: number } | undefined> {
		const node = this.writer(name);
		return this.isOp(node, 'Add') ? this.#besideNumber(node) : undefined;
	}

	/** Splits max(t, number), written as Max or as a Clip without an upper limit. */
	async #maximum(name: string): Promise<{ readonly of: string; readonly number: number } | undefined> {
		const node = this.writer(name);
		if (this.isOp(node, 'Max') && node.inputs.length === 2) {
			return this.#besideNumber(node);
		}
		if (!this.isOp(node, 'Clip')) {
			return undefined;
		}
		const [of = '', least = '', most = ''] = node.inputs;
		const limit = async (input: string, attribute: string) =>
			input === '' ? this.scope.attribute(node, attribute)?.f : await this.number(input);
		const [number, top] = [await limit(least, 'min'), await limit(most, 'max')];
		const isOpen = most === '' && top === undefined ? true : (top ?? 0) >= NO_LIMIT;
		return number !== undefined && isOpen ? { of, number } : undefined;
	}

	async #besideNumber({ inputs: [a = '', b = ''] }: Node) {
		for (const [of, constant] of [
			[a, b],
			[b, a],
		]) {
			const number = await this.number(constant);
			if (number !== undefined) {
				return { of, number };
			}
		}
		return undefined;
	}
}
