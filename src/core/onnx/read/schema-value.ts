import type { ByteSpan, DataTypeCode, Dimension, ValueInfo } from '../model.js';
import { type Field, integer, message, name, type Shape } from './shape.js';

/** A ValueInfoProto while its fields are read. */
interface ValueInfoDraft {
	name: string;
	dataType: DataTypeCode;
	shape: Dimension[] | undefined;
	readonly span: ByteSpan;
}

/** A declared input, output or intermediate value, passed on when complete. */
export function valueInfoField<T>(title: string, put: (target: T, info: ValueInfo) => void): Field<T> {
	return message(title, (target, span) => {
		const draft: ValueInfoDraft = { name: '', dataType: 0, shape: undefined, span };
		return { shape: VALUE_INFO, target: draft, close: () => put(target, draft) };
	});
}

const VALUE_INFO: Shape<ValueInfoDraft> = {
	name: 'ValueInfoProto',
	fields: {
		1: name('name', (info, value) => {
			info.name = value;
		}),
		2: message('type', (info) => ({ shape: TYPE, target: info })),
	},
};

/** Sequences, maps, optionals and sparse tensors are left at "not a tensor". */
const TYPE: Shape<ValueInfoDraft> = {
	name: 'TypeProto',
	fields: { 1: message('tensor_type', (info) => ({ shape: TENSOR_TYPE, target: info })) },
};

const TENSOR_TYPE: Shape<ValueInfoDraft> = {
	name: 'TypeProto.Tensor',
	fields: {
		1: integer('elem_type', (info, value) => {
			info.dataType = value;
		}),
		2: message('shape', (info) => {
			info.shape ??= [];
			return { shape: TENSOR_SHAPE, target: info.shape };
		}),
	},
};

const TENSOR_SHAPE: Shape<Dimension[]> = {
	name: 'TensorShapeProto',
	fields: {
		1: message('dim', (dimensions, _span, session) => {
			dimensions.push(undefined);
			session.require('rank', 'the number of dimensions of a declared shape', dimensions.length);
			return { shape: DIMENSION, target: dimensions };
		}),
	},
};

/** The last added dimension. Exporters write -1 and "" for "unknown". */
const DIMENSION: Shape<Dimension[]> = {
	name: 'TensorShapeProto.Dimension',
	fields: {
		1: integer('dim_value', (dimensions, value) => {
			dimensions[dimensions.length - 1] = value < 0 ? undefined : value;
		}),
		2: name('dim_param', (dimensions, value) => {
			dimensions[dimensions.length - 1] = value === '' ? undefined : value;
		}),
	},
};
