import type { Dimension, Node } from '../onnx/model.js';
import type { HandBuiltView, Regrouped } from './layer.js';
import { resolveAxes } from './normalized-axes.js';
import { divided, known, multiplied, SizePattern, type SizeProduct, sizeOf } from './size-pattern.js';

/** Dimensions of a tensor, and the axes in front of a Transpose and a Reshape that have the same elements. */
interface Block {
	readonly from: readonly number[];
	readonly to: readonly number[];
}

/** A tensor with all elements of another one, whose axes are joined. */
export interface FlatView {
	readonly of: string;
	/** Axes of the other tensor behind each dimension. */
	readonly groups: readonly (readonly number[])[];
}

/** A tensor as the Transpose and the Reshape of another one. */
interface View {
	/** Name of the other tensor. */
	readonly of: string;
	/** Rank of the other tensor. */
	readonly rank: number;
	/** Operator behind the other tensor. */
	readonly opType: string;
	readonly blocks: readonly Block[];
	/** Dimensions of the tensor with a single element. */
	readonly single: ReadonlySet<number>;
}

const ONE: SizeProduct = { factor: 1, powers: new Map() };
/** A size that depends on unknown sizes. It equals no size of an axis. */
const UNKNOWN: SizeProduct = { factor: 1, powers: new Map([[-1, 1]]) };
/** Reshapes in front of a tensor that are followed for its sizes. */
const MAX_RESHAPES = 4;

/** Finds the meaning of the dimensions of a tensor that a Reshape or a Transpose writes. */
export class ViewPattern extends SizePattern {
	/** Reshapes whose sizes are being read, which ends the search in a graph with a cycle. */
	readonly #open = new Set<Node>();

	override async shapeSizes(name: string, of: string): Promise<readonly SizeProduct[] | undefined> {
		const node = this.writer(name);
		const isView = this.#isReshape(node) && this.source(node.inputs[0] ?? '') === of;
		return isView ? (await this.#reshaped(node))?.[1] : super.shapeSizes(name, of);
	}

	/** True also for a count that is computed from the shape of the tensor that `of` is a view of. */
	override async isCount(name: string, of: string, axes: readonly number[] | null): Promise<boolean> {
		if (await super.isCount(name, of, axes)) {
			return true;
		}
		const view = await this.flatView(of);
		const dimensions = view && resolveAxes(axes, view.groups.length);
		return dimensions !== undefined && super.isCount(name, view?.of ?? '', viewedAxes(view?.groups ?? [], dimensions));
	}

	#isReshape(node: Node | undefined): node is Node {
		return this.isOp(node, 'Reshape') || this.isOp(node, 'Flatten');
	}

