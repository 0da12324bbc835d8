import { messageOf } from '../../core/text/sentences.js';
/** Failure whose message is a sentence for the user. */
export class UserError extends Error {
	override readonly name = 'UserError';
}

/** Names of the errors whose messages are sentences for the user. */
const OURS = new Set(['UserError', 'OnnxError', 'EngineError', 'WriteError']);

/** Returns one sentence for the user. Introduces other errors as unexpected. */
export function describeError(error: unknown): string {
	if (error instanceof Error && OURS.has(error.name)) {
		return error.message;
	}
	return `Something unexpected went wrong: ${messageOf(error)}`;
}
