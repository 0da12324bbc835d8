import { decodeText } from '../text.js';

/**
 * Signatures of files that people open by mistake, with advice. `at` is the offset of the signature, default 0. Zeros
 * in a signature are the upper bytes of a size: an ONNX file may have the letters there, as its producer's name.
 */
const SIGNATURES: readonly { readonly bytes: string; readonly at?: number; readonly is: string }[] = [
	{
		bytes: 'version https://git-lfs',
		is: 'a Git LFS pointer, not the model itself: run "git lfs pull" to download the model',
	},
	{
		bytes: 'PK\x03\x04',
		is: 'a ZIP archive (a PyTorch, TorchScript, Keras or NumPy file, or a packed model): export or unpack the ONNX model first',
	},
	{ bytes: '\x89HDF\r\n', is: 'an HDF5 file (Keras .h5): convert it with tf2onnx first' },
	{ bytes: '\0\0TFL3', at: 2, is: 'a TensorFlow Lite model: convert it with tf2onnx first' },
	{ bytes: '\0\0ORTM', at: 2, is: "a model in ONNX Runtime's own ORT format: open the .onnx file it was made from" },
	{
		bytes: '\0\0\0\0{"',
		at: 4,
		is: 'a safetensors file, which holds weights without a graph: export the model to ONNX first',
	},
	{ bytes: 'GGUF', is: 'a GGUF file, which holds weights without an ONNX graph' },
	{ bytes: '\x93NUMPY', is: 'a NumPy array' },
	{ bytes: '\x1f\x8b', is: 'a gzip archive: unpack it first' },
	{ bytes: '\x28\xb5\x2f\xfd', is: 'a zstd archive: unpack it first' },
	{ bytes: '\xfd7zXZ', is: 'an xz archive: unpack it first' },
	{ bytes: 'BZh', is: 'a bzip2 archive: unpack it first' },
	{ bytes: '7z\xbc\xaf', is: 'a 7-Zip archive: unpack it first' },
	{ bytes: '\x00\x00\x00\x00\x00\x00\x00\x00', is: 'filled with zeros: the download or copy failed' },
];

/** Text files by their first characters, white space left out. */
const TEXTS: readonly { readonly start: RegExp; readonly is: string }[] = [
	{ start: /^<\s*ir_version/, is: 'a model in ONNX text syntax: convert it with onnx.parser first' },
	{
		start: /^ir_version\s*:/,
		is: 'a model in protobuf text format: convert it to binary with google.protobuf.text_format',
	},
	{ start: /^<(!doctype html|html|head|body)/i, is: 'a web page, not a model: the download failed or needs a login' },
	{ start: /^<\?xml|^<net/i, is: 'an XML file (OpenVINO IR?)' },
	{ start: /^[{[]/, is: 'a JSON file' },
];

/**
 * Names the format of a file that cannot be ONNX.
 * @param head the first bytes of the file, some hundred
 * @returns the end of a sentence "NAME is …", or undefined when nothing speaks against ONNX
 */
export function describeOtherFormat(head: Uint8Array): string | undefined {
	const latin1 = String.fromCharCode(...head.subarray(0, 64));
	const signature = SIGNATURES.find(({ bytes, at = 0 }) => latin1.startsWith(bytes, at));
	if (signature) {
		return signature.is;
	}
	const [first = 0, second = 0] = head;
	if (first === 0x80 && second >= 2 && second <= 5) {
		// Protocol 2 to 5: how torch.save wrote before version 1.6.
		return 'a Python pickle (an older PyTorch or scikit-learn file): export the model to ONNX first';
	}
	const text = decodeText(head.subarray(0, 64)).trimStart();
	return TEXTS.find(({ start }) => start.test(text))?.is;
}
