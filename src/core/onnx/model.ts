/**
 * Structure of an ONNX model, as the reader keeps it: all but the bytes of large tensors. These stay in the source and
 * are read on demand (tensor.ts). Names follow onnx.proto.
 */

/** Half-open range of bytes in the model file. */
export interface ByteSpan {
	readonly offset: number;
	readonly length: number;
}

/** TensorProto.DataType: the number in the file. */
export type DataTypeCode = number;

/** Element types by their usual lower-case names; `typeName` in types.ts maps codes to them. */
export type DataTypeName =
	| 'undefined'
	| 'float32'
	| 'uint8'
	| 'int8'
	| 'uint16'
	| 'int16'
	| 'int32'
	| 'int64'
	| 'string'
	| 'bool'
	| 'float16'
	| 'float64'
	| 'uint32'
	| 'uint64'
	| 'complex64'
	| 'complex128'
	| 'bfloat16'
	| 'float8e4m3fn'
	| 'float8e4m3fnuz'
	| 'float8e5m2'
	| 'float8e5m2fnuz'
	| 'uint4'
	| 'int4'
	| 'float4e2m1'
	| 'float8e8m0'
	| 'uint2'
	| 'int2'
	| 'unknown';

/** A range of an external data file, see TensorProto.external_data. */
export interface ExternalRange {
	readonly location: string;
	/** In bytes. */
	readonly offset: number;
	/** Length in bytes; undefined if dims and type of the tensor determine it. */
	readonly length: number | undefined;
}

/** Place of a tensor's elements. */
export type TensorStorage =
	/** TensorProto.raw_data: little-endian elements at this span. */
	| { readonly kind: 'raw'; readonly span: ByteSpan }
	/** A typed repeated field (float_data …), packed or not, in file order. */
	| { readonly kind: 'typed'; readonly field: number; readonly chunks: readonly TypedChunk[] }
	/** TensorProto.external_data. `length` undefined: as dims and type say. */
	| ({ readonly kind: 'external' } & ExternalRange)
	/** SparseTensorProto: values with a name and shape of their own, and int64 indices; all other elements are 0. */
	| { readonly kind: 'sparse'; readonly values: TensorRecord; readonly indices: TensorRecord }
	/** Elements that another format's reader gathers on demand. */
	| { readonly kind: 'deferred'; readonly read: ReadElements }
	/** No data field: legal only for tensors without elements. */
	| { readonly kind: 'none' };

/**
 * Returns the first `count` elements of a tensor in row-major order, in the layout of raw_data and memory of their own.
 * @throws {OnnxError}
 */
export type ReadElements = (count: number) => Promise<Uint8Array<ArrayBuffer>>;

/** A piece of a typed field: the payload of a packed record, or a run of unpacked elements with their tags. */
export interface TypedChunk {
	readonly span: ByteSpan;
	readonly packed: boolean;
}

/** A TensorProto without its bytes. */
export interface TensorRecord {
	readonly name: string;
	readonly dataType: DataTypeCode;
	/** Dimensions as in the file, not checked: they may be negative or absurd. tensor.ts checks them before it reads. */
	readonly dims: readonly number[];
	readonly storage: TensorStorage;
	/** Span of the whole TensorProto message in the model file, without its tag and length. Edits are anchored here. */
	readonly span: ByteSpan;
	/** Holds only a part of a larger tensor (TensorProto.segment): never in use, not readable. */
	readonly segmented?: true;
}

/** AttributeProto with a single value field set. */
export interface Attribute {
	readonly name: string;
	readonly f?: number;
	/** 64-bit in the file; values beyond 2^53 are rounded. */
	readonly i?: number;
	readonly s?: Uint8Array;
	readonly t?: TensorRecord;
	readonly g?: Graph;
	readonly floats?: readonly number[];
	readonly ints?: readonly number[];
	readonly strings?: readonly Uint8Array[];
	readonly tensors?: readonly TensorRecord[];
	readonly graphs?: readonly Graph[];
	/** Inside a function body: name of the call's attribute. */
	readonly refAttrName?: string;
	/** A sparse tensor, as `t` is a dense tensor. */
	readonly sparse?: TensorRecord;
	/** A value longer than `limits.valueBytes` stays in the file. */
	readonly omitted?: true;
}

