import { open } from 'node:fs/promises';
import { product } from '../../../core/numbers/arrays.js';
import type { RunInput } from '../../../core/report/types.js';
import type { InputFile } from '../../../protocol/host-engine.js';
import { InputError } from '../tensors/errors.js';
import { NPY_HEADER_BYTES, type NpyArray, parseNpyHeader, requireBytes, toElements } from '../tensors/npy.js';
import type { RuntimeTensor, RuntimeValue, Tensors } from '../tensors/tensor.js';
import { fitArray, stack } from './fit-array.js';
import { isImageFile } from './image-file.js';
import type { ImageThreads } from './image-threads.js';
import { unreadable } from './input-files.js';
import { type ReadOptions, readInOrder, readValue, withoutBatch } from './inputs.js';
import { filesByInput } from './sample-files.js';

/** Samples of a batch if the caller chooses none. */
export const DEFAULT_BATCH = 32;

export interface SampleOptions extends ReadOptions {
	readonly files: readonly InputFile[];
	/** Samples of a batch; undefined: {@link DEFAULT_BATCH}, or as many as the model declares if that is more than 1. */
	readonly batch?: number | undefined;
}

/** A batch, divided into as many samples as the model takes at a time. */
export interface SampleBatch {
	readonly parts: readonly Tensors[];
	readonly samples: number;
}

/** All samples of some files, in the order of the files. */
export interface Samples {
	/** Samples that are run. */
	readonly samples: number;
	/** Last samples that are too few for a model that takes a fixed number of them. */
	readonly leftOut: number;
	/** Samples of a batch; the last batch may have fewer. */
	readonly batch: number;
	readonly batches: number;
	/** Origin of the inputs, for the report. */
	readonly inputs: readonly RunInput[];
	/** Reads the batches in order. @throws {InputError} */
	read(): AsyncGenerator<SampleBatch, void>;
}

/** Rows along the first axis of a file. */
interface Rows {
	readonly file: string;
	readonly rows: number;
	/** @param threads that read images */
	read(from: number, count: number, threads?: ImageThreads): Promise<NpyArray>;
}

/** An input with the rows of its files; repeated: the same value for every part. */
interface SampledInput {
	readonly input: RuntimeValue;
	readonly files: readonly Rows[];
	readonly rows: number;
}

/**
 * Divides the files of a model's inputs into batches. Files with many samples are read in part, so that memory does not
 * grow with the data.
 * @param inputs inputs that need a value
 * @throws {InputError} when an input has no file, or files do not fit their inputs or each other.
 */
export async function openSamples(inputs: readonly RuntimeValue[], options: SampleOptions): Promise<Samples> {
	const files = await filesByInput(inputs, options.files);
	const missing = inputs.find(({ name }) => !files.has(name));
	if (missing) {
		throw new InputError(
			`Input "${missing.name}" has no data: give it with --input ${missing.name}=FILE, since statistics of random input describe no data.`,
		);
	}
	const sampled: SampledInput[] = [];
	for (const input of inputs) {
		const rows: Rows[] = [];
		for (const file of files.get(input.name) ?? []) {
			rows.push(await openRows(input, file, options));
		}
		sampled.push({ input, files: rows, rows: rows.reduce((sum, { rows: own }) => sum + own, 0) });
	}
	const total = Math.max(0, ...sampled.map(({ rows }) => rows));
	requireEqual(sampled, total);
	const declared = declaredBatch(sampled, total);
	const batch = Math.min(chooseBatch(options.batch, declared), Math.max(1, total));
	const samples = declared === undefined ? total : total - (total % declared);
	const summary = sampled.map(({ input, files: rows, rows: count }) => ({
		name: input.name,
		shape: [count, ...(input.shape ?? []).slice(1).map((size) => (typeof size === 'number' ? size : 0))],
		dtype: input.type,
		from: rows.length === 1 ? rows[0].file : `${rows.length} files: ${rows[0]?.file} …`,
	}));
	if (samples === 0) {
		const [{ from }] = summary;
		throw new InputError(
			declared === undefined
				? `${from} has no sample: give at least one.`
				: `The files have ${total} samples, but the model takes ${declared} at a time: give at least ${declared}.`,
		);
	}
	return {
		samples,
		leftOut: total - samples,
		batch,
		batches: Math.ceil(samples / batch),
		inputs: summary,
		async *read() {
			for (let from = 0; from < samples; from += batch) {
				const count = Math.min(batch, samples - from);
				const size = declared ?? count;
				const parts: Tensors[] = [];
				for (let at = 0; at < count; at += size) {
					parts.push(await readPart(sampled, { from: from + at, count: size, total }, options.threads));
				}
				yield { parts, samples: count };
			}
		},
	};
}

/** @throws {InputError} for inputs with different numbers of samples, unless one has a single one for all */
function requireEqual(sampled: readonly SampledInput[], total: number): void {
	const [long, odd] = [
		sampled.find(({ rows }) => rows === total),
		sampled.find(({ rows }) => rows !== total && rows !== 1),
	];
	if (long && odd) {
		throw new InputError(
			`Input "${long.input.name}" has ${long.rows} samples, but "${odd.input.name}" has ${odd.rows}: give the same number of each.`,
		);
	}
}

