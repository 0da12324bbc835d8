import path from 'node:path';
import type { Distribution } from '../../../core/report/run-choices.js';
import type { RunInput } from '../../../core/report/types.js';
import type { InputFile } from '../../../protocol/host-engine.js';
import { InputError } from '../tensors/errors.js';
import type { NpyArray } from '../tensors/npy.js';
import { seededRandom } from '../tensors/random.js';
import type { RuntimeTensor, RuntimeValue } from '../tensors/tensor.js';
import { checkDimensions, chooseShape, guessedSizes, sharedGuesses, symbolsOf, withSymbols } from './dimensions.js';
import { fitArray, stack } from './fit-array.js';
import { type ImageOptions, isImageFile, type ReadImage, readImage } from './image-file.js';
import type { ImageThreads } from './image-threads.js';
import { readInputFile } from './input-files.js';
import { describeMadeUp, makeUp, whyUnfed } from './random-input.js';
import { filesByInput } from './sample-files.js';

/** Values fed in a run. */
export interface Feeds {
	readonly tensors: ReadonlyMap<string, RuntimeTensor>;
	readonly summary: readonly RunInput[];
	/** True if every value came from a file. Only then do batch statistics describe the user's data. */
	readonly fromFiles: boolean;
	/** Inputs without a file. */
	readonly madeUp: ReadonlySet<string>;
}

export interface InputOptions extends ReadOptions {
	readonly files: readonly InputFile[];
	readonly batch: number;
	readonly seed: number;
	readonly random?: Distribution;
	/** Inputs that must not be negative, because they are variances. */
	readonly positive?: ReadonlySet<string>;
}

/** The runs that a model's inputs make. */
export interface InputPlan {
	readonly runs: number;
	/** Origin of an input over all runs: "12 files of photos: a.png … l.png"; undefined without several files. */
	origin(input: string): string | undefined;
	/** Inputs without a value -> sentence with the reason. */
	readonly unfed: ReadonlyMap<string, string>;
	/** True if `unknownSize` decides a dimension. */
	readonly guesses: boolean;
	/** Names of the guessed sizes, as `--dim` takes them. */
	readonly guessed: readonly string[];
	/**
	 * @param unknownSize stands in for every dimension that nothing tells
	 * @throws {InputError} when a file does not fit its input, or an input is larger than what is made up.
	 */
	feeds(run: number, unknownSize: number): Promise<Feeds>;
}

/**
 * Plans a value for every model input: from its files, in batches if there are several, else random from a seed.
 * @throws {InputError}
 */
export async function planInputs(inputs: readonly RuntimeValue[], options: InputOptions): Promise<InputPlan> {
	checkDimensions(inputs, options.dimensions);
	const dimensions = withSymbols(inputs, options.dimensions);
	const files = await filesByInput(inputs, options.files);
	const several = inputs.find(({ name }) => (files.get(name)?.length ?? 0) > 1);
	const list = (several && files.get(several.name)) ?? [];
	const size = several ? await filesPerRun(several, list, options) : 1;
	const runs = Math.max(1, Math.ceil(list.length / size));
	const inRun = (name: string, run: number) => {
		const own = files.get(name) ?? [];
		return own.length > 1 ? own.slice(run * size, (run + 1) * size) : own;
	};
	const unfed = new Map(
		inputs.flatMap((input) => {
			const why = files.has(input.name) ? undefined : whyUnfed(input);
			return why === undefined ? [] : [[input.name, why] as const];
		}),
	);
	const fed = inputs.filter(({ name }) => !unfed.has(name));
	const guessed = fed
		.filter(({ name }) => !files.has(name))
		.flatMap((input) => guessedSizes(input, dimensions).map(({ name }) => name));
	return {
		runs,
		origin: (name) => describeAll(files.get(name) ?? []),
		unfed,
		guessed: [...new Set(guessed)],
		guesses: guessed.length > 0,
		feeds: (run, unknownSize) => makeRun(fed, (name) => inRun(name, run), { ...options, dimensions, unknownSize }),
	};
}

/** The feeds of a single run. @throws {InputError} also when an input would get no value */
export async function makeFeeds(
	inputs: readonly RuntimeValue[],
	options: InputOptions & { readonly unknownSize: number },
): Promise<Feeds> {
	const plan = await planInputs(inputs, options);
	for (const why of plan.unfed.values()) {
		throw new InputError(why);
	}
	return plan.feeds(0, options.unknownSize);
}

/** Returns the number of an input's files per run: as many as its declared batch takes, or as requested. */
async function filesPerRun(input: RuntimeValue, files: readonly string[], options: InputOptions): Promise<number> {
	const first = await readValue(withoutBatch(input), files[0], options);
	const declared = input.shape?.[0];
	const isFixed = typeof declared === 'number' && declared >= 0;
	const size = Math.max(1, Math.floor((isFixed ? declared : options.batch) / Math.max(1, first.array.shape[0] ?? 1)));
	if (isFixed && files.length % size > 0) {
		throw new InputError(
			`${files.length} files for input "${input.name}" do not make whole batches of ${size}, which the model asks for.`,
		);
	}
	return size;
}

