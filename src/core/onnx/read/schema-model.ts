import type { Attribute, FunctionDefinition, Model, Node } from '../model.js';
import { decodeText } from '../text.js';
import { attributeField, domainName, GRAPH, type GraphDraft, newGraph, nodeField } from './schema-graph.js';
import { openEntry } from './schema-tensor.js';
import { bytes, type Field, integer, message, name, type Shape } from './shape.js';

/** A ModelProto while its fields are read. */
export interface ModelDraft extends Omit<Model, 'path' | 'bytes' | 'graph'> {
	irVersion: number;
	producerName: string;
	producerVersion: string;
	readonly opsetImports: Map<string, number>;
	readonly metadata: Map<string, string>;
	graph: GraphDraft | undefined;
	readonly functions: FunctionDraft[];
}

interface FunctionDraft extends FunctionDefinition {
	name: string;
	domain: string;
	overload: string;
	readonly inputs: string[];
	readonly outputs: string[];
	readonly attributes: string[];
	readonly attributeDefaults: Map<string, Attribute>;
	readonly nodes: Node[];
	readonly opsetImports: Map<string, number>;
}

export function newModel(): ModelDraft {
	return {
		irVersion: 0,
		producerName: '',
		producerVersion: '',
		opsetImports: new Map(),
		metadata: new Map(),
		graph: undefined,
		functions: [],
	};
}

function newFunction(): FunctionDraft {
	return {
		name: '',
		domain: '',
		overload: '',
		inputs: [],
		outputs: [],
		attributes: [],
		attributeDefaults: new Map(),
		nodes: [],
		opsetImports: new Map(),
	};
}

interface OpsetDraft {
	domain: string;
	version: number;
}

const OPSET: Shape<OpsetDraft> = {
	name: 'OperatorSetIdProto',
	fields: {
		1: name('domain', (opset, value) => {
			opset.domain = domainName(value);
		}),
		2: integer('version', (opset, value) => {
			opset.version = value;
		}),
	},
};

function opsetField<T extends { readonly opsetImports: Map<string, number> }>(): Field<T> {
	return message('opset_import', ({ opsetImports }) => {
		const opset: OpsetDraft = { domain: '', version: 0 };
		return { shape: OPSET, target: opset, close: () => opsetImports.set(opset.domain, opset.version) };
	});
}

const FUNCTION: Shape<FunctionDraft> = {
	name: 'FunctionProto',
	fields: {
		1: name('name', (definition, value) => {
			definition.name = value;
		}),
		4: name('input', (definition, value) => {
			definition.inputs.push(value);
		}),
		5: name('output', (definition, value) => {
			definition.outputs.push(value);
		}),
		6: name('attribute', (definition, value) => {
			definition.attributes.push(value);
		}),
		7: nodeField(),
		9: opsetField(),
		10: name('domain', (definition, value) => {
			definition.domain = domainName(value);
		}),
		11: attributeField('attribute_proto', (definition, attribute) => {
			definition.attributeDefaults.set(attribute.name, attribute);
		}),
		13: name('overload', (definition, value) => {
			definition.overload = value;
		}),
	},
};

export const MODEL: Shape<ModelDraft> = {
	name: 'ModelProto',
	fields: {
		1: integer('ir_version', (model, value) => {
			model.irVersion = value;
		}),
		2: bytes('producer_name', (model, value) => {
			model.producerName = value ? decodeText(value) : '';
		}),
		3: bytes('producer_version', (model, value) => {
			model.producerVersion = value ? decodeText(value) : '';
		}),
		7: message('graph', (model, span) => {
			model.graph ??= newGraph();
			model.graph.spans.push(span);
			return { shape: GRAPH, target: model.graph };
		}),
		8: opsetField(),
		14: message('metadata_props', (model) => openEntry(model.metadata)),
		25: message('functions', (model) => {
			const definition = newFunction();
			model.functions.push(definition);
			return { shape: FUNCTION, target: definition };
		}),
	},
};
