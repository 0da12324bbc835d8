import { OnnxError, type OnnxErrorCode, ReadError } from '../onnx/errors.js';

/** Kind of failure; callers branch on it, never on the message. */
export type CheckpointErrorCode =
	/** The content is of no format that a reader here knows. */
	| 'unknown-format'
	/** The file ends before the bytes that it announces. */
	| 'truncated'
	/** The container, the header or the pickle contradicts its own format. */
	| 'malformed'
	/** A named limit was exceeded; the message carries both numbers. */
	| 'limit'
	/** Shape, strides and storage of a tensor disagree. */
	| 'bad-tensor'
	/** Valid, but not read here: encrypted entries, big-endian data, quantized tensors. */
	| 'unsupported'
	/** A well-formed file without a tensor. */
	| 'no-tensors';

/** Failure of reading a checkpoint. */
export class CheckpointError extends ReadError<CheckpointErrorCode> {
	override readonly name = 'CheckpointError';
}

/** Returns the error for a file that ends inside `part`. */
export function truncated(name: string, size: number, part: string): CheckpointError {
	return new CheckpointError(
		'truncated',
		`${name} ends at byte ${size}, inside ${part}: copy or download the file again.`,
		size,
	);
}

const ONNX_CODES: Readonly<Record<CheckpointErrorCode, OnnxErrorCode>> = {
	'unknown-format': 'not-onnx',
	truncated: 'truncated',
	malformed: 'malformed',
	limit: 'limit',
	'bad-tensor': 'bad-tensor',
	unsupported: 'unsupported',
	'no-tensors': 'empty',
};

/** Returns the error for callers that read ONNX models and checkpoints alike; other errors stay as they are. */
export function toOnnxError(error: unknown): unknown {
	return error instanceof CheckpointError ? new OnnxError(ONNX_CODES[error.code], error.message, error.offset) : error;
}
