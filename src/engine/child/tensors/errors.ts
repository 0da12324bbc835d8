/** An input that the user gave does not fit. The message is a sentence that names the file or input. */
export class InputError extends Error {
	override readonly name = 'InputError';
}
