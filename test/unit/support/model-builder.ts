/**
 * A small ONNX writer: a plain description in, ModelProto bytes out. It can write every storage form that readers meet
 * in the wild, legal or odd, and knows nothing of the code under test, so that a wrong field number cannot cancel out.
 */
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { ELEMENT_TYPES, type ElementTypeName, elementBits, rawElements } from './elements.js';

/** How a tensor's elements are stored inside the message. */
export type TensorForm =
	/** raw_data, little-endian. */
	| 'raw'
	/** float_data, int32_data … as one packed record. */
	| 'packed'
	/** One record an element, as proto2 writers do. */
	| 'unpacked'
	/** Several records, packed and unpacked in turn: what merging split messages leaves. */
	| 'chunked';

export interface TensorSpec {
	readonly name?: string;
	/** Default float32. */
	readonly dtype?: ElementTypeName;
	/** Default: one dimension, the number of values. */
	readonly dims?: readonly number[];
	readonly values?: readonly (number | bigint | string)[];
	/** Default raw. Strings are always string_data. */
	readonly form?: TensorForm;
	/** Exact bytes of raw_data in place of `values`. */
	readonly raw?: Uint8Array;
	/** The elements are in another file, which the test writes ({@link rawElements} gives its bytes). */
	readonly external?: {
		readonly location: string;
		readonly offset?: number;
		readonly length?: number;
		readonly checksum?: string;
	};
	/** Writes this code in place of that of `dtype`. */
	readonly dataType?: number;
}

export type AttributeSpec =
	| { readonly f: number }
	| { readonly i: number | bigint }
	| { readonly s: string | Uint8Array }
	| { readonly t: TensorSpec }
	| { readonly g: GraphSpec }
	| { readonly floats: readonly number[]; readonly packed?: boolean }
	| { readonly ints: readonly (number | bigint)[]; readonly packed?: boolean }
	| { readonly strings: readonly string[] }
	| { readonly tensors: readonly TensorSpec[] }
	| { readonly graphs: readonly GraphSpec[] }
	| { readonly sparse: SparseSpec }
	/** Inside a function: stands for the call's attribute of this name; `type` is AttributeProto.AttributeType. */
	| { readonly ref: string; readonly type: number }
	/** Only name and type, as proto3 writers leave a value of zero. */
	| { readonly zero: number };

export interface SparseSpec {
	readonly values: TensorSpec;
	readonly indices: TensorSpec;
	readonly dims: readonly number[];
}

export interface NodeSpec {
	readonly op: string;
	readonly name?: string;
	readonly domain?: string;
	readonly overload?: string;
	readonly inputs?: readonly string[];
	readonly outputs?: readonly string[];
	readonly attributes?: Readonly<Record<string, AttributeSpec>>;
	readonly doc?: string;
}

/** A name alone leaves the type out. In a shape: a number, a symbol, or null for unknown. */
export type ValueSpec =
	| string
	| {
			readonly name: string;
			readonly dtype?: ElementTypeName;
			readonly shape?: readonly (number | string | null)[];
	  };

export interface GraphSpec {
	readonly name?: string;
	readonly nodes?: readonly NodeSpec[];
	readonly initializers?: readonly TensorSpec[];
	readonly sparseInitializers?: readonly SparseSpec[];
	readonly inputs?: readonly ValueSpec[];
	readonly outputs?: readonly ValueSpec[];
	readonly valueInfo?: readonly ValueSpec[];
	/** quantization_annotation: tensor -> what is said of it -> the tensor that says it. */
	readonly annotations?: Readonly<Record<string, Readonly<Record<string, string>>>>;
	readonly doc?: string;
}

export interface FunctionSpec {
	readonly name: string;
	readonly domain: string;
	readonly overload?: string;
	readonly inputs: readonly string[];
	readonly outputs: readonly string[];
	readonly attributes?: readonly string[];
	readonly attributeDefaults?: Readonly<Record<string, AttributeSpec>>;
	readonly nodes: readonly NodeSpec[];
	readonly opsets?: Readonly<Record<string, number>>;
}

