/** Failure of a request. The message is one sentence for the user; callers branch on the code. */
export class EngineError extends Error {
	override readonly name = 'EngineError';
	/** An OnnxErrorCode, or "cancelled", "crashed", "input", "internal". */
	readonly code: string;

	constructor(code: string, message: string) {
		super(message);
		this.code = code;
	}
}