	/** Returns the change of a Reshape that splits channels into groups, or joins images and channels, in front of x. */
	async regrouped(x: string): Promise<Regrouped | undefined> {
		const node = this.writer(x);
		const [from, to] = (this.isOp(node, 'Reshape') && (await this.#reshaped(node))) || [];
		const [images, channels] = from ?? [];
		const [first, second] = to ?? [];
		if (!from || from.length < 3 || !channels || !isNumber(channels) || !images || !first || !second) {
			return undefined;
		}
		const isPerImage = isEqual(first, images);
		if (isEqual(first, ONE) && !isPerImage && isEqual(second, multiplied(images, channels))) {
			return { instances: true };
		}
		const isGroup = isNumber(second) && second.factor < channels.factor && channels.factor % second.factor === 0;
		return isPerImage && isGroup ? { groups: second.factor } : undefined;
	}

	/**
	 * Returns the axes of a normalization in front of a Transpose and a Reshape that move or divide the axis of the images.
	 * @param reduced normalized dimensions of x, from 0 on
	 * @param channelAxis dimension of x with the channels, if constants show it
	 * @returns undefined if axis 0 of x is still that of the images
	 */
	async viewOf(
		x: string,
		reduced: readonly number[],
		channelAxis: number | undefined,
	): Promise<{ readonly view: HandBuiltView; readonly channelAxis: number | undefined } | undefined> {
		const view = await this.#view(x);
		if (!view) {
			return undefined;
		}
		const { blocks, single, rank, opType } = view;
		const split = blocks.filter(({ to }) => {
			const counting = to.filter((at) => !single.has(at));
			return counting.some((at) => reduced.includes(at)) && !counting.every((at) => reduced.includes(at));
		});
		const images = blocks.find(({ to }) => to.includes(0));
		const keepsImages = images?.from.join() === '0' && images.to.length === 1;
		if (keepsImages && split.length === 0) {
			return undefined;
		}
		const ownOf = (axis: number) => blocks.find(({ from }) => from.length === 1 && from[0] === axis)?.to;
		const [channels, ...others] = channelAxis === undefined ? (ownOf(1) ?? []) : [channelAxis];
		const found = others.length === 0 ? channels : undefined;
		if (split.length > 0) {
			const isOfBatch = split.some(({ from }) => from.includes(0));
			return { view: { opType, axes: null, isOfBatch }, channelAxis: found };
		}
		const all = blocks.flatMap(({ from, to }) => (to.some((at) => reduced.includes(at)) ? from : []));
		const behind = blocks.find(({ from, to }) => to.includes(found ?? -1) && to.length === 1 && from.length === 1);
		const axes = { reduced: all.toSorted((a, b) => a - b), rank, channelAxis: behind?.from[0] ?? 1 };
		return { view: { opType, axes, isOfBatch: all.includes(0) }, channelAxis: found };
	}

	/** Returns the shape of a tensor, also behind Reshapes to sizes that a graph computes. */
	async shapeOf(name: string, depth = 0): Promise<readonly Dimension[] | undefined> {
		const shape = this.#shape(name);
		const node = this.writer(name);
		if (!this.#isReshape(node) || shape?.every(isSize) || depth > MAX_RESHAPES) {
			return shape;
		}
		const [, to] = (await this.#reshaped(node, depth)) ?? [];
		const from = await this.shapeOf(node.inputs[0] ?? '', depth + 1);
		return to?.map((size, at) => shape?.[at] ?? dimensionOf(size, from)) ?? shape;
	}

	/** Returns x and the axes of x in each dimension, for a Transpose or a Reshape of x that divides no axis. */
	async flatView(name: string): Promise<FlatView | undefined> {
		const view = await this.#view(name);
		const groups = view?.blocks.flatMap(({ from, to }) => {
			const [at, ...others] = to.filter((dimension) => !view.single.has(dimension));
			const first = at ?? to[0];
			return others.length > 0 ? [undefined] : to.map((dimension) => (dimension === first ? from : []));
		});
		return view && groups?.every((group) => group !== undefined) ? { of: view.of, groups } : undefined;
	}

	async #view(x: string): Promise<View | undefined> {
		const last = this.writer(x);
		const isReshape = this.#isReshape(last);
		const inner = isReshape ? this.writer(last.inputs[0] ?? '') : last;
		const transpose = this.isOp(inner, 'Transpose') ? inner : undefined;
		if (!(last && (isReshape || transpose))) {
			return undefined;
		}
		const [from, to] = (isReshape ? await this.#reshaped(last) : this.#unchanged(this.#shape(x))) ?? [];
		const order = transpose ? this.#order(transpose) : from?.map((_, axis) => axis);
		if (!from || !to || order?.length !== from.length) {
			return undefined;
		}
		const blocks = blocksOf(from, to);
		return {
			of: this.source((transpose ?? last).inputs[0] ?? ''),
			rank: from.length,
			opType: transpose?.opType ?? last.opType,
			blocks: blocks.map((block) => ({ ...block, from: block.from.map((at) => order[at]) })),
			single: new Set(to.flatMap((size, at) => (isEqual(size, ONE) ? [at] : []))),
		};
	}

	#order(transpose: Node): readonly number[] | undefined {
		const shape = this.#shape(transpose.outputs[0] ?? '');
		return this.scope.attribute(transpose, 'perm')?.ints ?? shape?.map((_, axis) => shape.length - 1 - axis);
	}

	#shape(name: string): readonly Dimension[] | undefined {
		return this.context.shapes.of(this.scope, name).shape;
	}

	#unchanged(shape: readonly Dimension[] | undefined): [readonly SizeProduct[], readonly SizeProduct[]] | undefined {
		const sizes = shape?.map((_, axis) => known(sizeOf(axis), shape));
		return sizes && [sizes, sizes];
	}