export interface ModelSpec {
	/** Default 8. */
	readonly irVersion?: number;
	/** Version of the default domain, default 17; null writes none. */
	readonly opset?: number | null;
	/** Further domains. */
	readonly opsets?: Readonly<Record<string, number>>;
	readonly producer?: string;
	readonly producerVersion?: string;
	readonly metadata?: Readonly<Record<string, string>>;
	readonly graph: GraphSpec;
	readonly functions?: readonly FunctionSpec[];
	/** Writes the graph as this many GraphProto pieces, which readers must merge. */
	readonly graphPieces?: number;
}

type Write = (writer: BinaryWriter) => void;

/** Bytes of a ModelProto. */
export function buildModel(model: ModelSpec): Uint8Array {
	const writer = new BinaryWriter();
	integer(writer, 1, model.irVersion ?? 8);
	text(writer, 2, model.producer);
	text(writer, 3, model.producerVersion);
	const pieces = splitInto(graphFields(model.graph), model.graphPieces ?? 1);
	for (const piece of pieces) {
		message(writer, 7, (inner) => {
			for (const write of piece) {
				write(inner);
			}
		});
	}
	if (model.opset !== null) {
		opset(writer, 8, '', model.opset ?? 17);
	}
	for (const [domain, version] of Object.entries(model.opsets ?? {})) {
		opset(writer, 8, domain, version);
	}
	for (const entry of Object.entries(model.metadata ?? {})) {
		message(writer, 14, stringPair(entry));
	}
	for (const definition of model.functions ?? []) {
		message(writer, 25, (inner) => writeFunction(inner, definition));
	}
	return writer.finish();
}

/** Bytes of a TensorProto, as in a .pb file. */
export function buildTensor(tensor: TensorSpec): Uint8Array {
	return collect((writer) => writeTensor(writer, tensor));
}

/** Bytes of a NodeProto. */
export function buildNode(node: NodeSpec): Uint8Array {
	return collect((writer) => writeNode(writer, node));
}

/** One thunk a field, so that a graph can be cut into pieces anywhere between two of them. */
function graphFields(graph: GraphSpec): Write[] {
	const submessages = <T>(field: number, items: readonly T[] | undefined, write: (w: BinaryWriter, item: T) => void) =>
		(items ?? []).map(
			(item): Write =>
				(writer) =>
					message(writer, field, (inner) => write(inner, item)),
		);
	return [
		...submessages(1, graph.nodes, writeNode),
		(writer) => text(writer, 2, graph.name ?? 'graph'),
		...submessages(5, graph.initializers, writeTensor),
		(writer) => text(writer, 10, graph.doc),
		...submessages(11, graph.inputs, writeValue),
		...submessages(12, graph.outputs, writeValue),
		...submessages(13, graph.valueInfo, writeValue),
		...submessages(14, Object.entries(graph.annotations ?? {}), writeAnnotation),
		...submessages(15, graph.sparseInitializers, writeSparse),
	];
}

function writeGraph(writer: BinaryWriter, graph: GraphSpec): void {
	for (const write of graphFields(graph)) {
		write(writer);
	}
}

function writeNode(writer: BinaryWriter, node: NodeSpec): void {
	texts(writer, 1, node.inputs ?? []);
	texts(writer, 2, node.outputs ?? []);
	text(writer, 3, node.name);
	text(writer, 4, node.op);
	writeAttributes(writer, 5, node.attributes);
	text(writer, 6, node.doc);
	text(writer, 7, node.domain);
	text(writer, 8, node.overload);
}

function writeAttributes(writer: BinaryWriter, field: number, attributes: NodeSpec['attributes']): void {
	for (const [name, value] of Object.entries(attributes ?? {})) {
		message(writer, field, (inner) => {
			text(inner, 1, name);
			integer(inner, 20, writeAttributeValue(inner, value));
		});
	}
}

/** @returns AttributeProto.type */
function writeAttributeValue(writer: BinaryWriter, value: AttributeSpec): number {
	if ('f' in value) {
		writer.tag(2, WireType.Bit32).float(value.f);
		return 1;
	}
	if ('i' in value) {
		integer(writer, 3, value.i);
		return 2;
	}
	if ('s' in value) {
		writer.tag(4, WireType.LengthDelimited).bytes(typeof value.s === 'string' ? utf8(value.s) : value.s);
		return 3;
	}
	if ('t' in value) {
		message(writer, 5, (inner) => writeTensor(inner, value.t));
		return 4;
	}
	if ('g' in value) {
		message(writer, 6, (inner) => writeGraph(inner, value.g));
		return 5;
	}
	if ('ref' in value) {
		text(writer, 21, value.ref);
		return value.type;
	}
	return 'zero' in value ? value.zero : writeAttributeList(writer, value);
}

