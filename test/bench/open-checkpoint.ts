import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { openCheckpoint } from '../../src/core/formats/open.js';
import type { ByteSource } from '../../src/core/onnx/source.js';
import { openFile } from '../../src/platform/file-source.js';
import { inflate } from '../../src/platform/inflate.js';
import { buildSafetensors, buildZip, concat, little, type ZipEntrySpec } from '../unit/support/checkpoint-builder.js';
import { buildHdf5, type DatasetSpec, type GroupSpec } from '../unit/support/hdf5-builder.js';
import { orderedDict, pickle, vector } from '../unit/support/pickle-builder.js';

/** Opens per file; the fastest counts, because other load only adds time. */
const REPEATS = 25;

/** Layers of a checkpoint, each of five tensors with a storage of its own, as in ResNet-50. */
const LAYERS = 53;

const LEAVES = ['weight', 'bias', 'running_mean', 'running_var'];

export interface OpenCheckpointCost {
	/** Time for 500 MB over time for 5 MB with the same number of tensors, in the format where it is largest. */
	readonly checkpointLargeOverSmall: number;
	/** The same ratio of each format. */
	readonly checkpointFormats: Readonly<Record<Format, number>>;
	/** Time for 500 MB in the slowest format, in ms. */
	readonly checkpointMs: number;
	/** Bytes read of 500 MB, in the format where they are most. */
	readonly checkpointBytesRead: number;
}

type Format = keyof typeof WRITERS;

export async function benchOpenCheckpoint(): Promise<OpenCheckpointCost> {
	const folder = await mkdtemp(path.join(tmpdir(), 'bench-checkpoint-'));
	try {
		const formats: Partial<Record<Format, number>> = {};
		let [slowest, mostBytes] = [0, 0];
		for (const format of Object.keys(WRITERS) as Format[]) {
			const small = await WRITERS[format](path.join(folder, `small.${format}`), 5e6);
			const large = await WRITERS[format](path.join(folder, `large.${format}`), 500e6);
			let smallMs = Number.POSITIVE_INFINITY;
			let largeMs = Number.POSITIVE_INFINITY;
			for (let repeat = 0; repeat < REPEATS; repeat++) {
				smallMs = Math.min(smallMs, (await observe(small)).ms);
				const { ms, bytes } = await observe(large);
				largeMs = Math.min(largeMs, ms);
				mostBytes = Math.max(mostBytes, bytes);
			}
			formats[format] = largeMs / smallMs;
			slowest = Math.max(slowest, largeMs);
		}
		return {
			checkpointLargeOverSmall: Math.max(...Object.values(formats)),
			checkpointFormats: formats as Record<Format, number>,
			checkpointMs: slowest,
			checkpointBytesRead: mostBytes,
		};
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
async function writePytorch(file: string, bytes: number): Promise<string> {
	const channels = channelsOf(bytes);
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

/** Returns the elements of each tensor. */
function channelsOf(bytes: number): number {
	return Math.floor(bytes / 4 / LAYERS / 5);
}

/** Writes the head of a file, and lets the rest be a hole. */
async function writeHead(file: string, head: Uint8Array, length: number): Promise<string> {
	const handle = await open(file, 'w');
	try {
		await handle.write(head, 0, head.length, 0);
		await handle.truncate(length);
	} finally {
		await handle.close();
	}
	return file;
}

async function writeSafetensors(file: string, bytes: number): Promise<string> {
	const channels = channelsOf(bytes);
	const tensors: Record<string, object> = {};
	let at = 0;
	for (let layer = 0; layer < LAYERS; layer++) {
		for (const name of [`${layer}.conv.weight`, ...LEAVES.map((leaf) => `${layer}.bn.${leaf}`)]) {
			tensors[name] = { dtype: 'F32', shape: [channels], data_offsets: [at, at + 4 * channels] };
			at += 4 * channels;
		}
	}
	const head = buildSafetensors({ header: JSON.stringify(tensors) });
	return writeHead(file, head, head.length + at);
}

/** Writes the groups and datasets of Keras; the elements of all datasets lie behind them. */
async function writeKeras(file: string, bytes: number): Promise<string> {
	const channels = channelsOf(bytes);
	const build = (start: number): Uint8Array => {
		let at = start;
		const dataset = (): DatasetSpec => {
			const layout = concat([3, 1], little(at, 8), little(4 * channels, 8));
			at += 4 * channels;
			return { dims: [channels], layout };
		};
		const layers = Array.from({ length: LAYERS }, (_, layer): [string, GroupSpec][] => [
			[`conv_${layer}`, { children: { kernel: dataset() } }],
			[
				`bn_${layer}`,
				{
					children: { gamma: dataset(), beta: dataset(), moving_mean: dataset(), moving_variance: dataset() },
				},
			],
		]);
		return buildHdf5({ children: Object.fromEntries(layers.flat()) });
	};
	// Addresses have a fixed width, so the length does not depend on them.
	const start = build(0).length;
	return writeHead(file, build(start), start + 4 * channels * LAYERS * 5);
}

const WRITERS = { pytorch: writePytorch, safetensors: writeSafetensors, keras: writeKeras };
