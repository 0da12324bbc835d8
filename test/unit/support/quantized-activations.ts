/** Models whose activations are quantized, as quantizers insert QuantizeLinear and DequantizeLinear. */
import type { GraphSpec, ModelSpec, NodeSpec, TensorSpec } from './model-builder.js';
import { activationGrid, type Ranges } from './quantized-forms.js';

/** Largest magnitude that a quantizer without ranges represents. */
const RANGE = 6;
const KINDS: ReadonlySet<string> = new Set([
	'Conv',
	'ConvTranspose',
	'Gemm',
	'MatMul',
	'Add',
	'Concat',
	'Mul',
	'BatchNormalization',
]);

/**
 * Quantizes each activation that a linear operator, sum or layer reads to 8 bits. Replaces a Relu by the quantizer behind it,
 * which clips at 0, where all of its readers are quantized.
 */
export function quantizedActivations(
	spec: ModelSpec,
	{ ranges, type = 'uint8' }: { readonly ranges?: Ranges; readonly type?: 'int8' | 'uint8' } = {},
): ModelSpec {
	const { graph } = spec;
	const initializers: TensorSpec[] = [...(graph.initializers ?? [])];
	const constants = new Set(initializers.map(({ name }) => name));
	const all = graph.nodes ?? [];
	const outputs = new Set((graph.outputs ?? []).map((output) => (typeof output === 'string' ? output : output.name)));
	const fed = new Set(all.filter(({ op }) => op === 'DequantizeLinear').flatMap(({ outputs = [] }) => outputs));
	const isActivation = (name: string) => name !== '' && !constants.has(name) && !fed.has(name);
	const readers = (name: string) => all.filter(({ inputs = [] }) => inputs.includes(name));
	const replaced = new Map<string, string>();
	for (const { op, inputs = [], outputs: [y = ''] = [] } of all) {
		if (op === 'Relu' && !outputs.has(y) && readers(y).every((reader) => KINDS.has(reader.op))) {
			replaced.set(y, inputs[0] ?? '');
		}
	}
	const quantized = new Map<string, string>();
	const nodes: NodeSpec[] = [];
	const quantize = (name: string): string => {
		const known = quantized.get(name);
		if (known !== undefined) {
			return known;
		}
		const source = replaced.get(name);
		const add = (suffix: string, tensor: TensorSpec) => {
			initializers.push({ ...tensor, name: `${name}_${suffix}` });
			return `${name}_${suffix}`;
		};
		const isPositive = source !== undefined;
		const { step, zero } = activationGrid(ranges?.get(name) ?? [isPositive ? 0 : -RANGE, RANGE], type);
		const grid = [add('as', { dims: [], values: [step] }), add('az', { dims: [], dtype: type, values: [zero] })];
		nodes.push(
			{ op: 'QuantizeLinear', inputs: [source ?? name, ...grid], outputs: [`${name}_aq`] },
			{ op: 'DequantizeLinear', inputs: [`${name}_aq`, ...grid], outputs: [`${name}_adq`] },
		);
		quantized.set(name, `${name}_adq`);
		return `${name}_adq`;
	};
	for (const node of all) {
		if (replaced.has(node.outputs?.[0] ?? '')) {
			continue;
		}
		const inputs = node.inputs?.map((name) => (KINDS.has(node.op) && isActivation(name) ? quantize(name) : name));
		nodes.push(inputs ? { ...node, inputs } : node);
	}
	const changed: GraphSpec = { ...graph, nodes, initializers };
	return { ...spec, graph: changed };
}
