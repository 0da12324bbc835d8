import type { DataTypeName } from '../../onnx/model.js';
import { failure, type Result, success } from '../../result.js';
import { memoryStorage, type Storage } from '../storage.js';
import type { ViewDescription } from '../tensor.js';
import { classOf, itemsOf, numbersOf } from './containers.js';
import { PickleObject, type PickleValue } from './pickle/values.js';

/** Element types by NumPy's codes. */
const TYPES: Readonly<Record<string, DataTypeName>> = {
	f2: 'float16',
	f4: 'float32',
	f8: 'float64',
	i1: 'int8',
	i2: 'int16',
	i4: 'int32',
	i8: 'int64',
	u1: 'uint8',
	u2: 'uint16',
	u4: 'uint32',
	u8: 'uint64',
	b1: 'bool',
};

/**
 * Reads a pickled NumPy array. Its elements are inside the pickle.
 * @returns undefined if the object is not an array
 */
export function readArray(object: PickleObject): Result<Omit<ViewDescription, 'name'>> | undefined {
	const { module = '', name } = classOf(object) ?? {};
	if (!module.startsWith('numpy')) {
		return undefined;
	}
	if (name === '_reconstruct') {
		const [, shape, type, columnMajor, data] = itemsOf(object.state) ?? [];
		return describe({ shape, type, data, columnMajor: columnMajor === true });
	}
	if (name === '_frombuffer') {
		const [data, type, shape, order] = object.args;
		return describe({ shape, type, data, columnMajor: order === 'F' });
	}
	return undefined;
}

interface ArrayParts {
	readonly shape: PickleValue | undefined;
	readonly type: PickleValue | undefined;
	readonly data: PickleValue | undefined;
	readonly columnMajor: boolean;
}

function describe({ shape, type, data, columnMajor }: ArrayParts): Result<Omit<ViewDescription, 'name'>> {
	const dims = numbersOf(shape);
	const dtype = dtypeOf(type);
	const storage = storageOf(data);
	if (!dims || !dtype || !storage) {
		return failure('it is a NumPy array whose element type or data cannot be read here');
	}
	const axes = columnMajor ? dims.keys() : [...dims.keys()].reverse();
	const strides = dims.map(() => 1);
	let step = 1;
	for (const axis of axes) {
		strides[axis] = step;
		step *= dims[axis] ?? 1;
	}
	return success({ dims, dtype, strides, offset: 0, storage });
}

/** numpy.dtype('f4') with the state (version, byte order, …). */
function dtypeOf(value: PickleValue | undefined): DataTypeName | undefined {
	if (!(value instanceof PickleObject) || classOf(value)?.name !== 'dtype') {
		return undefined;
	}
	const [code] = value.args;
	const [, byteOrder] = itemsOf(value.state) ?? [];
	return typeof code === 'string' && byteOrder !== '>' ? TYPES[code] : undefined;
}

/** Protocol 2 has no bytes: Python 3 writes _codecs.encode(text, 'latin1') for them, a character a byte. */
function storageOf(value: PickleValue | undefined): Storage | undefined {
	if (value instanceof Uint8Array) {
		return memoryStorage(value);
	}
	const [text] = value instanceof PickleObject && classOf(value)?.name === 'encode' ? value.args : [];
	return typeof text === 'string'
		? {
				bytes: text.length,
				read: async (at, length) => new Uint8Array(length).map((_, index) => text.charCodeAt(at + index)),
				locate: async () => undefined,
			}
		: undefined;
}
