import type { Attribute, ByteSpan, Graph, Node, TensorAnnotation, TensorRecord, ValueInfo } from '../model.js';
import type { ReadSession } from './read-session.js';
import { closeTensor, openEntry, openTensor, TENSOR, type TensorDraft, tensorField } from './schema-tensor.js';
import { valueInfoField } from './schema-value.js';
import { bytes, type Field, float, floats, integer, integers, message, name, type Shape } from './shape.js';

/** A GraphProto while its fields are read; complete, as a {@link Graph}, when the model is. */
export interface GraphDraft extends Graph {
	name: string;
	readonly nodes: Node[];
	readonly initializers: Map<string, TensorRecord>;
	readonly sparseInitializers: Map<string, TensorRecord>;
	readonly inputs: ValueInfo[];
	readonly outputs: ValueInfo[];
	readonly valueInfo: Map<string, ValueInfo>;
	readonly annotations: AnnotationDraft[];
	readonly spans: ByteSpan[];
}

interface AnnotationDraft extends TensorAnnotation {
	name: string;
	readonly values: Map<string, string>;
}

interface NodeDraft extends Node {
	name: string;
	opType: string;
	domain: string;
	overload: string;
	readonly inputs: string[];
	readonly outputs: string[];
	attributes: Map<string, Attribute>;
}

/** Values as in {@link Attribute}. Split messages are merged. */
interface AttributeDraft {
	name: string;
	/** AttributeProto.AttributeType: shows which value is zero if proto3 omitted it. */
	type: number;
	f?: number;
	i?: number;
	s?: Uint8Array;
	t?: TensorDraft;
	g?: GraphDraft;
	floats?: number[];
	ints?: number[];
	strings?: Uint8Array[];
	tensors?: TensorRecord[];
	graphs?: GraphDraft[];
	refAttrName?: string;
	sparse?: SparseDraft;
	omitted?: true;
}

/** Most nodes of most models have none. */
const NO_ATTRIBUTES = new Map<string, Attribute>();

const ZERO_OF_TYPE: Readonly<Record<number, Partial<Attribute>>> = {
	1: { f: 0 },
	2: { i: 0 },
	3: { s: new Uint8Array(0) },
	6: { floats: [] },
	7: { ints: [] },
	8: { strings: [] },
	9: { tensors: [] },
	10: { graphs: [] },
};

export function newGraph(): GraphDraft {
	return {
		name: '',
		nodes: [],
		initializers: new Map(),
		sparseInitializers: new Map(),
		inputs: [],
		outputs: [],
		valueInfo: new Map(),
		annotations: [],
		spans: [],
	};
}

/** 'ai.onnx' and '' are two spellings of the default domain. */
export function domainName(domain: string): string {
	return domain === 'ai.onnx' ? '' : domain;
}

/** `node`, in a graph or a function. */
export function nodeField<T extends { readonly nodes: Node[] }>(): Field<T> {
	return message('node', ({ nodes }, span, session) => {
		session.countNode();
		const node: NodeDraft = {
			index: nodes.length,
			name: '',
			opType: '',
			domain: '',
			overload: '',
			inputs: [],
			outputs: [],
			attributes: NO_ATTRIBUTES,
			span,
		};
		nodes.push(node);
		return { shape: NODE, target: node };
	});
}

/** `attribute` of a node, or a function's default. */
export function attributeField<T>(title: string, put: (target: T, attribute: Attribute) => void): Field<T> {
	return message(title, (target) => {
		const draft: AttributeDraft = { name: '', type: 0 };
		return { shape: ATTRIBUTE, target: draft, close: () => put(target, closeAttribute(draft)) };
	});
}

function closeAttribute({ type, t, sparse, ...values }: AttributeDraft): Attribute {
	const record = sparse && closeSparse(sparse);
	const attribute: Attribute = { ...values, ...(t && { t: closeTensor(t) }), ...(record && { sparse: record }) };
	const isReference = attribute.refAttrName !== undefined;
	return isReference || attribute.omitted ? attribute : { ...ZERO_OF_TYPE[type], ...attribute };
}

const NODE: Shape<NodeDraft> = {
	name: 'NodeProto',
	fields: {
		1: name('input', (node, value) => {
			node.inputs.push(value);
		}),
		2: name('output', (node, value) => {
			node.outputs.push(value);
		}),
		3: name('name', (node, value) => {
			node.name = value;
		}),
		4: name('op_type', (node, value) => {
			node.opType = value;
		}),
		5: attributeField('attribute', (node, attribute) => {
			if (node.attributes === NO_ATTRIBUTES) {
				node.attributes = new Map();
			}
			node.attributes.set(attribute.name, attribute);
		}),
		7: name('domain', (node, value) => {
			node.domain = domainName(value);
		}),
		8: name('overload', (node, value) => {
			node.overload = value;
		}),
	},
};

