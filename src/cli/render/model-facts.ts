import { formatWords, isCheckpoint } from '../../core/report/formats.js';
import type { ModelSummary } from '../../core/report/types.js';
import { visible } from '../../core/text/names.js';

/** Returns format, producer and size of a model in words. */
export function modelFacts(model: ModelSummary): string {
	return isCheckpoint(model)
		? formatWords(model)
		: `opset ${model.opset}, ${visible(model.producer) || 'unknown producer'}, ${model.nodes} nodes`;
}
