import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { openCheckpoint } from '../../src/core/formats/open.js';
import type { ByteSource } from '../../src/core/onnx/source.js';
import { openFile } from '../../src/platform/file-source.js';
import { inflate } from '../../src/platform/inflate.js';
import { buildZip, type ZipEntrySpec } from '../unit/support/checkpoint-builder.js';
import { orderedDict, pickle, vector } from '../unit/support/pickle-builder.js';

/** Opens per file; the fastest counts, because other load only adds time. */
const REPEATS = 25;

/** Layers of a checkpoint, each of five tensors with a storage of its own, as in ResNet-50. */
const LAYERS = 53;

const LEAVES = ['weight', 'bias', 'running_mean', 'running_var'];

export interface OpenCheckpointCost {
	/** Time for 500 MB over time for 5 MB with the same number of tensors. */
	readonly checkpointLargeOverSmall: number;
	/** Time for 500 MB, in ms. */
	readonly checkpointMs: number;
	/** Bytes read of 500 MB. */
	readonly checkpointBytesRead: number;
}

export async function benchOpenCheckpoint(): Promise<OpenCheckpointCost> {
	const folder = await mkdtemp(path.join(tmpdir(), 'bench-checkpoint-'));
	try {
		const small = await writeCheckpoint(path.join(folder, 'small.pth'), 5e6);
		const large = await writeCheckpoint(path.join(folder, 'large.pth'), 500e6);
		let smallMs = Number.POSITIVE_INFINITY;
		let largeMs = Number.POSITIVE_INFINITY;
		let bytesRead = 0;
		for (let repeat = 0; repeat < REPEATS; repeat++) {
			smallMs = Math.min(smallMs, (await observe(small)).ms);
			const { ms, bytes } = await observe(large);
			largeMs = Math.min(largeMs, ms);
			bytesRead = bytes;
		}
		return { checkpointLargeOverSmall: largeMs / smallMs, checkpointMs: largeMs, checkpointBytesRead: bytesRead };
	} finally {
		await rm(folder, { recursive: true });
	}
}

async function observe(file: string): Promise<{ readonly ms: number; readonly bytes: number }> {
	const start = performance.now();
	const source = await openFile(file);
	let bytes = 0;
	const counted: ByteSource = {
		name: source.name,
		size: source.size,
		read(offset, length) {
			bytes += length;
			return source.read(offset, length);
		},
	};
	const { layers } = await openCheckpoint(counted, { inflate });
	const ms = performance.now() - start;
	await source.close();
	if (layers.length !== LAYERS) {
		throw new Error(`${file} has ${layers.length} layers.`);
	}
	return { ms, bytes };
}

/** Writes a zip checkpoint of about `bytes` bytes, whose tensors are holes in the file, so that they take no time. */
async function writeCheckpoint(file: string, bytes: number): Promise<string> {
	const channels = Math.floor(bytes / 4 / LAYERS / 5);
	const names = Array.from({ length: LAYERS }, (_, layer) => [
		`${layer}.conv.weight`,
		...LEAVES.map((leaf) => `${layer}.bn.${leaf}`),
	]).flat();
	const data = pickle(orderedDict(Object.fromEntries(names.map((name, key) => [name, vector(String(key), channels)]))));
	const storages = names.map((_, key) => ({ name: `archive/data/${key}`, size: 4 * channels }));
	const handle = await open(file, 'w');
	try {
		let at = 0;
		const entries: ZipEntrySpec[] = [];
		for (const { name, size } of [{ name: 'archive/data.pkl', size: data.length }, ...storages]) {
			const header = buildZip({ entries: [{ name }] }).subarray(0, headerBytes(name));
			await handle.write(header, 0, header.length, at);
			entries.push({ name, size, compressedSize: size, offset: at });
			at += header.length + size;
		}
		await handle.write(data, 0, data.length, headerBytes('archive/data.pkl'));
		const headers = entries.reduce((total, { name }) => total + headerBytes(name), 0);
		const directory = buildZip({ entries, directoryOffset: at }).subarray(headers);
		await handle.write(directory, 0, directory.length, at);
	} finally {
		await handle.close();
	}
	return file;
}

/** Returns the bytes of an entry's local header. */
function headerBytes(name: string): number {
	return 30 + name.length;
}
