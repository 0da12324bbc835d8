import { isConstant } from '../onnx/graph/constants.js';
import type { Dimension, Node } from '../onnx/model.js';
import { resolveAxes } from './normalized-axes.js';
import { GraphPattern, MAX_WRAPPERS } from './pattern.js';

/** Product of a number and of sizes of a tensor's axes. */
export interface SizeProduct {
	readonly factor: number;
	/** Exponents, by axis; none is 0. */
	readonly powers: ReadonlyMap<number, number>;
}

/** Maximum length of a list of sizes. No tensor has more dimensions. */
const MAX_SIZES = 64;
/** Maximum number of operators that a pattern reads for all of its lists. A list of 64 sizes takes some 200. */
const MAX_STEPS = 1024;
/** Operators that keep the order of the numbers in a list. */
const KEEPING: ReadonlySet<string> = new Set(['Cast', 'Identity', 'Unsqueeze', 'Squeeze', 'Reshape']);
const ONE: SizeProduct = { factor: 1, powers: new Map() };

/** Reads numbers that a graph computes from constants and from the shape of a tensor. */
export class SizePattern extends GraphPattern {
	/** Operators read so far. In a hostile graph their number grows with the power of the depth. */
	#steps = 0;

	/** Returns the numbers of a tensor of any shape in row-major order, as products of sizes of `of`. */
	async sizes(name: string, of: string, depth = 0): Promise<readonly SizeProduct[] | undefined> {
		this.#steps++;
		const at = this.#behindKeeping(name);
		if (isConstant(this.scope, at)) {
			const { tensor } = await this.context.constants.resolve(this.scope, at);
			return tensor && tensor.data.length <= MAX_SIZES
				? Array.from(tensor.data, (factor) => ({ factor, powers: ONE.powers }))
				: undefined;
		}
		const node = this.writer(at);
		if (node?.domain !== '' || depth > MAX_WRAPPERS || this.#steps > MAX_STEPS) {
			return undefined;
		}
		const list = (index: number) => this.sizes(node.inputs[index] ?? '', of, depth + 1);
		switch (node.opType) {
			case 'Shape':
				return this.#allSizes(node, of);
			case 'Size':
				return joined(await this.shapeSizes(node.inputs[0] ?? '', of));
			case 'ReduceProd':
				return joined(await list(0));
			case 'Gather':
				return this.#gathered(node, of, depth);
			case 'Slice':
				return this.#sliced(node, await list(0));
			case 'Concat': {
				const all: SizeProduct[] = [];
				for (const index of node.inputs.keys()) {
					const part = all.length > MAX_SIZES ? undefined : await list(index);
					if (!part) {
						return undefined;
					}
					all.push(...part);
				}
				return all;
			}
			case 'Mul':
				return combined(await list(0), await list(1), multiplied);
			case 'Div':
				return combined(await list(0), await list(1), divided);
			default:
				return undefined;
		}
	}

	/** True if a tensor holds the number of values behind each statistic of data over axes. @param axes null: all */
	async isCount(name: string, of: string, axes: readonly number[] | null): Promise<boolean> {
		const [count, ...others] = (await this.sizes(name, of)) ?? [];
		const shape = this.context.shapes.of(this.scope, of).shape;
		const reduced = shape ? resolveAxes(axes, shape.length) : axes?.every((axis) => axis >= 0) ? axes : undefined;
		const wanted = reduced && [...new Set(reduced)].map(sizeOf).reduce(multiplied, ONE);
		const ratio =
			count && wanted && others.length === 0 ? divided(known(count, shape), known(wanted, shape)) : undefined;
		return ratio?.factor === 1 && ratio.powers.size === 0;
	}

	/** True if a tensor holds this number of values minus 1. */
	async isCountLessOne(name: string, of: string, axes: readonly number[] | null): Promise<boolean> {
		const node = this.writer(this.#behindKeeping(name));
		return (
			this.isOp(node, 'Sub') &&
			(await this.isNumber(node.inputs[1], 1)) &&
			(await this.isCount(node.inputs[0] ?? '', of, axes))
		);
	}

	#behindKeeping(name: string): string {
		let at = this.source(name);
		for (let step = 0; step < MAX_WRAPPERS; step++) {
			const node = this.scope.producer(at);
			if (node?.domain !== '' || !KEEPING.has(node.opType)) {
				break;
			}
			at = node.inputs[0] ?? '';
		}
		return at;
	}

