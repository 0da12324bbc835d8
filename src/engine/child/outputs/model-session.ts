import { widen } from '../../../core/numbers/small-floats.js';
import { appendGraphOutputs } from '../../../core/onnx/write/outputs.js';
import { makeFeeds } from '../inputs/inputs.js';
import { readWithTail } from '../model/model-bytes.js';
import type { ModelFile } from '../model/model-file.js';
import type { OptimizationLevel, Runtime, RuntimeSession, RuntimeTensor, TensorData } from '../runtime/runtime.js';
import { fromNumbers } from '../tensors/elements.js';

export type Tensors = ReadonlyMap<string, RuntimeTensor>;
export type ModelFeeds = Awaited<ReturnType<typeof makeFeeds>>;

/** Unoptimized first: the model then runs as written. The other levels serve those that load only fused. */
const LEVELS: readonly OptimizationLevel[] = ['disabled', 'basic', 'extended', 'all'];
/** Sizes tried for unknown dimensions until the model runs: 224 is what image networks are made for. */
const UNKNOWN_SIZES = [1, 64, 224] as const;

/** A model loaded into the runtime, with some of its tensors made outputs. */
export async function loadSession(
	{ model, source, folder }: ModelFile,
	tensors: readonly string[],
	runtime: Runtime,
): Promise<RuntimeSession> {
	return runtime.createSession(await readWithTail(source, appendGraphOutputs(tensors, model.graph.outputs)), {
		levels: LEVELS,
		...(folder === undefined ? {} : { externalDataFolder: folder }),
	});
}

/**
 * Runs a model on seeded random input, with unknown sizes that it accepts.
 * @throws {RuntimeError | InputError} the first reason, when it accepts none.
 */
export async function runSeeded(
	session: RuntimeSession,
	fetch: readonly string[],
	options: { readonly batch: number; readonly seed: number },
): Promise<{ readonly feeds: ModelFeeds; readonly tensors: Tensors }> {
	const guesses = session.inputs.some(({ shape }) =>
		shape?.slice(1).some((size) => typeof size !== 'number' || size < 0),
	);
	let failure: unknown;
	for (const unknownSize of guesses ? UNKNOWN_SIZES : UNKNOWN_SIZES.slice(0, 1)) {
		const feeds = await makeFeeds(session.inputs, { ...options, files: [], unknownSize });
		try {
			return { feeds, tensors: await session.run(feeds.tensors, fetch) };
		} catch (error) {
			failure ??= error;
		}
	}
	throw failure;
}

/** A tensor's elements as numbers, half types widened; undefined for what is not numeric, or too large to be exact. */
export function numbersOf({ type, data }: RuntimeTensor): Float32Array | Float64Array | undefined {
	if (data instanceof BigInt64Array || data instanceof BigUint64Array) {
		return Float64Array.from(data, Number);
	}
	if (data instanceof Uint16Array && (type === 'float16' || type === 'bfloat16')) {
		return widen(data, type, { start: 0, stride: 1, length: data.length });
	}
	return data instanceof Float32Array || data instanceof Float64Array ? data : Float64Array.from(data);
}

/** The same numbers in another element type. */
export function convert(tensor: RuntimeTensor, type: string, name: string): RuntimeTensor {
	const numbers = tensor.type === type ? undefined : numbersOf(tensor);
	return numbers ? { type, dims: tensor.dims, data: fromNumbers(numbers, type, name) as TensorData } : tensor;
}
