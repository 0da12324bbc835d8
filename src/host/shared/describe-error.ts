import { messageOf } from '../../core/text/sentences.js';
/** Failure with a sentence for the user as its message. */
export class UserError extends Error {
	override readonly name = 'UserError';
}

/** Names of the errors with a message for the user. */
const OURS = new Set(['UserError', 'OnnxError', 'EngineError', 'WriteError']);

/** Returns a sentence for the user. Calls all errors without such a message unexpected. */
export function describeError(error: unknown): string {
	if (error instanceof Error && OURS.has(error.name)) {
		return error.message;
	}
	return `Something unexpected went wrong: ${messageOf(error)}`;
}