	#axesOf(of: string): readonly number[] | undefined {
		return this.context.shapes.of(this.scope, of).shape?.map((_, axis) => axis);
	}

	/** Returns the shape of a tensor as products of sizes of `of`. */
	async shapeSizes(name: string, of: string): Promise<readonly SizeProduct[] | undefined> {
		return this.source(name) === of ? this.#axesOf(of)?.map(sizeOf) : undefined;
	}

	async #allSizes(node: Node, of: string): Promise<readonly SizeProduct[] | undefined> {
		const isPart = ['start', 'end'].some((name) => this.scope.attribute(node, name) !== undefined);
		return isPart ? undefined : this.shapeSizes(node.inputs[0] ?? '', of);
	}

	/** Returns sizes picked by constant indices, also from the shape of a tensor of unknown rank. */
	async #gathered(node: Node, of: string, depth: number): Promise<readonly SizeProduct[] | undefined> {
		const indices = await this.integers(node, '');
		const shape = this.writer(node.inputs[0] ?? '');
		if (!indices || indices.length > MAX_SIZES) {
			return undefined;
		}
		const isOfShape = this.isOp(shape, 'Shape') && this.source(shape.inputs[0] ?? '') === of;
		if (isOfShape && this.#axesOf(of) === undefined) {
			return indices.every((index) => index >= 0) ? indices.map(sizeOf) : undefined;
		}
		const list = await this.sizes(node.inputs[0] ?? '', of, depth + 1);
		const picked = indices.map((index) => list?.at(index));
		return picked.every((size) => size !== undefined) ? picked : undefined;
	}

	async #sliced(node: Node, list: readonly SizeProduct[] | undefined): Promise<readonly SizeProduct[] | undefined> {
		const bound = async (attribute: string, input: number) =>
			this.scope.attribute(node, attribute)?.ints?.[0] ?? (await this.number(node.inputs[input] ?? ''));
		const [start, end] = [await bound('starts', 1), await bound('ends', 2)];
		const step = (node.inputs[4] ?? '') === '' ? 1 : await this.number(node.inputs[4]);
		return start === undefined || end === undefined || step !== 1 ? undefined : list?.slice(start, end);
	}
}

export function sizeOf(axis: number): SizeProduct {
	return { factor: 1, powers: new Map([[axis, 1]]) };
}

/** Returns the product of a list as a list of one. */
function joined(list: readonly SizeProduct[] | undefined): readonly SizeProduct[] | undefined {
	return list && [list.reduce(multiplied, ONE)];
}

/** Combines two lists, of which one may hold a number for all of the other. */
function combined(
	a: readonly SizeProduct[] | undefined,
	b: readonly SizeProduct[] | undefined,
	operator: (a: SizeProduct, b: SizeProduct) => SizeProduct | undefined,
): readonly SizeProduct[] | undefined {
	if (!a || !b || (a.length !== b.length && a.length !== 1 && b.length !== 1)) {
		return undefined;
	}
	const long = a.length >= b.length ? a : b;
	const all = long.map((_, i) => {
		const [left, right] = [a[a.length === 1 ? 0 : i], b[b.length === 1 ? 0 : i]];
		return left && right && operator(left, right);
	});
	return all.every((size) => size !== undefined) ? all : undefined;
}

export function multiplied(a: SizeProduct, b: SizeProduct): SizeProduct {
	return { factor: a.factor * b.factor, powers: addedPowers(a, b, 1) };
}

/** Returns a quotient without a rest; undefined if there is one, or if this depends on a size. */
export function divided(a: SizeProduct, b: SizeProduct): SizeProduct | undefined {
	const factor = a.factor / b.factor;
	const powers = addedPowers(a, b, -1);
	return Number.isSafeInteger(factor) && [...powers.values()].every((power) => power > 0)
		? { factor, powers }
		: undefined;
}

function addedPowers(a: SizeProduct, b: SizeProduct, sign: 1 | -1): ReadonlyMap<number, number> {
	const powers = new Map(a.powers);
	for (const [axis, power] of b.powers) {
		powers.set(axis, (powers.get(axis) ?? 0) + sign * power);
	}
	return new Map([...powers].filter(([, power]) => power !== 0));
}

/** Replaces the sizes that a shape gives by their numbers. */
export function known({ factor, powers }: SizeProduct, shape: readonly Dimension[] | undefined): SizeProduct {
	let product = factor;
	const open = [...powers].filter(([axis, power]) => {
		const size = shape?.[axis];
		product *= typeof size === 'number' ? size ** power : 1;
		return typeof size !== 'number';
	});
	return { factor: product, powers: new Map(open) };
}
