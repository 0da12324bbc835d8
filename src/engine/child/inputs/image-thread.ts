import { parentPort } from 'node:worker_threads';
import { InputError } from '../tensors/errors.js';
import type { RuntimeValue } from '../tensors/tensor.js';
import { type ImageOptions, type ReadImage, readImage } from './image-file.js';

/** Thread of {@link ImageThreads}: reads one image after the other. */

/** An image to read. */
export interface ImageJob {
	readonly id: number;
	readonly file: string;
	readonly input: RuntimeValue;
	readonly options: ImageOptions;
}

/** Answer to an {@link ImageJob}. */
export type ImageAnswer =
	| { readonly id: number; readonly image: ReadImage }
	| { readonly id: number; readonly message: string; readonly isInputError: boolean };

/** Reads an image. Returns the answer and the memory to hand over. */
async function answer({ id, file, input, options }: ImageJob): Promise<[ImageAnswer, ArrayBuffer[]]> {
	try {
		const image = await readImage(file, input, options);
		return [{ id, image }, [image.array.data.buffer as ArrayBuffer]];
	} catch (error) {
		const message = error instanceof Error ? error.message : String(error);
		return [{ id, message, isInputError: error instanceof InputError }, []];
	}
}

parentPort?.on('message', async (job: ImageJob) => {
	parentPort?.postMessage(...(await answer(job)));
});
