import { describeOtherFormat } from '../onnx/read/other-formats.js';
import type { ByteSource } from '../onnx/source.js';
import { CheckpointError } from './errors.js';
import type { CheckpointLimits } from './limits.js';
import { findPickle } from './pytorch/entries.js';
import { isLegacyMagic } from './pytorch/legacy-magic.js';
import { type Inflate, ZipArchive } from './zip/archive.js';

/** Format of a file, decided by its content. */
export type DetectedFormat =
	| { readonly kind: 'onnx' | 'safetensors' | 'pytorch-legacy' | 'pickle' | 'hdf5' }
	| { readonly kind: 'pytorch' | 'torchscript' | 'keras'; readonly archive: ZipArchive }
	/** Recognized without a reader. `is` ends a sentence "NAME is …". */
	| { readonly kind: 'other'; readonly is: string };

/** Bytes that show the format. A zip archive also needs its directory. */
const HEAD_BYTES = 512;

/** End of a sentence "NAME is …" for an unknown format. */
export const UNKNOWN_FORMAT = 'in a format that is unknown here: open an ONNX, PyTorch, Keras or safetensors file';

const ZIP = 'PK\x03\x04';
const EMPTY_ZIP = 'PK\x05\x06';
const HDF5 = '\x89HDF\r\n\x1a\n';

/** Signatures of formats without a reader. `at`: offset in bytes. */
const OTHERS: readonly { readonly bytes: string; readonly at: number; readonly is: string }[] = [
	{
		bytes: 'TFL3',
		at: 4,
		is: 'a TensorFlow Lite model, whose converter has folded batch normalization: open the Keras or ONNX model that it was made from',
	},
	...['ptrt', 'ftrt'].map((bytes) => ({
		bytes,
		at: 0,
		is: 'a TensorRT engine, compiled for one GPU with batch normalization folded: open the ONNX model that it was built from',
	})),
];

const OPENVINO =
	'an OpenVINO model, whose converter has folded batch normalization: open the ONNX or PyTorch model that it was made from';
const CORE_ML = 'a Core ML model, which cannot be read here: open the PyTorch or ONNX model that it was made from';

/** Zip archives without a reader, by the name of an entry. */
const ARCHIVES: readonly { readonly entry: RegExp; readonly is: string }[] = [
	{
		entry: /(^|\/)(archive_format|serialized_exported_program\.json)$/,
		is: 'a program of torch.export, which cannot be read here: save the state_dict of the model with torch.save',
	},
	{
		entry: /(^|\/)(model\.json|attributes\.pkl)$/,
		is: 'a TorchScript file of a version before 1.4: load and save it with a newer PyTorch first',
	},
	{
		entry: /^model\.weights\.json$/,
		is: 'a Keras model whose weights are split into several files: save it again in one file',
	},
	{ entry: /\.npy$/, is: 'an archive of NumPy arrays, not a model' },
];

/**
 * Detects the format of a file by its content, never its name.
 * @throws {CheckpointError} `truncated` for an empty file, or as {@link ZipArchive.open} does
 */
export async function detectFormat(
	source: ByteSource,
	options: { readonly inflate: Inflate; readonly limits?: Partial<CheckpointLimits> },
): Promise<DetectedFormat> {
	if (source.size === 0) {
		throw new CheckpointError('truncated', `${source.name} is empty: copy or download the file again.`, 0);
	}
	const head = new Uint8Array(await source.read(0, Math.min(source.size, HEAD_BYTES)));
	const latin1 = String.fromCharCode(...head);
	if (latin1.startsWith(ZIP) || latin1.startsWith(EMPTY_ZIP)) {
		return detectZip(await ZipArchive.open(source, options));
	}
	if (latin1.startsWith(HDF5)) {
		return { kind: 'hdf5' };
	}
	if (isSafetensors(head, source.size)) {
		return { kind: 'safetensors' };
	}
	if (isLegacyMagic(head)) {
		return { kind: 'pytorch-legacy' };
	}
	return describeOther(head, latin1);
}

function describeOther(head: Uint8Array, latin1: string): DetectedFormat {
	const other = OTHERS.find(({ bytes, at }) => latin1.startsWith(bytes, at));
	if (other) {
		return { kind: 'other', is: other.is };
	}
	if (/^\s*(<\?xml[^>]*>\s*)?<net[\s>]/.test(latin1)) {
		return { kind: 'other', is: OPENVINO };
	}
	if (isCoreMl(head)) {
		return { kind: 'other', is: CORE_ML };
	}
	if (isPickle(head)) {
		return { kind: 'pickle' };
	}
	const is = describeOtherFormat(head);
	if (is === undefined && isOnnx(head)) {
		return { kind: 'onnx' };
	}
	return { kind: 'other', is: is ?? UNKNOWN_FORMAT };
}

function detectZip(archive: ZipArchive): DetectedFormat {
	const pickle = findPickle(archive.names);
	if (pickle) {
		return { kind: pickle.script ? 'torchscript' : 'pytorch', archive };
	}
	if (archive.has('config.json') && archive.has('model.weights.h5')) {
		return { kind: 'keras', archive };
	}
	const is = ARCHIVES.find(({ entry }) => archive.names.some((name) => entry.test(name)))?.is;
	return {
		kind: 'other',
		is: is ?? 'a zip archive without a model that can be read here: unpack it and open its model',
	};
}

/** The header begins with "{" and its length fits the file. */
function isSafetensors(head: Uint8Array, size: number): boolean {
	if (head.length < 10) {
		return false;
	}
	const length = Number(new DataView(head.buffer, head.byteOffset, 8).getBigUint64(0, true));
	const text = String.fromCharCode(...head.subarray(8, 40)).trimStart();
	return length >= 2 && (length <= size - 8 ? text.startsWith('{') : length < 2 ** 40 && /^\{\s*"/.test(text));
}

/** A pickle begins with its protocol; protocols 0 and 1 do not. */
function isPickle([first, protocol = 0]: Uint8Array): boolean {
	return first === 0x80 && protocol >= 2 && protocol <= 5;
}

/** True for Core ML: field 1 is a version, field 2 a message that begins with a message. ONNX has a text as field 2. */
function isCoreMl(head: Uint8Array): boolean {
	const [versionTag, version = 0, descriptionTag] = head;
	if (versionTag !== 0x08 || version >= 0x80 || descriptionTag !== 0x12) {
		return false;
	}
	let at = 3;
	while ((head[at] ?? 0) >= 0x80 && at < 13) {
		at++;
	}
	return head[at + 1] === 0x0a;
}

/** Returns true if the first byte is the tag of a field of ModelProto with its wire type. */
function isOnnx(head: Uint8Array): boolean {
	const [tag = 0, second = 0] = head;
	const field = tag < 0x80 ? tag >> 3 : (second << 4) | ((tag & 0x78) >> 3);
	const wire = tag & 7;
	return [1, 5].includes(field) ? wire === 0 : [2, 3, 4, 6, 7, 8, 14, 20, 25, 26].includes(field) && wire === 2;
}
