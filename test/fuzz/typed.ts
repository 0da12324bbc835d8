import { CheckpointError } from '../../src/core/formats/errors.js';
import { OnnxError } from '../../src/core/onnx/errors.js';

/** Resolves to undefined for an error with a type, which is a valid answer to a broken file. Rejects with every other. */
export async function typed<T>(promise: Promise<T>): Promise<T | undefined> {
	try {
		return await promise;
	} catch (error) {
		if (error instanceof CheckpointError || error instanceof OnnxError) {
			return undefined;
		}
		throw error;
	}
}

/** Runs one use of a mutation, which has a time limit. */
export type Timed = <T>(name: string, use: () => Promise<T>) => Promise<T>;
