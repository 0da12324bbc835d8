import { product } from '../../../core/numbers/arrays.js';
import { ConstantResolver } from '../../../core/onnx/graph/constants.js';
import { Scope } from '../../../core/onnx/graph/scope.js';
import type { Model, Node, ValueInfo } from '../../../core/onnx/model.js';
import type { OpenedModel } from './opened-model.js';

/** Operators before the first operator with weights that keep the shape. */
const PASSING: ReadonlySet<string> = new Set([
	'Identity',
	'Cast',
	'Relu',
	'Pad',
	'Clip',
	'Dropout',
	'Add',
	'Sub',
	'Mul',
	'Div',
]);
/** Maximum number of tensors visited from an input. */
const MAX_WALK = 32;

/** Sizes by place ("input:1"). */
export type ImpliedSizes = Readonly<Record<string, number>>;

const KNOWN = new WeakMap<Model, Promise<ImpliedSizes>>();

/**
 * Returns open sizes of inputs that the graph implies, computed once for each model. They come from the first operator
 * with weights, or from the first Reshape.
 */
export function impliedSizes(file: Pick<OpenedModel, 'model' | 'access'>): Promise<ImpliedSizes> {
	const known = KNOWN.get(file.model) ?? findSizes(file);
	KNOWN.set(file.model, known);
	return known;
}

/** Adds the sizes that the graph implies to the requested sizes, which take precedence. */
export async function withImpliedSizes(
	file: Pick<OpenedModel, 'model' | 'access'>,
	asked: Readonly<Record<string, number>> = {},
): Promise<Readonly<Record<string, number>>> {
	const { inputs } = file.model.graph;
	const isAsked = ([place]: readonly [string, number]) =>
		inputs.some(({ name, shape }) =>
			shape?.some((size, axis) => place === `${name}:${axis}` && Object.hasOwn(asked, String(size))),
		);
	const implied = Object.entries(await impliedSizes(file)).filter((entry) => !isAsked(entry));
	return { ...Object.fromEntries(implied), ...asked };
}

async function findSizes({ model, access }: Pick<OpenedModel, 'model' | 'access'>): Promise<ImpliedSizes> {
	const search = new SizeSearch(Scope.ofModel(model), new ConstantResolver(access));
	const sizes: Record<string, number> = {};
	for (const input of model.graph.inputs) {
		const isOpen = input.shape?.some((size, axis) => axis > 0 && typeof size !== 'number') ?? false;
		const found = isOpen ? await search.sizeOf(input) : undefined;
		const { name, shape = [] } = input;
		if (found && typeof shape[found.axis] !== 'number' && Number.isSafeInteger(found.size) && found.size > 0) {
			sizes[`${name}:${found.axis}`] = found.size;
		}
	}
	return sizes;
}

/** The size of an axis of an input. */
interface AxisSize {
	readonly axis: number;
	readonly size: number;
}

/** A tensor with the shape of the input. */
interface Passed {
	readonly name: string;
	/** Axis of the input behind each axis of the tensor. */
	readonly axes: readonly number[];
}

class SizeSearch {
	readonly #scope: Scope;
	readonly #constants: ConstantResolver;

	constructor(scope: Scope, constants: ConstantResolver) {
		this.#scope = scope;
		this.#constants = constants;
	}

	async sizeOf({ name, shape = [] }: ValueInfo): Promise<AxisSize | undefined> {
		const queue: Passed[] = [{ name, axes: Array.from(shape.keys()) }];
		for (const tensor of queue) {
			const readers = this.#scope.consumers(tensor.name).filter(({ inputs }) => inputs[0] === tensor.name);
			for (const node of readers.filter(({ domain }) => domain === '')) {
				const found = this.#read(node, tensor.axes) ?? (await this.#reshaped(node, tensor.axes, shape));
				if (found) {
					return found;
				}
				const axes = node.opType === 'Transpose' ? this.#turned(node, tensor.axes) : tensor.axes;
				if ((PASSING.has(node.opType) || node.opType === 'Transpose') && axes && queue.length < MAX_WALK) {
					queue.push({ name: node.outputs[0] ?? '', axes });
				}
			}
		}
		return undefined;
	}

	/** Returns the size that an operator with weights reads along an axis. */
	#read(node: Node, axes: readonly number[]): AxisSize | undefined {
		const dims = this.#scope.graph.initializers.get(node.inputs[1] ?? '')?.dims ?? [];
		const integer = (name: string, otherwise: number) => Number(this.#scope.attribute(node, name)?.i ?? otherwise);
		const along = (axis: number | undefined, size: number | undefined) =>
			axis === undefined || size === undefined ? undefined : { axis, size };
		switch (node.opType) {
			case 'Conv':
				return dims.length < 3 ? undefined : along(axes[1], dims[1] * integer('group', 1));
			case 'ConvTranspose':
				return dims.length < 3 ? undefined : along(axes[1], dims[0]);
			case 'BatchNormalization':
				return axes.length < 2 || dims.length !== 1 ? undefined : along(axes[1], dims[0]);
			case 'MatMul':
				return along(axes.at(-1), dims.at(-2) ?? dims[0]);
			case 'Gemm':
				return along(axes[integer('transA', 0) === 0 ? 1 : 0], dims[integer('transB', 0) === 0 ? 0 : 1]);
			default:
				return undefined;
		}
	}

	/**
	 * Returns the only open size behind the batch, computed from the number of elements of a sample. That number comes
	 * from a Reshape to constant sizes, or from the Gemm or MatMul behind a Flatten.
	 */
	async #reshaped(node: Node, axes: readonly number[], shape: ValueInfo['shape'] = []): Promise<AxisSize | undefined> {
		const open = [...shape.keys()].filter((axis) => axis > 0 && typeof shape[axis] !== 'number');
		const known = shape.slice(1).filter((size) => typeof size === 'number');
		if (open.length !== 1 || axes[0] !== 0) {
			return undefined;
		}
		const elements = await this.#elements(node);
		return elements === undefined ? undefined : { axis: open[0], size: elements / product(known) };
	}

	/** Returns the number of elements of a sample that a node makes from its input. */
	async #elements(node: Node): Promise<number | undefined> {
		const [behind] = this.#scope.consumers(node.outputs[0] ?? '');
		if (node.opType === 'Flatten' && Number(this.#scope.attribute(node, 'axis')?.i ?? 1) === 1) {
			return behind && behind.inputs[0] === node.outputs[0] ? this.#read(behind, [0, 1])?.size : undefined;
		}
		if (node.opType !== 'Reshape') {
			return undefined;
		}
		const { tensor } = await this.#constants.resolve(this.#scope, node.inputs[1] ?? '');
		const sizes = tensor ? Array.from(tensor.data, Number).slice(1) : [];
		if (sizes.length === 0 || sizes.some((size) => size === 0)) {
			return undefined;
		}
		if (sizes.length === 1 && sizes[0] === -1) {
			return behind && behind.inputs[0] === node.outputs[0] ? this.#read(behind, [0, 1])?.size : undefined;
		}
		return sizes.every((size) => size > 0) ? product(sizes) : undefined;
	}

	#turned(node: Node, axes: readonly number[]): readonly number[] | undefined {
		const order = this.#scope.attribute(node, 'perm')?.ints?.map(Number) ?? [...axes.keys()].reverse();
		const turned = order.map((axis) => axes[axis]);
		return turned.length === axes.length && turned.every((axis) => axis !== undefined) ? turned : undefined;
	}
}