async function makeRun(
	inputs: readonly RuntimeValue[],
	filesOf: (name: string) => readonly string[],
	options: InputOptions & { readonly unknownSize: number },
): Promise<Feeds> {
	const arrays = new Map<string, NpyArray>();
	const origins = new Map<string, string>();
	for (const input of inputs) {
		const files = filesOf(input.name);
		if (files.length > 0) {
			const { array, from } = await readSamples(input, files, options);
			arrays.set(input.name, array);
			origins.set(input.name, from);
		}
	}
	const madeUp = new Set(inputs.map(({ name }) => name).filter((name) => !arrays.has(name)));
	const dims = new Map([...arrays].map(([name, { shape }]) => [name, { dims: shape }]));
	const symbols = symbolsOf(inputs, dims);
	const { seed, random: distribution = 'normal', positive } = options;
	const random = seededRandom(seed);
	const shared = new Map([...symbols, ...sharedGuesses(inputs, { ...options, symbols })]);
	for (const input of inputs.filter(({ name }) => madeUp.has(name))) {
		const shape = chooseShape(input, { ...options, symbols: shared }) ?? [];
		const making = { random, distribution, positive: positive?.has(input.name) ?? false };
		arrays.set(input.name, makeUp(input, shape, making));
		const guesses = guessedSizes(input, options.dimensions)
			.filter(({ axis }) => !symbols.has(String(input.shape?.[axis])))
			.map(({ name, axis }) => `${name} = ${shape[axis]}`);
		const guessed = guesses.length > 0 ? `, guessed ${[...new Set(guesses)].join(', ')}` : '';
		origins.set(input.name, `${describeMadeUp(input, distribution, seed)}${guessed}`);
	}
	const ordered = inputs.flatMap(({ name }) => {
		const array = arrays.get(name);
		return array ? [{ name, ...array }] : [];
	});
	return {
		tensors: new Map(ordered.map(({ name, type, shape, data }) => [name, { type, dims: shape, data }])),
		summary: ordered.map(({ name, type, shape }) => ({ name, shape, dtype: type, from: origins.get(name) ?? '' })),
		fromFiles: inputs.length > 0 && madeUp.size === 0,
		madeUp,
	};
}

/** Reads all of an input's files into a batch. */
async function readSamples(input: RuntimeValue, files: readonly string[], options: InputOptions) {
	const sample = files.length > 1 ? withoutBatch(input) : input;
	const values = await readInOrder(files, (file, threads) => readValue(sample, file, { ...options, threads }), options);
	const batch = stack(
		values.map(({ array }) => array),
		files,
	);
	const from = describeFiles(files, values[0].from);
	return { array: fitArray(batch, input, from), from };
}

/** Returns the input as declared for a single sample, because the declared batch covers several files. */
export function withoutBatch(input: RuntimeValue): RuntimeValue {
	return { ...input, shape: input.shape?.map((size, axis) => (axis === 0 ? '' : size)) };
}

/** Options of reading files. */
export interface ReadOptions extends ImageOptions {
	/** Threads that read images. */
	readonly threads?: ImageThreads | undefined;
}

/** Number of files from which threads are worth their start. */
const FILES_FOR_THREADS = 8;

/**
 * Reads files: in threads if there are many images, else one after the other.
 * @param read takes the threads to use
 * @returns the results in the order of the files
 * @throws the error of the first file that cannot be read
 */
export async function readInOrder<T>(
	files: readonly string[],
	read: (file: string, threads: ImageThreads | undefined, index: number) => Promise<T>,
	{ threads }: ReadOptions,
): Promise<T[]> {
	if (!threads || files.length < FILES_FOR_THREADS || !files.every(isImageFile)) {
		const results: T[] = [];
		for (const [index, file] of files.entries()) {
			results.push(await read(file, undefined, index));
		}
		return results;
	}
	const results = await Promise.allSettled(files.map((file, index) => read(file, threads, index)));
	return results.map((result) => {
		if (result.status === 'rejected') {
			throw result.reason;
		}
		return result.value;
	});
}

/** Reads an input from a file, with a description of its origin. @throws {InputError} */
export async function readValue(input: RuntimeValue, file: string, options: ReadOptions): Promise<ReadImage> {
	if (isImageFile(file)) {
		return options.threads ? options.threads.read(file, input, options) : readImage(file, input, options);
	}
	return { array: fitArray(await readInputFile(file, input.name), input, file), from: file };
}

/** Describes all files of an input, by their folder if they share it; undefined for a single file. */
function describeAll(files: readonly string[]): string | undefined {
	const [first, last] = [files[0], files[files.length - 1]];
	if (files.length < 2 || first === undefined || last === undefined) {
		return undefined;
	}
	const folder = path.dirname(first);
	const isShared = files.every((file) => path.dirname(file) === folder);
	const begin = isShared
		? `${files.length} files of ${folder}: ${path.basename(first)}`
		: `${files.length} files: ${first}`;
	return `${begin} to ${path.basename(last)}`;
}

/** Describes a file as it was given, or the first and the last of several. */
function describeFiles(files: readonly string[], first: string): string {
	return files.length === 1 ? first : `${files.length} files: ${first} to ${path.basename(files[files.length - 1])}`;
}
