/** Models read back as the builder's plain descriptions, and the ways in which other tools write the same model. */
import type { Attribute, Graph, Node, TensorRecord } from '../../../src/core/onnx/model.js';
import { readTensor } from '../../../src/core/onnx/tensor/tensor.js';
import { typeName } from '../../../src/core/onnx/types.js';
import type { ElementTypeName } from './elements.js';
import type { AttributeSpec, GraphSpec, ModelSpec, NodeSpec, TensorSpec, ValueSpec } from './model-builder.js';
import type { OpenModel } from './open.js';

/** A description that builds the same model again; for models of tensors, floats, ints and strings. */
export async function specOf({ model, source }: OpenModel): Promise<ModelSpec> {
	const { graph, irVersion } = model;
	const opset = model.opsetImports.get('') ?? null;
	return { irVersion, opset, graph: await graphSpec(graph, (record) => tensorSpec(record, source)) };
}

async function tensorSpec(record: TensorRecord, source: OpenModel['source']): Promise<TensorSpec> {
	const { data, dims, dataType } = await readTensor(record, { source });
	return { name: record.name, dims, dtype: typeName(dataType) as ElementTypeName, values: Array.from(data) };
}

type ReadTensor = (record: TensorRecord) => Promise<TensorSpec>;

async function graphSpec(graph: Graph, read: ReadTensor): Promise<GraphSpec> {
	return {
		nodes: await Promise.all(graph.nodes.map((node) => nodeSpec(node, read))),
		initializers: await Promise.all(Array.from(graph.initializers.values(), read)),
		inputs: graph.inputs.map(valueSpec),
		outputs: graph.outputs.map(valueSpec),
	};
}

function valueSpec({ name, dataType, shape }: Graph['inputs'][number]): ValueSpec {
	const dtype = typeName(dataType) as ElementTypeName;
	return { name, dtype, ...(shape && { shape: shape.map((dimension) => dimension ?? null) }) };
}

async function nodeSpec(node: Node, read: ReadTensor): Promise<NodeSpec> {
	const { opType: op, name, domain, inputs, outputs } = node;
	const attributes: Record<string, AttributeSpec> = {};
	for (const [key, attribute] of node.attributes) {
		attributes[key] = await attributeSpec(attribute, read);
	}
	return { op, name, domain, inputs, outputs, attributes };
}

async function attributeSpec({ f, i, s, t, floats, ints }: Attribute, read: ReadTensor): Promise<AttributeSpec> {
	if (t) {
		return { t: await read(t) };
	}
	if (f !== undefined || floats) {
		return floats ? { floats } : { f: f ?? 0 };
	}
	return ints ? { ints } : s ? { s } : { i: i ?? 0 };
}

type Change = (spec: ModelSpec) => ModelSpec;

const onGraph =
	(change: (graph: Required<Pick<GraphSpec, 'nodes' | 'initializers'>> & GraphSpec) => GraphSpec): Change =>
	(spec) => ({
		...spec,
		graph: change({ ...spec.graph, nodes: spec.graph.nodes ?? [], initializers: spec.graph.initializers ?? [] }),
	});

/** Every tensor and node gets a name that says nothing; the initializers come in reverse. */
export const renamed: Change = onGraph((graph) => {
	const names = new Map<string, string>([['', '']]);
	const rename = (name: string) => {
		names.set(name, names.get(name) ?? `n${(names.size * 7919) % 100003}`);
		return names.get(name) ?? '';
	};
	const value = (spec: ValueSpec): ValueSpec =>
		typeof spec === 'string' ? rename(spec) : { ...spec, name: rename(spec.name) };
	return {
		...graph,
		nodes: graph.nodes.map((node) => ({
			...node,
			name: '',
			inputs: node.inputs?.map(rename) ?? [],
			outputs: node.outputs?.map(rename) ?? [],
		})),
		initializers: graph.initializers.map((tensor) => ({ ...tensor, name: rename(tensor.name ?? '') })).toReversed(),
		inputs: graph.inputs?.map(value) ?? [],
		outputs: graph.outputs?.map(value) ?? [],
	};
});

