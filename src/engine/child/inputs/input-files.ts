import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { unzipSync } from 'fflate';
import { OnnxError } from '../../../core/onnx/errors.js';
import { readModel } from '../../../core/onnx/read/reader.js';
import { memorySource } from '../../../core/onnx/source.js';
import { readTensor } from '../../../core/onnx/tensor/tensor.js';
import { typeName } from '../../../core/onnx/types.js';
import { fromNumbers } from '../tensors/elements.js';
import { InputError } from '../tensors/errors.js';
import { type NpyArray, parseNpy } from '../tensors/npy.js';

/** Maximum decompressed size of an .npz member, in bytes. A larger archive is more likely hostile than an input. */
const MAX_MEMBER_BYTES = 2 ** 31;

/** True for the name of a file that {@link readInputFile} reads. */
export function isArrayFile(file: string): boolean {
	return /\.(npy|npz|pb)$/i.test(file);
}

/** Returns the archive of "archive.npz" or "archive.npz:member"; else undefined. */
export function archiveOf(file: string): string | undefined {
	return /^(.*\.npz)(?::.+)?$/i.exec(file)?.[1];
}

/**
 * Reads a model input from a file.
 *
 * @param file path of a .npy, of an ONNX TensorProto (.pb), or of a .npz; "archive.npz:member" names one of several members
 * @param input the model input it is meant for: the member of that name is taken from a .npz
 * @throws {InputError} one sentence naming the file.
 */
export async function readInputFile(file: string, input: string): Promise<NpyArray> {
	const archive = archiveOf(file);
	const member = archive === undefined ? undefined : file.slice(archive.length + 1) || undefined;
	const bytes = await readWhole(archive ?? file);
	if (archive !== undefined) {
		return readMember(bytes, archive, member, input);
	}
	switch (path.extname(file).toLowerCase()) {
		case '.npy':
			return parseNpy(bytes, file);
		case '.pb':
			return readTensorProto(bytes, file);
		default:
			throw new InputError(
				`${file} is no input this tool reads; give a .npy, .npz or ONNX TensorProto .pb file, or a .png or .jpg image.`,
			);
	}
}

/** @throws {InputError} */
export async function readWhole(file: string): Promise<Uint8Array> {
	try {
		const stats = await stat(file);
		if (!stats.isFile() && !stats.isDirectory()) {
			throw new InputError(`${file} cannot be read: it is a device or pipe, not a file.`);
		}
		return await readFile(file);
	} catch (error) {
		if (error instanceof InputError) {
			throw error;
		}
		throw unreadable(file, error);
	}
}

/** Returns the error for a file that the system does not read. */
export function unreadable(file: string, error: unknown): InputError {
	const code = (error as NodeJS.ErrnoException).code;
	const why =
		code === 'ENOENT' ? 'there is no such file' : code === 'EISDIR' ? 'it is a folder' : (error as Error).message;
	return new InputError(`${file} cannot be read: ${why}.`);
}

function readMember(bytes: Uint8Array, archive: string, member: string | undefined, input: string): NpyArray {
	const names: string[] = [];
	let members: Record<string, Uint8Array>;
	try {
		unzipSync(bytes, { filter: ({ name }) => names.push(name.replace(/\.npy$/, '')) < 0 });
		const wanted = member ?? (names.includes(input) ? input : names.length === 1 ? names[0] : undefined);
		if (wanted === undefined || !names.includes(wanted)) {
			throw new InputError(
				`${archive} has no array "${member ?? input}"; it holds ${names.join(', ')}: name one as ${archive}:NAME.`,
			);
		}
		members = unzipSync(bytes, {
			filter: (file) => file.name.replace(/\.npy$/, '') === wanted && file.originalSize <= MAX_MEMBER_BYTES,
		});
	} catch (error) {
		throw error instanceof InputError
			? error
			: new InputError(`${archive} is not a readable .npz archive: ${(error as Error).message}.`);
	}
	const [entry] = Object.entries(members);
	if (entry === undefined) {
		throw new InputError(
			`${archive} holds an array of more than ${MAX_MEMBER_BYTES} bytes, the most that is read from an archive.`,
		);
	}
	return parseNpy(entry[1], `${archive}:${entry[0]}`);
}

/**
 * Reads a TensorProto file as the only initializer of a model made around it, so that a single reader handles all
 * storage forms.
 */
async function readTensorProto(bytes: Uint8Array, file: string): Promise<NpyArray> {
	try {
		const source = memorySource(wrapTensor(bytes), file);
		const model = await readModel(source);
		const [record] = [...model.graph.initializers.values()];
		const tensor = await readTensor(record, { source });
		const type = typeName(record.dataType);
		return { type, shape: tensor.dims, data: fromNumbers(tensor.data, type, file) };
	} catch (error) {
		if (error instanceof OnnxError) {
			throw new InputError(`${file} is not an ONNX tensor that can be read: ${error.message}`);
		}
		throw error;
	}
}

/** ModelProto { ir_version: 8, graph: { initializer: [tensor] } } */
function wrapTensor(tensor: Uint8Array): Uint8Array {
	const initializer = [0x2a, ...varint(tensor.length)];
	const graph = [0x3a, ...varint(initializer.length + tensor.length)];
	const head = [0x08, 8, ...graph, ...initializer];
	const bytes = new Uint8Array(head.length + tensor.length);
	bytes.set(head);
	bytes.set(tensor, head.length);
	return bytes;
}

function varint(value: number): number[] {
	const bytes: number[] = [];
	let rest = value;
	while (rest >= 0x80) {
		bytes.push((rest % 0x80) | 0x80);
		rest = Math.floor(rest / 0x80);
	}
	return [...bytes, rest];
}
