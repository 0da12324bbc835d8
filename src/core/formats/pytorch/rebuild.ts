import { failure, type Result, success } from '../../result.js';
import type { CheckpointLimits } from '../limits.js';
import type { Storage } from '../storage.js';
import { type CheckpointTensor, createTensor, type ViewDescription } from '../tensor.js';
import { classOf, itemsOf, numbersOf } from './containers.js';
import { readArray } from './numpy.js';
import { PersistentId, PickleGlobal, PickleObject, type PickleValue } from './pickle/values.js';
import { dtypeOf, parseStorageId, type StorageId } from './storage-id.js';

/** Finds the storages that a pickle refers to. */
export interface StorageFinder {
	/** @returns the storage, or a clause that follows "because" */
	find(id: StorageId): Result<Storage>;
}

/** Functions that take (storage, offset, size, stride, …). */
const FROM_STORAGE = new Set(['_rebuild_tensor', '_rebuild_tensor_v2', '_rebuild_tensor_v3']);

/** Functions and classes with the tensor itself as their first argument. */
const WRAPPERS = new Set([
	'_rebuild_parameter',
	'_rebuild_parameter_with_state',
	'_rebuild_device_tensor_from_numpy',
	'Parameter',
	'Buffer',
]);

/** Reason for tensors that pickle.dump wrote. */
const INSIDE = 'its values are a checkpoint inside of the pickle: save the state_dict with torch.save';

/** Maximum depth of nested wrappers. Python writes at most two. */
const MAX_WRAPPERS = 8;

/** Recognizes tensors among the values of a pickle. */
export class TensorReader {
	readonly #storages: StorageFinder;
	readonly #limits: CheckpointLimits;
	readonly #known = new Map<PickleValue, Result<Omit<ViewDescription, 'name'>> | undefined>();

	constructor(storages: StorageFinder, limits: CheckpointLimits) {
		this.#storages = storages;
		this.#limits = limits;
	}

	isTensor(value: PickleValue): value is PickleObject {
		return this.#view(value) !== undefined;
	}

	/** Returns the tensor of a value, or a clause after "because". */
	read(name: string, value: PickleObject): Result<CheckpointTensor> {
		const view = this.#view(value);
		if (!view?.ok) {
			return view ?? failure('it is not a tensor');
		}
		return createTensor({ name, ...view.value }, this.#limits);
	}

	#view(value: PickleValue): Result<Omit<ViewDescription, 'name'>> | undefined {
		if (!(value instanceof PickleObject)) {
			return undefined;
		}
		if (!this.#known.has(value)) {
			this.#known.set(value, this.#interpret(value));
		}
		return this.#known.get(value);
	}

	#interpret(value: PickleObject): Result<Omit<ViewDescription, 'name'>> | undefined {
		const object = unwrap(value);
		if (!object) {
			return undefined;
		}
		const { module = '', name = '' } = classOf(object) ?? {};
		if (module.startsWith('torch') && FROM_STORAGE.has(name)) {
			return this.#fromStorage(object.args);
		}
		if (module.startsWith('torch') && /^_rebuild_.*tensor/.test(name)) {
			return failure(`it was saved by ${name}, which is not supported`);
		}
		if (name === '_load_from_bytes') {
			return failure(INSIDE);
		}
		return readArray(object);
	}

	#fromStorage([reference, offset, size, stride, , , type]: readonly PickleValue[]): Result<
		Omit<ViewDescription, 'name'>
	> {
		const dims = numbersOf(size);
		const strides = numbersOf(stride);
		if (reference instanceof PickleObject && classOf(reference)?.name === '_load_from_bytes') {
			return failure(INSIDE);
		}
		if (!(reference instanceof PersistentId) || typeof offset !== 'number' || !dims || !strides) {
			return failure('its storage, offset, shape or strides are missing');
		}
		const id = parseStorageId(reference);
		if (!id.ok) {
			return id;
		}
		const dtype = dtypeOf(type) ?? id.value.dtype;
		if (!dtype) {
			return failure('it is quantized, or its element type is not in the file');
		}
		const storage = this.#storages.find(id.value);
		return storage.ok
			? success({ dtype, dims, strides, offset: offset + id.value.offset, storage: storage.value })
			: storage;
	}
}

/** Returns the call that makes the tensor, without its wrappers. */
function unwrap(value: PickleObject): PickleObject | undefined {
	let object = value;
	for (let depth = 0; depth < MAX_WRAPPERS; depth++) {
		const { module = '', name = '' } = classOf(object) ?? {};
		const inner = object.args[0];
		if (module.startsWith('torch') && WRAPPERS.has(name) && inner instanceof PickleObject) {
			object = inner;
		} else if (name === '_rebuild_from_type_v2' && inner instanceof PickleGlobal) {
			// (function, subclass, arguments, state)
			object = new PickleObject(inner, itemsOf(object.args[2]) ?? []);
		} else {
			return object;
		}
	}
	return undefined;
}