export interface Node {
	/** Position in its graph's node list. */
	readonly index: number;
	/** Name as in the file; often empty, not always unique. */
	readonly name: string;
	readonly opType: string;
	/** '' is the default ONNX domain ("ai.onnx" is normalized to ''). */
	readonly domain: string;
	readonly overload: string;
	/** '' marks an omitted optional input. */
	readonly inputs: readonly string[];
	readonly outputs: readonly string[];
	readonly attributes: ReadonlyMap<string, Attribute>;
	/** Span of the NodeProto in the file, without tag and length. */
	readonly span: ByteSpan;
	/** Facts about a layer that its file does not state; a checkpoint lacks most of a graph. */
	readonly inferred?: readonly InferredFact[];
}

/** `epsilon`: the constant added to the variance. `source`: the operator in front of the layer. */
export type InferredFact = 'epsilon' | 'source';

/** Format of a model's file. All but ONNX are checkpoints: weights without a graph that could run. */
export type ModelFormat = 'onnx' | 'pytorch' | 'safetensors' | 'keras';

/** Dimension of a declared shape: number, symbol, or unknown. */
export type Dimension = number | string | undefined;

export interface ValueInfo {
	readonly name: string;
	/** 0 when it is not a tensor or not stated. */
	readonly dataType: DataTypeCode;
	/** undefined: rank unknown. */
	readonly shape: readonly Dimension[] | undefined;
	/** The whole ValueInfoProto message in the model file. */
	readonly span?: ByteSpan;
}

/** TensorAnnotation: a quantizer's facts about a tensor (scale, zero point). */
export interface TensorAnnotation {
	/** Name of the tensor. */
	readonly name: string;
	/** Kind of fact -> name of the tensor that holds it. */
	readonly values: ReadonlyMap<string, string>;
	/** The whole TensorAnnotation message in the model file. */
	readonly span: ByteSpan;
}

export interface Graph {
	readonly name: string;
	readonly nodes: readonly Node[];
	readonly initializers: ReadonlyMap<string, TensorRecord>;
	/** Sparse initializers, with `storage` "sparse"; the span is that of the whole SparseTensorProto. */
	readonly sparseInitializers: ReadonlyMap<string, TensorRecord>;
	readonly inputs: readonly ValueInfo[];
	readonly outputs: readonly ValueInfo[];
	/** Declared types of intermediate values. */
	readonly valueInfo: ReadonlyMap<string, ValueInfo>;
	/** GraphProto.quantization_annotation. */
	readonly annotations?: readonly TensorAnnotation[];
	/** The GraphProto message of the file, in several pieces if split. */
	readonly spans?: readonly ByteSpan[];
}

/** FunctionProto: a model-local function. */
export interface FunctionDefinition {
	readonly name: string;
	readonly domain: string;
	readonly overload: string;
	readonly inputs: readonly string[];
	readonly outputs: readonly string[];
	readonly attributes: readonly string[];
	/** Defaults of attributes (attribute_proto). */
	readonly attributeDefaults: ReadonlyMap<string, Attribute>;
	readonly nodes: readonly Node[];
	readonly opsetImports: ReadonlyMap<string, number>;
}

export interface Model {
	/** Name of the file in messages. */
	readonly path: string;
	readonly bytes: number;
	/** Default: "onnx". */
	readonly format?: ModelFormat;
	readonly irVersion: number;
	readonly producerName: string;
	readonly producerVersion: string;
	/** Domain ('' is the default) -> version. */
	readonly opsetImports: ReadonlyMap<string, number>;
	readonly metadata: ReadonlyMap<string, string>;
	readonly graph: Graph;
	readonly functions: readonly FunctionDefinition[];
	/** Sentences about facts that a checkpoint lacks or that were inferred. */
	readonly notes?: readonly string[];
	/** Sentences about defects that did not prevent reading the file. */
	readonly warnings?: readonly string[];
}

/** A tensor in memory. Its array can hold every value of the element type exactly. */
export interface Tensor {
	readonly dataType: DataTypeCode;
	readonly dims: readonly number[];
	/**
	 * Elements, row-major. float32, float16 and bfloat16 as Float32Array or Float64Array; float64 and integers up to 32
	 * bits as Float64Array. 64-bit integers as Float64Array if all are safe integers, else the reader throws
	 * `unsupported`.
	 */
	readonly data: Float32Array | Float64Array;
	/**
	 * Distance that each element may have in a runtime, which computes it with its own functions and order of additions.
	 * Absent for tensors of the file, and for expressions that IEEE 754 determines.
	 */
	readonly error?: Float64Array;
}
