/** Kind of a failure, which callers branch on. */
export type OnnxErrorCode =
	/** The source is unreadable: vanished, shrunk, forbidden, a directory. */
	| 'io'
	/** Zero bytes. */
	| 'empty'
	/** No ONNX model: no graph, or another format altogether. */
	| 'not-onnx'
	/** Bytes end inside a field. */
	| 'truncated'
	/** The protobuf encoding is broken: overlong varint, wrong wire type, invalid UTF-8 where it matters. */
	| 'malformed'
	/** A named limit was exceeded (nesting, counts, sizes): see the message for value and bound. */
	| 'limit'
	/** A tensor's dims, type and data disagree. */
	| 'bad-tensor'
	/** External data is missing, too short, or outside the model's folder. */
	| 'external-data'
	/** Understood but not supported: string tensors, newer types. */
	| 'unsupported';

/** Failure of reading a file. The message is a sentence that a user can act on: the problem, its place, the next step. */
export class ReadError<Code extends string> extends Error {
	readonly code: Code;
	/** Byte offset in the file at which reading failed; undefined if the failure has no place. */
	readonly offset: number | undefined;

	constructor(code: Code, message: string, offset?: number) {
		super(message);
		this.code = code;
		this.offset = offset;
	}
}

/** Failure of reading a model. */
export class OnnxError extends ReadError<OnnxErrorCode> {
	override readonly name = 'OnnxError';
}
