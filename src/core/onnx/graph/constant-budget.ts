import { OnnxError } from '../errors.js';
import type { TensorRecord } from '../model.js';
import { MAX_ELEMENTS } from './constant-tensors.js';

/**
 * Number of elements that the constant expressions of a model may make of a few: 4 MB as float32. Parameters of a large
 * network are under a million.
 */
const FREE_ELEMENTS = 1 << 20;
/**
 * Number of further elements for each byte of the tensors behind the expressions. A float16 weight that is read, cast
 * and transposed takes 1.5 per byte. A comparison evaluates a large weight three times, other checks as often.
 */
const ELEMENTS_PER_BYTE = 16;

/**
 * Limits the elements that constant expressions read and make by the bytes of the file behind them. Without a limit a
 * few bytes ask for gigabytes: a scalar that is expanded in front of each of a hundred convolutions.
 */
export class ConstantBudget {
	/** Bytes counted so far of each tensor in the model file, and of each external file from its start. */
	readonly #counted = new Map<TensorRecord | string, number>();
	#heldBytes = 0;
	#elements = 0;

	/** Counts the bytes of a tensor of the file once, and the overlapping parts of external tensors once. */
	hold(record: TensorRecord, bytes: number): void {
		const { storage } = record;
		const [key, end] = storage.kind === 'external' ? [storage.location, storage.offset + bytes] : [record, bytes];
		const counted = this.#counted.get(key) ?? 0;
		this.#heldBytes += Math.max(0, end - counted);
		this.#counted.set(key, Math.max(end, counted));
	}

	/** Refuses elements before they take memory. @throws {OnnxError} `limit` */
	spend(elements: number, name: string): void {
		const most = FREE_ELEMENTS + ELEMENTS_PER_BYTE * this.#heldBytes;
		if (elements > MAX_ELEMENTS || this.#elements + elements > most) {
			const bound = elements > MAX_ELEMENTS ? `${MAX_ELEMENTS}` : `${most} for the constant expressions of this model`;
			throw new OnnxError('limit', `"${name}" has ${elements} elements, too many to evaluate: the limit is ${bound}.`);
		}
		this.#elements += elements;
	}
}