function writeAttributeList(writer: BinaryWriter, value: AttributeSpec): number {
	if ('floats' in value) {
		numbers(writer, 7, value.floats, { packed: value.packed ?? true, write: (w, x) => w.float(Number(x)), wire: 5 });
		return 6;
	}
	if ('ints' in value) {
		numbers(writer, 8, value.ints, { packed: value.packed ?? true, write: int64, wire: 0 });
		return 7;
	}
	if ('strings' in value) {
		texts(writer, 9, value.strings);
		return 8;
	}
	if ('tensors' in value) {
		for (const tensor of value.tensors) {
			message(writer, 10, (inner) => writeTensor(inner, tensor));
		}
		return 9;
	}
	if ('graphs' in value) {
		for (const graph of value.graphs) {
			message(writer, 11, (inner) => writeGraph(inner, graph));
		}
		return 10;
	}
	if ('sparse' in value) {
		message(writer, 22, (inner) => writeSparse(inner, value.sparse));
		return 11;
	}
	throw new Error(`no such attribute: ${JSON.stringify(value)}`);
}

function writeTensor(writer: BinaryWriter, tensor: TensorSpec): void {
	const { dtype = 'float32', values = [], form = 'raw', external } = tensor;
	numbers(writer, 1, tensor.dims ?? [values.length], { packed: true, write: int64, wire: 0 });
	integer(writer, 2, tensor.dataType ?? ELEMENT_TYPES[dtype].code);
	text(writer, 8, tensor.name);
	if (external) {
		for (const [key, value] of Object.entries(external)) {
			message(writer, 13, stringPair([key, String(value)]));
		}
		integer(writer, 14, 1);
	} else if (dtype === 'string') {
		texts(writer, 6, values.map(String));
	} else if (tensor.raw || form === 'raw') {
		writer.tag(9, WireType.LengthDelimited).bytes(tensor.raw ?? rawElements(dtype, values.map(numeric)));
	} else {
		writeTyped(writer, dtype, { values: values.map(numeric), form });
	}
}

/** float_data, int32_data, int64_data, double_data or uint64_data: small types are stored as the int32 of their bits. */
function writeTyped(
	writer: BinaryWriter,
	dtype: ElementTypeName,
	{ values, form }: { values: readonly (number | bigint)[]; form: TensorForm },
): void {
	const { field } = ELEMENT_TYPES[dtype];
	const elements = field === 5 ? int32Elements(dtype, values) : values;
	const wire = field === 4 ? 5 : field === 10 ? 1 : 0;
	const write = (w: BinaryWriter, x: number | bigint) => {
		if (field === 4) {
			w.float(Number(x));
		} else if (field === 10) {
			w.double(Number(x));
		} else if (field === 11) {
			w.uint64(x);
		} else {
			w.int64(x);
		}
	};
	if (form !== 'chunked') {
		numbers(writer, field, elements, { packed: form === 'packed', write, wire });
		return;
	}
	for (let start = 0, packed = true; start < elements.length; start += 3, packed = !packed) {
		numbers(writer, field, elements.slice(start, start + 3), { packed, write, wire });
	}
}

/** What int32_data holds: the value for integers, the bit pattern for floats, one byte an entry for types below a byte. */
function int32Elements(dtype: ElementTypeName, values: readonly (number | bigint)[]): (number | bigint)[] {
	if (ELEMENT_TYPES[dtype].integer && elementBits(dtype) >= 8) {
		return [...values];
	}
	const raw = rawElements(dtype, values);
	return elementBits(dtype) === 16
		? Array.from(new Uint16Array(raw.buffer, raw.byteOffset, raw.length / 2))
		: Array.from(raw);
}

