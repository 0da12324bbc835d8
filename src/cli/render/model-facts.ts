import path from 'node:path';
import { formatWords, isCheckpoint } from '../../core/report/formats.js';
import type { ModelSummary } from '../../core/report/types.js';
import { visible } from '../../core/text/names.js';

/** Returns a path below the working directory relative to it, and any other path unchanged. */
export function displayPath(file: string): string {
	const relative = path.relative(process.cwd(), file);
	return relative === '' || relative.startsWith('..') || path.isAbsolute(relative) ? file : relative;
}

/** Returns format, producer and size of a model in words. */
export function modelFacts(model: ModelSummary): string {
	return isCheckpoint(model)
		? formatWords(model)
		: `opset ${model.opset}, ${visible(model.producer) || 'unknown producer'}, ${model.nodes} nodes`;
}
