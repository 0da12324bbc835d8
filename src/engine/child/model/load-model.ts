import { overstatedTensor } from '../../../core/onnx/graph/sparse-tensors.js';
import { appendGraphOutputs } from '../../../core/onnx/write/outputs.js';
import type { OptimizationLevel, Runtime, RuntimeSession, SessionOptions } from '../runtime/runtime.js';
import { RuntimeError } from '../runtime/runtime-error.js';
import { readWithTail } from './model-bytes.js';
import type { OpenedModel } from './opened-model.js';

/**
 * Optimization levels in the order tried. Unoptimized first: every BatchNormalization then runs as written, and creating
 * the session is four times as fast. The other levels serve models that load only with some operators fused.
 */
const LEVELS: readonly OptimizationLevel[] = ['disabled', 'basic', 'extended', 'all'];

export type LoadOptions = Partial<Omit<SessionOptions, 'externalDataFolder'>>;

/**
 * Loads a model at the first optimization level that takes it.
 * @param outputs tensors of the main graph to make outputs, beside the model's own
 * @throws {RuntimeError} if no level takes it.
 */
export async function loadModel(
	model: OpenedModel,
	runtime: Runtime,
	{ outputs, ...options }: LoadOptions & { readonly outputs: readonly string[] },
): Promise<RuntimeSession> {
	return loadBytes(model, await readWithTail(model.source, outputsTail(model, outputs)), runtime, options);
}

/** Returns bytes that, appended to a model, make tensors outputs. @param names tensors of the main graph */
export function outputsTail({ model }: OpenedModel, names: readonly string[]): Uint8Array {
	return appendGraphOutputs(names, model.graph.outputs);
}

/**
 * Loads bytes made from a model with its external data.
 * @throws {RuntimeError} if no level takes them, or if the runtime would spend memory on a mere claim.
 */
export async function loadBytes(
	{ folder, model }: Pick<OpenedModel, 'folder'> & Partial<Pick<OpenedModel, 'model'>>,
	bytes: Uint8Array,
	runtime: Runtime,
	options: LoadOptions = {},
): Promise<RuntimeSession> {
	const overstated = model && overstatedTensor(model);
	if (overstated) {
		const size = `${overstated.dims.join(' x ')} elements`;
		throw new RuntimeError(
			`The model is not run: its sparse tensor "${overstated.name}" claims ${size}, and stores too few values to believe that.`,
		);
	}
	return runtime.createSession(bytes, {
		levels: LEVELS,
		...(folder !== undefined && { externalDataFolder: folder }),
		...options,
	});
}