const ATTRIBUTE: Shape<AttributeDraft> = {
	name: 'AttributeProto',
	fields: {
		1: name('name', (attribute, value) => {
			attribute.name = value;
		}),
		2: float('f', (attribute, value) => {
			attribute.f = value;
		}),
		3: integer('i', (attribute, value) => {
			attribute.i = value;
		}),
		4: bytes('s', (attribute, value) => {
			if (value) {
				attribute.s = value.slice();
			} else {
				attribute.omitted = true;
			}
		}),
		5: message('t', (attribute, span) => {
			attribute.t ??= openTensor(span);
			return { shape: TENSOR, target: attribute.t };
		}),
		6: message('g', (attribute, span) => {
			attribute.g ??= newGraph();
			attribute.g.spans.push(span);
			return { shape: GRAPH, target: attribute.g };
		}),
		7: floats('floats', (attribute, value, session) => append(attribute, 'floats', value, session), omit),
		8: integers('ints', (attribute, value, session) => append(attribute, 'ints', value, session), omit),
		9: bytes('strings', (attribute, value) => {
			attribute.strings ??= [];
			if (value) {
				attribute.strings.push(value.slice());
			} else {
				attribute.omitted = true;
			}
		}),
		10: tensorField('tensors', (attribute, tensor) => {
			attribute.tensors ??= [];
			attribute.tensors.push(tensor);
		}),
		11: message('graphs', (attribute, span) => {
			const graph = newGraph();
			graph.spans.push(span);
			attribute.graphs ??= [];
			attribute.graphs.push(graph);
			return { shape: GRAPH, target: graph };
		}),
		20: integer('type', (attribute, value) => {
			attribute.type = value;
		}),
		21: name('ref_attr_name', (attribute, value) => {
			attribute.refAttrName = value;
		}),
		22: message('sparse_tensor', (attribute, span) => {
			attribute.sparse = { dims: [], span };
			return { shape: SPARSE_TENSOR, target: attribute.sparse };
		}),
	},
};

function append(attribute: AttributeDraft, list: 'floats' | 'ints', value: number, session: ReadSession): void {
	session.countRecords(1);
	const values = attribute[list] ?? [];
	attribute[list] = values;
	values.push(value);
}

function omit(attribute: AttributeDraft): void {
	attribute.omitted = true;
}

/** A SparseTensorProto while its fields are read. */
interface SparseDraft {
	values?: TensorRecord;
	indices?: TensorRecord;
	readonly dims: number[];
	readonly span: ByteSpan;
}

const SPARSE_TENSOR: Shape<SparseDraft> = {
	name: 'SparseTensorProto',
	fields: {
		1: tensorField('values', (sparse, record) => {
			sparse.values = record;
		}),
		2: tensorField('indices', (sparse, record) => {
			sparse.indices = record;
		}),
		3: integers('dims', ({ dims }, value, session) => {
			dims.push(value);
			session.require('rank', 'the number of dimensions of a tensor', dims.length);
		}),
	},
};

/** Returns the whole tensor, which has the name of its values; undefined without values. */
function closeSparse({ values, indices, dims, span }: SparseDraft): TensorRecord | undefined {
	return (
		values && {
			name: values.name,
			dataType: values.dataType,
			dims,
			storage: indices ? { kind: 'sparse', values, indices } : { kind: 'none' },
			span,
		}
	);
}

const ANNOTATION: Shape<AnnotationDraft> = {
	name: 'TensorAnnotation',
	fields: {
		1: name('tensor_name', (annotation, value) => {
			annotation.name = value;
		}),
		2: message('quant_parameter_tensor_names', (annotation) => openEntry(annotation.values)),
	},
};

export const GRAPH: Shape<GraphDraft> = {
	name: 'GraphProto',
	fields: {
		1: nodeField(),
		2: name('name', (graph, value) => {
			graph.name = value;
		}),
		5: tensorField('initializer', (graph, record, session) => {
			if (graph.initializers.has(record.name)) {
				session.warn(`Two initializers are named "${record.name}": the later one counts, as in the runtime.`);
			}
			graph.initializers.set(record.name, record);
		}),
		11: valueInfoField('input', (graph, info) => graph.inputs.push(info)),
		12: valueInfoField('output', (graph, info) => graph.outputs.push(info)),
		13: valueInfoField('value_info', (graph, info) => graph.valueInfo.set(info.name, info)),
		14: message('quantization_annotation', ({ annotations }, span) => {
			const annotation: AnnotationDraft = { name: '', values: new Map(), span };
			annotations.push(annotation);
			return { shape: ANNOTATION, target: annotation };
		}),
		15: message('sparse_initializer', (graph, span) => {
			const draft: SparseDraft = { dims: [], span };
			const close = () => {
				const record = closeSparse(draft);
				if (record) {
					graph.sparseInitializers.set(record.name, record);
				}
			};
			return { shape: SPARSE_TENSOR, target: draft, close };
		}),
	},
};
