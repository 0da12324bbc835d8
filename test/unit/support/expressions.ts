import type { NodeSpec, TensorSpec } from './model-builder.js';

export const EPSILON = 0.01;
/** Axes of batch normalization on images. */
export const BATCH = [0, 2, 3];

/** Writes a graph as nested calls. */
export class Expressions {
	readonly nodes: NodeSpec[] = [];
	readonly initializers: TensorSpec[] = [];

	op(op: string, inputs: readonly string[], attributes: NodeSpec['attributes'] = {}): string {
		const output = `t${this.nodes.length}`;
		this.nodes.push({ op, name: output, inputs, outputs: [output], attributes });
		return output;
	}

	number(value: number): string {
		return this.constant([], [value]);
	}

	constant(
		dims: readonly number[],
		values: readonly number[],
		dtype: 'float16' | 'float32' | 'int64' = 'float32',
	): string {
		return this.#initializer({ dims, values, dtype });
	}

	integers(values: readonly number[]): string {
		return this.#initializer({ dtype: 'int64', values });
	}

	#initializer(tensor: Omit<TensorSpec, 'name'>): string {
		const name = `c${this.initializers.length}`;
		this.initializers.push({ name, ...tensor });
		return name;
	}

	reduce(op: string, input: string, axes: readonly number[], keepdims = 1): string {
		return op === 'ReduceSum'
			? this.op(op, [input, this.integers(axes)], { keepdims: { i: keepdims } })
			: this.op(op, [input], { axes: { ints: axes }, keepdims: { i: keepdims } });
	}

	mean = (input: string, axes: readonly number[] = BATCH, keepdims = 1) =>
		this.reduce('ReduceMean', input, axes, keepdims);
	add = (a: string, b: string) => this.op('Add', [a, b]);
	sub = (a: string, b: string) => this.op('Sub', [a, b]);
	mul = (a: string, b: string) => this.op('Mul', [a, b]);
	div = (a: string, b: string) => this.op('Div', [a, b]);
	sqrt = (a: string) => this.op('Sqrt', [a]);
	square = (a: string) => this.mul(a, a);
	reciprocal = (a: string) => this.op('Reciprocal', [a]);
	withEpsilon = (variance: string) => this.add(variance, this.number(EPSILON));
	reshape = (a: string, shape: readonly number[] = [1, -1, 1, 1]) => this.op('Reshape', [a, this.integers(shape)]);
}