function writeSparse(writer: BinaryWriter, sparse: SparseSpec): void {
	message(writer, 1, (inner) => writeTensor(inner, sparse.values));
	message(writer, 2, (inner) => writeTensor(inner, sparse.indices));
	numbers(writer, 3, sparse.dims, { packed: true, write: int64, wire: 0 });
}

function writeAnnotation(
	writer: BinaryWriter,
	[tensor, values]: readonly [string, Readonly<Record<string, string>>],
): void {
	text(writer, 1, tensor);
	for (const [key, value] of Object.entries(values)) {
		message(writer, 2, (inner) => {
			text(inner, 1, key);
			text(inner, 2, value);
		});
	}
}

function writeValue(writer: BinaryWriter, value: ValueSpec): void {
	if (typeof value === 'string') {
		text(writer, 1, value);
		return;
	}
	text(writer, 1, value.name);
	const { shape } = value;
	message(writer, 2, (type) =>
		message(type, 1, (tensor) => {
			integer(tensor, 1, ELEMENT_TYPES[value.dtype ?? 'float32'].code);
			if (shape) {
				message(tensor, 2, (inner) => {
					for (const dimension of shape) {
						message(inner, 1, (dim) => writeDimension(dim, dimension));
					}
				});
			}
		}),
	);
}

function writeDimension(writer: BinaryWriter, dimension: number | string | null): void {
	if (typeof dimension === 'number') {
		integer(writer, 1, dimension);
	} else if (dimension !== null) {
		text(writer, 2, dimension);
	}
}

function writeFunction(writer: BinaryWriter, definition: FunctionSpec): void {
	text(writer, 1, definition.name);
	texts(writer, 4, definition.inputs);
	texts(writer, 5, definition.outputs);
	texts(writer, 6, definition.attributes ?? []);
	for (const node of definition.nodes) {
		message(writer, 7, (inner) => writeNode(inner, node));
	}
	for (const [domain, version] of Object.entries(definition.opsets ?? { '': 17 })) {
		opset(writer, 9, domain, version);
	}
	text(writer, 10, definition.domain);
	writeAttributes(writer, 11, definition.attributeDefaults);
	text(writer, 13, definition.overload);
}

function opset(writer: BinaryWriter, field: number, domain: string, version: number): void {
	message(writer, field, (inner) => {
		text(inner, 1, domain);
		integer(inner, 2, version);
	});
}

function stringPair([key, value]: readonly [string, string]): Write {
	return (writer) => {
		text(writer, 1, key);
		text(writer, 2, value);
	};
}

function numbers(
	writer: BinaryWriter,
	field: number,
	values: readonly (number | bigint)[],
	{ packed, write, wire }: { packed: boolean; write: (w: BinaryWriter, x: number | bigint) => void; wire: WireType },
): void {
	if (packed && values.length > 0) {
		message(writer, field, (inner) => {
			for (const value of values) {
				write(inner, value);
			}
		});
	} else {
		for (const value of values) {
			write(writer.tag(field, wire), value);
		}
	}
}

function int64(writer: BinaryWriter, value: number | bigint): void {
	writer.int64(value);
}

function integer(writer: BinaryWriter, field: number, value: number | bigint): void {
	writer.tag(field, WireType.Varint).int64(value);
}

function text(writer: BinaryWriter, field: number, value: string | undefined): void {
	if (value !== undefined) {
		writer.tag(field, WireType.LengthDelimited).string(value);
	}
}

function texts(writer: BinaryWriter, field: number, values: readonly string[]): void {
	for (const value of values) {
		text(writer, field, value);
	}
}

function message(writer: BinaryWriter, field: number, write: Write): void {
	write(writer.tag(field, WireType.LengthDelimited).fork());
	writer.join();
}

function collect(write: Write): Uint8Array {
	const writer = new BinaryWriter();
	write(writer);
	return writer.finish();
}

function numeric(value: number | bigint | string): number | bigint {
	return typeof value === 'string' ? Number(value) : value;
}

function utf8(value: string): Uint8Array {
	return new TextEncoder().encode(value);
}

function splitInto<T>(items: readonly T[], pieces: number): T[][] {
	const size = Math.max(1, Math.ceil(items.length / pieces));
	return Array.from({ length: pieces }, (_, index) => items.slice(index * size, (index + 1) * size));
}