/** An Identity behind every node and in front of every weight, as exporters leave them. */
export const withIdentities: Change = onGraph((graph) => {
	const constants = new Set(graph.initializers.map(({ name }) => name ?? ''));
	const outputs = new Set((graph.outputs ?? []).map((output) => (typeof output === 'string' ? output : output.name)));
	const nodes = graph.nodes.flatMap((node) => {
		const before: NodeSpec[] = [];
		const inputs = (node.inputs ?? []).map((name) => {
			if (!constants.has(name)) {
				return name;
			}
			const passed = `${name}_of_${node.outputs?.[0]}`;
			before.push({ op: 'Identity', inputs: [name], outputs: [passed] });
			return passed;
		});
		const [output = ''] = node.outputs ?? [];
		if (outputs.has(output)) {
			return [...before, { ...node, inputs }];
		}
		const inner = `${output}_raw`;
		const rest = { ...node, inputs, outputs: [inner, ...(node.outputs ?? []).slice(1)] };
		return [...before, rest, { op: 'Identity', inputs: [inner], outputs: [output] }];
	});
	return { ...graph, nodes };
});

const isWeight = ({ dims, dtype }: TensorSpec): boolean =>
	(dims?.length ?? 0) > 1 && (dtype ?? 'float32') === 'float32';

/** Replaces each weight by nodes that compute it. */
function weightsBy(
	make: (tensor: TensorSpec) => { readonly nodes: readonly NodeSpec[]; readonly tensors: readonly TensorSpec[] },
) {
	return onGraph((graph) => {
		const weights = graph.initializers.filter(isWeight).map(make);
		return {
			...graph,
			nodes: [...weights.flatMap(({ nodes }) => nodes), ...graph.nodes],
			initializers: [
				...graph.initializers.filter((tensor) => !isWeight(tensor)),
				...weights.flatMap(({ tensors }) => tensors),
			],
		};
	});
}

/** Each weight is a Constant node. */
export const asConstantNodes: Change = weightsBy((tensor) => ({
	nodes: [{ op: 'Constant', outputs: [tensor.name ?? ''], attributes: { value: { t: { ...tensor, name: '' } } } }],
	tensors: [],
}));

/** Each weight is an expression of constants that nobody has folded: half of it times two. */
export const asExpressions: Change = weightsBy((tensor) => {
	const { name = '', values = [] } = tensor;
	const [half, two] = [`${name}_half`, `${name}_two`];
	return {
		nodes: [{ op: 'Mul', inputs: [half, two], outputs: [name] }],
		tensors: [
			{ ...tensor, name: half, values: values.map((value) => Number(value) / 2) },
			{ name: two, dims: [1], values: [2] },
		],
	};
});

/** Each weight is int8 with one step for each index of its first axis, behind a DequantizeLinear. */
export const asQuantized: Change = weightsBy((tensor) => {
	const { name = '', values = [], dims = [] } = tensor;
	const length = values.length / dims[0];
	const steps = Array.from({ length: dims[0] }, (_, channel) => {
		const row = values.slice(channel * length, (channel + 1) * length).map((value) => Math.abs(Number(value)));
		return Math.fround(Math.max(...row) / 127) || 1;
	});
	const codes = values.map((value, index) => Math.round(Number(value) / steps[Math.floor(index / length)]));
	return {
		nodes: [
			{
				op: 'DequantizeLinear',
				inputs: [`${name}_q`, `${name}_s`, `${name}_z`],
				outputs: [name],
				attributes: { axis: { i: 0 } },
			},
		],
		tensors: [
			{ name: `${name}_q`, dims, dtype: 'int8', values: codes },
			{ name: `${name}_s`, values: steps },
			{ name: `${name}_z`, dtype: 'int8', values: steps.map(() => 0) },
		],
	};
});

/** Every float32 tensor is float16. */
export const asHalf: Change = onGraph((graph) => {
	const half = <T extends { readonly dtype?: ElementTypeName }>(typed: T): T =>
		(typed.dtype ?? 'float32') === 'float32' ? { ...typed, dtype: 'float16' } : typed;
	const value = (spec: ValueSpec): ValueSpec => (typeof spec === 'string' ? spec : half(spec));
	return {
		...graph,
		initializers: graph.initializers.map(half),
		inputs: graph.inputs?.map(value) ?? [],
		outputs: graph.outputs?.map(value) ?? [],
	};
});
