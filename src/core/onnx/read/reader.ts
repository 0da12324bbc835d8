import { OnnxError } from '../errors.js';
import { DEFAULT_LIMITS, type Limits } from '../limits.js';
import type { Model, TensorRecord } from '../model.js';
import type { ByteSource } from '../source.js';
import { describeOtherFormat } from './other-formats.js';
import { ReadSession } from './read-session.js';
import { ReadWindow } from './read-window.js';
import { MODEL, type ModelDraft, newModel } from './schema-model.js';
import { closeTensor, openTensor, TENSOR } from './schema-tensor.js';
import { Walker } from './walk.js';

/**
 * Reads the structure of an ONNX model. Locates tensor elements without reading them, so it reads about as many bytes
 * as the model has without its weights. Skips unknown fields, merges split messages, and accepts oddities that runtimes
 * accept, with a warning.
 * @throws {OnnxError} `empty`, `not-onnx`, `truncated`, `malformed`, `limit`, or `io` from the source
 */
export async function readModel(source: ByteSource, limits: Partial<Limits> = {}): Promise<Model> {
	if (source.size === 0) {
		throw new OnnxError('empty', `${source.name} is empty: the export or download did not finish.`);
	}
	const session = new ReadSession(source.name, { ...DEFAULT_LIMITS, ...limits });
	const window = new ReadWindow(source);
	await window.load(0, Math.min(source.size, 64));
	const other = describeOtherFormat(window.bytes);
	if (other !== undefined) {
		throw new OnnxError('not-onnx', `${source.name} is not an ONNX model: it is ${other}.`, 0);
	}
	const draft = newModel();
	const walker = new Walker({ shape: MODEL, target: draft }, source.size, { window, session });
	try {
		await walker.run();
	} catch (error) {
		throw isForeign(error, draft) ? notOnnx(source, `as ONNX, ${error.message}`) : error;
	}
	return finish(draft, source, session);
}

/**
 * Reads a lone TensorProto (.pb test data) without its elements.
 * @throws {OnnxError} as {@link readModel}
 */
export async function readTensorProto(source: ByteSource, limits: Partial<Limits> = {}): Promise<TensorRecord> {
	const session = new ReadSession(source.name, { ...DEFAULT_LIMITS, ...limits });
	const draft = openTensor({ offset: 0, length: source.size });
	const root = { shape: TENSOR, target: draft };
	await new Walker(root, source.size, { window: new ReadWindow(source), session }).run();
	return closeTensor(draft);
}

/**
 * True if no graph was found before the first error, so that the file is of another format. A truncated file keeps its
 * own message.
 */
function isForeign(error: unknown, { graph, irVersion }: ModelDraft): error is OnnxError {
	const wasCut = error instanceof OnnxError && error.code === 'truncated' && irVersion > 0;
	return error instanceof OnnxError && error.code !== 'io' && graph === undefined && !wasCut;
}

function notOnnx(source: ByteSource, reason: string): OnnxError {
	return new OnnxError('not-onnx', `${source.name} is not an ONNX model: ${reason}`, 0);
}

function finish(draft: ModelDraft, { name, size }: ByteSource, session: ReadSession): Model {
	const { graph, ...rest } = draft;
	if (!graph) {
		throw new OnnxError('not-onnx', `${name} is not an ONNX model: it has no graph.`);
	}
	if (!rest.opsetImports.has('') && rest.irVersion < 3) {
		// IR versions below 3 have a single operator set without a field.
		rest.opsetImports.set('', 1);
	}
	return { path: name, bytes: size, ...rest, graph, warnings: session.warnings };
}
