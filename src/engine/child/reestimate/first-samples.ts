import { product } from '../../../core/numbers/arrays.js';
import type { SampleBatch } from '../inputs/sample-batches.js';
import type { OpenedModel } from '../model/opened-model.js';
import { requiredInputs } from '../model/required-inputs.js';
import type { RuntimeTensor, Tensors } from '../tensors/tensor.js';

/** Samples with which a graph is compared with the kernel, which takes ten times as long. */
const CHECKED_SAMPLES = 8;

/**
 * Returns the first samples of a batch, as many as a check of the graph needs: whole parts if the model takes a fixed
 * number of samples. Returns the batch itself if it is as small.
 */
export function firstSamples(batch: SampleBatch, { model }: OpenedModel): SampleBatch {
	const { parts, samples } = batch;
	const ofPart = samples / parts.length;
	const isFixed = requiredInputs(model).some(({ shape }) => typeof shape?.[0] === 'number' && shape[0] > 0);
	const kept = isFixed ? Math.ceil(CHECKED_SAMPLES / ofPart) : 1;
	if (samples <= CHECKED_SAMPLES || (isFixed && kept >= parts.length)) {
		return batch;
	}
	return isFixed
		? { parts: parts.slice(0, kept), samples: kept * ofPart }
		: { parts: [firstRows(parts[0], samples)], samples: CHECKED_SAMPLES };
}

/** Returns the first rows of tensors with a row per sample. Other tensors hold a value for all samples. */
function firstRows(tensors: Tensors, samples: number): Tensors {
	const shortened = ([name, tensor]: [string, RuntimeTensor]): [string, RuntimeTensor] => {
		const { type, dims, data } = tensor;
		const [rows, ...sample] = dims;
		const length = CHECKED_SAMPLES * product(sample);
		return rows === samples
			? [name, { type, dims: [CHECKED_SAMPLES, ...sample], data: data.slice(0, length) }]
			: [name, tensor];
	};
	return new Map(Array.from(tensors, shortened));
}
