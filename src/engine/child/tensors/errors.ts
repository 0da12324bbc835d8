/** What the user gave as model input does not fit; the message is one sentence naming the file or input. */
export class InputError extends Error {
	override readonly name = 'InputError';
}
