import { compareModels } from '../../../src/core/folding/compare/compare.js';
import type { Comparison } from '../../../src/core/report/comparison/comparison.js';
import { seededRandom } from '../../../src/engine/child/tensors/random.js';
import type { GraphSpec, NodeSpec, TensorSpec } from './model-builder.js';
import { type OpenModel, open } from './open.js';

export const C = 4;
export const random = seededRandom(77);
export const draw = (count: number, value: () => number = random.normal) =>
	Array.from({ length: count }, () => Math.fround(value()));

/** Constants of every structure below; each graph takes those it names. */
export const VALUES: Readonly<Record<string, TensorSpec>> = Object.fromEntries(
	(
		[
			['w', [C, C, 3, 3]],
			['w2', [C, C, 3, 3]],
			['m', [6, C]],
			['b', [C]],
			['g', [C], () => 0.5 + random.uniform()],
			['t', [C]],
			['u', [C]],
			['v', [C], () => 0.2 + random.uniform()],
		] as const
	).map(([name, dims, value]) => [
		name,
		{
			name,
			dims,
			values: draw(
				dims.reduce((x, y) => x * y, 1),
				value,
			),
		},
	]),
);

export const numbers = (name: string): number[] => (VALUES[name]?.values ?? []).map(Number);
export const EPSILON = Math.fround(1e-5);
/** s and t of the layer below. */
export const scale = numbers('g').map((gamma, c) => gamma / Math.sqrt(numbers('v')[c] + EPSILON));
export const shift = numbers('t').map((beta, c) => beta - numbers('u')[c] * scale[c]);

export const conv = (input: string, output: string, inputs: readonly string[] = ['w', 'b'], pad = 0): NodeSpec => ({
	op: 'Conv',
	name: `conv ${output}`,
	inputs: [input, ...inputs],
	outputs: [output],
	attributes: { pads: { ints: [pad, pad, pad, pad] } },
});
export const norm = (input: string, output: string, parameters = ['g', 't', 'u', 'v']): NodeSpec => ({
	op: 'BatchNormalization',
	name: `bn ${output}`,
	inputs: [input, ...parameters],
	outputs: [output],
});
export const relu = (input: string, output: string): NodeSpec => ({ op: 'Relu', inputs: [input], outputs: [output] });

/** A graph from x to y with the constants that its nodes name, or other ones. */
export function model(
	nodes: readonly NodeSpec[],
	others: readonly TensorSpec[] = [],
	graph: GraphSpec = {},
): Promise<OpenModel> {
	const used = new Set(nodes.flatMap(({ inputs }) => inputs ?? []));
	const own = new Set(others.map(({ name }) => name));
	const initializers = [
		...Object.values(VALUES).filter(({ name = '' }) => used.has(name) && !own.has(name)),
		...others,
	];
	const x = { name: 'x', shape: ['N', C, 9, 9] };
	return open({ opset: 15, graph: { nodes, initializers, inputs: [x], outputs: ['y'], ...graph } });
}

export async function compare(original: Promise<OpenModel>, deployed: Promise<OpenModel>): Promise<Comparison> {
	const [own, other] = [await original, await deployed];
	return compareModels(
		{ model: own.model, access: { source: own.source } },
		{ model: other.model, access: { source: other.source } },
	);
}

export const tensor = (name: string, dims: readonly number[], values: readonly number[]): TensorSpec => ({
	name,
	dims,
	values,
});
/** Output channels of w scaled. */
export const scaledRows = (name: string, by: readonly number[]) =>
	numbers(name).map((value, index) => value * by[Math.floor(index / (C * 9))]);
/** Input channels of w scaled. */
export const scaledInputs = (name: string, by: readonly number[]) =>
	numbers(name).map((value, index) => value * by[Math.floor(index / 9) % C]);
export const foldedBias = numbers('b').map((bias, c) => bias * scale[c] + shift[c]);

export const ORIGINAL = [conv('x', 'c'), norm('c', 'n'), relu('n', 'y')];
export const FOLDED = [conv('x', 'c', ['fw', 'fb']), relu('c', 'y')];
export const FOLDED_VALUES = [tensor('fw', [C, C, 3, 3], scaledRows('w', scale)), tensor('fb', [C], foldedBias)];
