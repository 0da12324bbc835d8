import { createWriteStream } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { readModel } from '../../src/core/onnx/read/reader.js';
import { type ByteSource, memorySource } from '../../src/core/onnx/source.js';
import { planEdits, renderEdits, replaceMessage } from '../../src/core/onnx/write/edit.js';
import { encodeTensor } from '../../src/core/onnx/write/encode.js';
import { openFile } from '../../src/platform/file-source.js';
import { buildModel, type GraphSpec, type NodeSpec, type TensorSpec } from '../unit/support/model-builder.js';
import { resNet50 } from '../unit/support/networks.js';
import { benchOpenCheckpoint, type OpenCheckpointCost } from './open-checkpoint.js';

/**
 * Opens per file. The fastest counts, because other load only adds time. The files are in the page cache, so the reader
 * is measured and not the disk.
 */
const REPEATS = 25;

export interface OpenCost extends OpenCheckpointCost {
	/** Of 102 MB. */
	readonly resnet50Ms: number;
	readonly resnet50BytesRead: number;
	/** Time for 400 MB over time for 4 MB of the same graph. */
	readonly largeOverSmall: number;
	/** Time for a chain of 5,000 nodes with 5,000 small weights, in ms. */
	readonly nodes5000Ms: number;
	/** Peak memory while the 400 MB are opened, beyond the memory before, in bytes. */
	readonly peakMb: number;
}

export async function benchOpen(): Promise<OpenCost> {
	const folder = await mkdtemp(path.join(tmpdir(), 'bench-open-'));
	try {
		const resnet50 = path.join(folder, 'resnet50.onnx');
		await writeFile(resnet50, resNet50());
		const small = await writeModel(path.join(folder, 'small.onnx'), chain(50, 20_000));
		const large = await writeModel(path.join(folder, 'large.onnx'), chain(50, 2_000_000));
		const nodes = await writeModel(path.join(folder, 'nodes.onnx'), chain(5000, 4));
		const { bytes } = await observe(resnet50);
		const [smallMs = 0, largeMs = 0] = await measure([small, large]);
		const [resnet50Ms = 0, nodes5000Ms = 0] = await measure([resnet50, nodes]);
		const { peakMb } = await observe(large);
		return {
			resnet50Ms,
			resnet50BytesRead: bytes,
			largeOverSmall: largeMs / smallMs,
			nodes5000Ms,
			peakMb,
			...(await benchOpenCheckpoint()),
		};
	} finally {
		await rm(folder, { recursive: true });
	}
}

/** Returns the shortest time to open each file, in ms. The files take turns, so that other load slows all alike. */
async function measure(files: readonly string[]): Promise<number[]> {
	const times = files.map((): number[] => []);
	for (let repeat = 0; repeat < REPEATS; repeat++) {
		for (const [index, file] of files.entries()) {
			const start = performance.now();
			const source = await openFile(file);
			await readModel(source);
			times[index]?.push(performance.now() - start);
			await source.close();
		}
	}
	return times.map((list) => Math.min(...list));
}

/** Opens a file once, counts bytes, and samples memory at every read. */
async function observe(file: string): Promise<{ bytes: number; peakMb: number }> {
	const source = await openFile(file);
	const before = memory();
	let bytes = 0;
	let peak = before;
	const watched: ByteSource = {
		name: source.name,
		size: source.size,
		read(offset, length) {
			bytes += length;
			peak = Math.max(peak, memory());
			return source.read(offset, length);
		},
	};
	const model = await readModel(watched);
	peak = Math.max(peak, memory());
	await source.close();
	if (model.graph.nodes.length === 0) {
		throw new Error(`${file} has no nodes.`);
	}
	return { bytes, peakMb: (peak - before) / 2 ** 20 };
}

function memory(): number {
	const { heapUsed, external } = process.memoryUsage();
	return heapUsed + external;
}

/** Streams a graph to a file. Its weights share one block of zeros, so 400 MB need no memory. */
async function writeModel(file: string, graph: GraphSpec): Promise<string> {
	const empty = (graph.initializers ?? []).map((tensor) => ({ ...tensor, raw: new Uint8Array(0) }));
	const source = memorySource(buildModel({ graph: { ...graph, initializers: empty } }), file);
	const { initializers } = (await readModel(source)).graph;
	const largest = Math.max(...[...initializers.values()].map(({ dims }) => product(dims)));
	const zeros = new Uint8Array(largest * 4);
	const edits = [...initializers.values()].map((record) => {
		const { name, dims, dataType } = record;
		return replaceMessage(record, encodeTensor(name, { dataType, dims, bytes: zeros.subarray(0, product(dims) * 4) }));
	});
	await pipeline(Readable.from(renderEdits(await planEdits(source, edits), source)), createWriteStream(file));
	return file;
}

function product(dims: readonly number[]): number {
	return dims.reduce((total, dim) => total * dim, 1);
}

/** Returns a graph of `count` additions, each with a weight of `elements` float32 values. */
function chain(count: number, elements: number): GraphSpec {
	const initializers = Array.from(
		{ length: count },
		(_, i): TensorSpec => ({ name: `layer${i}.weight`, dims: [elements] }),
	);
	const nodes = initializers.map(({ name = '' }, i): NodeSpec => {
		const [input, output] = [`/layer${i}/Add_output_0`, `/layer${i + 1}/Add_output_0`];
		return { op: 'Add', name: `/layer${i}/Add`, inputs: [input, name], outputs: [output] };
	});
	return { nodes, initializers };
}