	/** Returns the sizes in front of and behind a Reshape or a Flatten, as products of the former. */
	async #reshaped(node: Node, depth = 0): Promise<[readonly SizeProduct[], readonly SizeProduct[]] | undefined> {
		if (this.#open.has(node)) {
			return undefined;
		}
		this.#open.add(node);
		const sizes = await this.#sizesAround(node, depth);
		this.#open.delete(node);
		return sizes;
	}

	async #sizesAround(node: Node, depth: number): Promise<[readonly SizeProduct[], readonly SizeProduct[]] | undefined> {
		const of = this.source(node.inputs[0] ?? '');
		const shape = await this.shapeOf(of, depth + 1);
		const [from] = this.#unchanged(shape) ?? [];
		if (!from) {
			return undefined;
		}
		if (node.opType === 'Flatten') {
			const at = this.scope.attribute(node, 'axis')?.i ?? 1;
			const parts = [from.slice(0, at), from.slice(at)];
			return [from, parts.map((part) => part.reduce(multiplied, ONE))];
		}
		const stated = this.scope.attribute(node, 'shape')?.ints?.map((factor) => ({ factor, powers: ONE.powers }));
		const target = stated ?? (await this.sizes(node.inputs[1] ?? '', of));
		const isLiteral = (this.scope.attribute(node, 'allowzero')?.i ?? 0) !== 0;
		const copied = target?.map((size, at) => (size.factor === 0 && !isLiteral ? from[at] : known(size, shape)));
		const given = copied?.filter((size) => size?.factor !== -1).map((size) => size ?? ONE);
		const rest = given && (divided(from.reduce(multiplied, ONE), given.reduce(multiplied, ONE)) ?? UNKNOWN);
		const to = copied?.map((size) => (size?.factor === -1 ? rest : size));
		return to?.every((size) => size !== undefined) ? [from, to] : undefined;
	}
}

/** Returns the axes of a tensor behind dimensions of its view, in ascending order. */
export function viewedAxes(groups: FlatView['groups'], dimensions: readonly number[]): number[] {
	return dimensions.flatMap((at) => groups[at] ?? []).toSorted((a, b) => a - b);
}

/** Divides the axes in front of and behind a Reshape into the smallest parts with the same elements. */
function blocksOf(from: readonly SizeProduct[], to: readonly SizeProduct[]): Block[] {
	const end = { from: from.length, to: to.length };
	const blocks: Block[] = [];
	while (end.from > 0 && end.to > 0 && isEqual(from[end.from - 1], to[end.to - 1])) {
		blocks.unshift({ from: [--end.from], to: [--end.to] });
	}
	return [...leadingBlocks(from.slice(0, end.from), to.slice(0, end.to)), ...blocks];
}

function leadingBlocks(from: readonly SizeProduct[], to: readonly SizeProduct[]): Block[] {
	const blocks: Block[] = [];
	const next = { from: 0, to: 0 };
	while (next.from < from.length || next.to < to.length) {
		const start = { ...next };
		const size = { from: ONE, to: ONE };
		const take = (side: 'from' | 'to', list: readonly SizeProduct[]) => {
			if (next[side] < list.length) {
				size[side] = multiplied(size[side], list[next[side]]);
				next[side]++;
			}
		};
		take('from', from);
		take('to', to);
		while (!isEqual(size.from, size.to) && (next.from < from.length || next.to < to.length)) {
			const isFromLarger = divided(size.from, size.to) !== undefined;
			if (next.from === from.length || (isFromLarger && next.to < to.length)) {
				take('to', to);
			} else {
				take('from', from);
			}
		}
		blocks.push({ from: range(start.from, next.from), to: range(start.to, next.to) });
	}
	return blocks;
}

function range(start: number, end: number): number[] {
	return Array.from({ length: end - start }, (_, i) => start + i);
}

/** Returns a size as a dimension: a number, or the dimension of the axis that it is the size of. */
export function dimensionOf(size: SizeProduct, shape: readonly Dimension[] | undefined): Dimension {
	const [[axis, power] = [-1, 0], ...others] = size.powers;
	const isAxis = size.factor === 1 && power === 1 && others.length === 0;
	return isNumber(size) ? size.factor : isAxis ? shape?.[axis] : undefined;
}

function isSize(dimension: Dimension): dimension is number {
	return typeof dimension === 'number';
}

function isNumber({ powers }: SizeProduct): boolean {
	return powers.size === 0;
}

function isEqual(a: SizeProduct, b: SizeProduct): boolean {
	return a.factor === b.factor && a.powers.size === b.powers.size && divided(a, b) !== undefined;
}
