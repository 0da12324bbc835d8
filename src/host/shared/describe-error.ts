import { messageOf } from '../../core/text/sentences.js';
/** A failure whose message is a sentence for the user. */
export class UserError extends Error {
	override readonly name = 'UserError';
}

/** Errors whose messages are sentences for the user: those of the reader, the engine's client and the host. */
const OURS = new Set(['UserError', 'OnnxError', 'EngineError']);

/** One sentence for the user; what we did not foresee is introduced as such. */
export function describeError(error: unknown): string {
	if (error instanceof Error && OURS.has(error.name)) {
		return error.message;
	}
	return `Something unexpected went wrong: ${messageOf(error)}`;
}
