import type { ByteSource } from '../../onnx/source.js';
import { decodeText } from '../../onnx/text.js';
import { failure, success } from '../../result.js';
import type { Checkpoint } from '../checkpoint.js';
import { CheckpointError } from '../errors.js';
import type { Storage } from '../storage.js';
import type { ZipArchive } from '../zip/archive.js';
import { findPickle } from './entries.js';
import { unpickle } from './pickle/machine.js';
import { buildCheckpoint, type PytorchOptions } from './read.js';
import type { StorageFinder } from './rebuild.js';
import { addScriptEpsilon } from './script-epsilon.js';

/** Maximum bytes of the entries "version" and "byteorder". */
const MAX_WORD_BYTES = 64;

/**
 * Reads an archive of torch.save (since version 1.6) or torch.jit.save: "data.pkl", and an entry for each storage.
 * @throws {CheckpointError}
 */
export async function readZipCheckpoint(
	source: ByteSource,
	archive: ZipArchive,
	options: PytorchOptions,
): Promise<Checkpoint> {
	const pickle = findPickle(archive.names);
	if (!pickle) {
		throw new CheckpointError('malformed', `${source.name} lacks its data.pkl: save the file again with torch.save.`);
	}
	const { name, prefix, script } = pickle;
	const { limits } = options;
	await checkByteOrder(source, archive, prefix);
	const bytes = await archive.read(name, { bytes: limits.pickleBytes, name: 'pickleBytes' });
	const { value } = unpickle(bytes, 0, { path: source.name, limits });
	const opened = { root: value, storages: zipStorages(archive, prefix) };
	return script
		? buildCheckpoint(
				source,
				{
					...opened,
					format: 'torchscript',
					complete: ({ modules, classes }) => addScriptEpsilon(modules, classes, { archive, prefix, limits }),
				},
				options,
			)
		: buildCheckpoint(source, { ...opened, format: 'pytorch' }, options);
}

async function checkByteOrder(source: ByteSource, archive: ZipArchive, prefix: string): Promise<void> {
	const name = `${prefix}byteorder`;
	if (!archive.has(name)) {
		return;
	}
	const order = decodeText(await archive.read(name, { bytes: MAX_WORD_BYTES, name: 'byteorder' })).trim();
	if (order !== 'little') {
		throw new CheckpointError(
			'unsupported',
			`${source.name} holds numbers in ${order}-endian order: load and save it on another machine.`,
		);
	}
}

function zipStorages(archive: ZipArchive, prefix: string): StorageFinder {
	const storages = new Map<string, Storage>();
	return {
		find({ key, bytes }) {
			const name = `${prefix}data/${key}`;
			if (!archive.has(name)) {
				return failure(`its storage "${name}" is not in the file`);
			}
			const storage = storages.get(key) ?? archive.storage(name);
			storages.set(key, storage);
			return storage.bytes >= bytes
				? success(storage)
				: failure(`its storage "${name}" has ${storage.bytes} bytes where the pickle says ${bytes}`);
		},
	};
}