/** Returns the number of samples that the model declares for inputs with samples; undefined: any. @throws {InputError} */
function declaredBatch(sampled: readonly SampledInput[], total: number): number | undefined {
	const sizes = sampled
		.filter(({ rows }) => rows === total)
		.flatMap(({ input }) => {
			const size = input.shape?.[0];
			return typeof size === 'number' && size > 0 ? [size] : [];
		});
	const other = sizes.find((size) => size !== sizes[0]);
	if (other !== undefined) {
		throw new InputError(`The model declares inputs of ${sizes[0]} and of ${other} samples, which no batch fits.`);
	}
	return sizes[0];
}

function chooseBatch(asked: number | undefined, declared: number | undefined): number {
	if (asked === undefined) {
		return declared === undefined || declared === 1 ? DEFAULT_BATCH : declared;
	}
	if (declared !== undefined && asked % declared > 0) {
		throw new InputError(
			`The model takes ${declared} samples at a time, so that --batch ${asked} cannot be run: choose a multiple of ${declared}.`,
		);
	}
	return asked;
}

async function readPart(
	sampled: readonly SampledInput[],
	{ from, count, total }: { readonly from: number; readonly count: number; readonly total: number },
	threads: ImageThreads | undefined,
): Promise<Map<string, RuntimeTensor>> {
	const tensors = new Map<string, RuntimeTensor>();
	for (const { input, files, rows } of sampled) {
		const array = await readRows(files, rows === total ? { from, count } : { from: 0, count: rows }, threads);
		const { type, shape, data } = fitArray(array, input, files[0]?.file ?? '');
		tensors.set(input.name, { type, dims: shape, data });
	}
	return tensors;
}

async function readRows(
	files: readonly Rows[],
	{ from, count }: { readonly from: number; readonly count: number },
	threads: ImageThreads | undefined,
): Promise<NpyArray> {
	const parts: { readonly rows: Rows; readonly from: number; readonly count: number }[] = [];
	let start = 0;
	for (const rows of files) {
		const [first, end] = [Math.max(from, start), Math.min(from + count, start + rows.rows)];
		if (first < end) {
			parts.push({ rows, from: first - start, count: end - first });
		}
		start += rows.rows;
	}
	const names = parts.map(({ rows }) => rows.file);
	const read = (_: string, own: ImageThreads | undefined, index: number) => {
		const part = parts[index];
		return part.rows.read(part.from, part.count, own);
	};
	return stack(await readInOrder(names, read, { threads }), names);
}

/** Opens the rows of a file. Reads arrays of NumPy on demand, images singly, and any other file once. */
async function openRows(input: RuntimeValue, file: string, options: SampleOptions): Promise<Rows> {
	const sample = withoutBatch(input);
	if (isImageFile(file)) {
		return {
			file,
			rows: 1,
			read: async (_from, _count, threads) => (await readValue(sample, file, { ...options, threads })).array,
		};
	}
	const npy = /\.npy$/i.test(file) ? await openNpy(sample, file) : undefined;
	if (npy) {
		return npy;
	}
	const [rows = 1] = (await readValue(sample, file, options)).array.shape;
	// Only the file that is being read holds memory.
	let kept: NpyArray | undefined;
	return {
		file,
		rows,
		async read(from, count) {
			kept ??= (await readValue(sample, file, options)).array;
			const array = sliceRows(kept, from, count);
			kept = from + count >= rows ? undefined : kept;
			return array;
		},
	};
}

function sliceRows({ type, shape, data }: NpyArray, from: number, count: number): NpyArray {
	const size = product(shape.slice(1));
	return { type, shape: [count, ...shape.slice(1)], data: data.slice(from * size, (from + count) * size) };
}

/** Opens a row-major .npy file; undefined for another order. @throws {InputError} */
async function openNpy(sample: RuntimeValue, file: string): Promise<Rows | undefined> {
	const header = parseNpyHeader(await readRange(file, 0, NPY_HEADER_BYTES), file);
	if (header.isColumnMajor) {
		return undefined;
	}
	const { type, dataOffset, elementBytes } = header;
	const isSingle = header.shape.length === (sample.shape?.length ?? header.shape.length) - 1;
	const shape = isSingle ? [1, ...header.shape] : header.shape;
	const [rows = 1] = shape;
	const rowBytes = product(shape.slice(1)) * elementBytes;
	return {
		file,
		rows,
		async read(from, count) {
			const bytes = await readRange(file, dataOffset + from * rowBytes, count * rowBytes);
			requireBytes({ type, shape, name: file }, count * rowBytes, bytes.length);
			const array = { type, shape: [count, ...shape.slice(1)], data: toElements(type, bytes) };
			return fitArray(array, sample, file);
		},
	};
}

/** Returns up to `length` bytes of a file. @throws {InputError} */
async function readRange(file: string, offset: number, length: number): Promise<Uint8Array> {
	try {
		const handle = await open(file);
		try {
			const buffer = Buffer.allocUnsafe(length);
			let done = 0;
			while (done < length) {
				const { bytesRead } = await handle.read(buffer, done, length - done, offset + done);
				if (bytesRead === 0) {
					break;
				}
				done += bytesRead;
			}
			return buffer.subarray(0, done);
		} finally {
			await handle.close();
		}
	} catch (error) {
		throw unreadable(file, error);
	}
}
