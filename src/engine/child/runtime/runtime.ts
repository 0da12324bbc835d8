import type * as Ort from 'onnxruntime-node';
import { visible } from '../../../core/text/names.js';
import { NO_TENSOR, type RuntimeTensor, type RuntimeValue, type TensorData, type Tensors } from '../tensors/tensor.js';
import { explainLoadFailure, RuntimeError, runtimeError } from './runtime-error.js';

export { RuntimeError };

/** Port to the runtime. Tests replace it by a double. */
export interface Runtime {
	/** "onnxruntime-node 1.30.0". */
	readonly version: string;
	/**
	 * Loads a model. Tries the levels in order and takes the first that loads: some models load only fused (opset 7
	 * exports with spatial=0 and 1-d parameters), some only unfused.
	 * @throws {RuntimeError} when no level loads it.
	 */
	createSession(model: Uint8Array, options: SessionOptions): Promise<RuntimeSession>;
}

export type OptimizationLevel = 'disabled' | 'basic' | 'extended' | 'all';

export interface SessionOptions {
	readonly levels: readonly OptimizationLevel[];
	/** Folder that external data is relative to. */
	readonly externalDataFolder?: string;
	/** Optimizers to leave out, by the runtime's own names: "ConvBNFusion". */
	readonly disabledOptimizers?: readonly string[];
	/** File to which the runtime writes the optimized model. */
	readonly optimizedModelPath?: string;
	/** If true, memory returns to the system as soon as it is free, instead of being kept for the next run. */
	readonly frugal?: boolean;
	/** If true, tensors take memory that others of the same run have left, which is still in the processor's cache. */
	readonly reusesMemory?: boolean;
	/**
	 * If true, the session's threads sleep as soon as a run ends. By default they spin for some time, which takes the
	 * processor from other sessions that run in turn.
	 */
	readonly sleeps?: boolean;
}

export interface RuntimeSession {
	readonly level: OptimizationLevel;
	readonly inputs: readonly RuntimeValue[];
	/** Types and shapes as the runtime has worked them out. */
	readonly outputs: readonly RuntimeValue[];
	/**
	 * @param into tensors, by the name of an output, that the runtime writes its results into instead of making new ones
	 * @throws {RuntimeError}
	 */
	run(feeds: Tensors, fetch: readonly string[], into?: Tensors): Promise<Map<string, RuntimeTensor>>;
	release(): Promise<void>;
}

/** Returns the outputs of a loaded model that can be fetched. Others, such as sequences, are computed, but not returned. */
export function fetchable({ outputs }: Pick<RuntimeSession, 'outputs'>, names: readonly string[]): string[] {
	const others = new Set(outputs.filter(({ type }) => type === NO_TENSOR).map(({ name }) => name));
	return names.filter((name) => !others.has(name) && unpassableName([name]) === undefined);
}

/**
 * Returns the first name that the runtime's binding cannot pass: it keeps tensors in objects by name, where `__proto__`
 * is no property, and it passes names as UTF-8, which cannot hold the bytes that lone surrogates stand for here.
 */
export function unpassableName(names: Iterable<string>): string | undefined {
	for (const name of names) {
		if (name === '__proto__' || /\p{Cs}/u.test(name)) {
			return name;
		}
	}
	return undefined;
}

/** Loads onnxruntime-node. Called on the first run, so that structure is available without the runtime. */
export function loadRuntime(): Runtime {
	// The native library reads this when it loads. The parent sets it, too; this line covers other ways of starting the
	// process.
	process.env.ORT_DISABLE_TELEMETRY = '1';
	let ort: typeof Ort;
	try {
		// Uses require instead of import, because a failure to load the native library must be caught here, on first use.
		ort = requireRuntime();
	} catch (error) {
		throw new RuntimeError(explainLoadFailure(error));
	}
	ort.env.logLevel = 'fatal';
	return {
		version: `onnxruntime-node ${ort.env.versions.node ?? ort.env.versions.common}`,
		createSession: (model, options) => createSession(ort, model, options),
	};
}

function requireRuntime(): typeof Ort {
	return require('onnxruntime-node') as typeof Ort;
}

async function createSession(ort: typeof Ort, model: Uint8Array, options: SessionOptions): Promise<RuntimeSession> {
	let failure: unknown;
	for (const level of options.levels) {
		try {
			return wrap(ort, await ort.InferenceSession.create(model, nativeOptions(level, options)), level);
		} catch (error) {
			// Reports the first level's error; later levels fail for other reasons.
			failure ??= error;
		}
	}
	throw runtimeError('load', failure);
}

function nativeOptions(level: OptimizationLevel, options: SessionOptions): Ort.InferenceSession.SessionOptions {
	const { externalDataFolder, disabledOptimizers, optimizedModelPath, frugal, reusesMemory, sleeps } = options;
	return {
		graphOptimizationLevel: level,
		logSeverityLevel: 4,
		...(frugal && { enableCpuMemArena: false }),
		...((frugal || reusesMemory) && { enableMemPattern: false }),
		...(optimizedModelPath !== undefined && { optimizedModelFilePath: optimizedModelPath }),
		extra: {
			session: {
				...(externalDataFolder !== undefined && { model_external_initializers_file_folder_path: externalDataFolder }),
				...(sleeps && { intra_op: { allow_spinning: '0' } }),
			},
			...(disabledOptimizers && { optimization: { disable_specified_optimizers: disabledOptimizers.join(';') } }),
		},
	};
}

function wrap(ort: typeof Ort, session: Ort.InferenceSession, level: OptimizationLevel): RuntimeSession {
	return {
		level,
		inputs: session.inputMetadata.map(fromMetadata),
		outputs: session.outputMetadata.map(fromMetadata),
		async run(feeds, fetch, into) {
			const bad = unpassableName([...feeds.keys(), ...fetch]);
			if (bad !== undefined) {
				throw new RuntimeError(unpassableSentence(bad));
			}
			const named = Object.fromEntries([...feeds].map(([name, tensor]) => [name, toOrt(ort, tensor)]));
			const results = fetch.map((name) => {
				const target = into?.get(name);
				return [name, target ? toOrt(ort, target) : null] as const;
			});
			let outputs: Ort.InferenceSession.OnnxValueMapType;
			try {
				outputs = await session.run(named, Object.fromEntries(results));
			} catch (error) {
				throw runtimeError('run', error);
			}
			// Drops the tensors written in place, which return as copies.
			return new Map(
				Object.entries(outputs).map(([name, value]) => [name, into?.get(name) ?? fromOrt(value as Ort.Tensor)]),
			);
		},
		release: () => session.release(),
	};
}

/** Returns the reason why the runtime cannot exchange a tensor. */
export function unpassableSentence(name: string): string {
	return `The runtime's binding cannot pass a tensor named "${visible(name)}": rename it in the model.`;
}

function fromMetadata(value: Ort.InferenceSession.ValueMetadata): RuntimeValue {
	return value.isTensor
		? { name: value.name, type: value.type, shape: value.shape }
		: { name: value.name, type: NO_TENSOR, shape: undefined };
}

function toOrt(ort: typeof Ort, tensor: RuntimeTensor): Ort.Tensor {
	return new ort.Tensor(tensor.type as Ort.Tensor.Type, tensor.data as Ort.Tensor.DataType, tensor.dims);
}

function fromOrt(tensor: Ort.Tensor): RuntimeTensor {
	const data = tensor.data as TensorData;
	// Newer Node versions have Float16Array; kernels take bit patterns.
	const bits = tensor.type === 'float16' && !(data instanceof Uint16Array);
	return {
		type: tensor.type,
		dims: tensor.dims,
		data: bits ? new Uint16Array(data.buffer, data.byteOffset, data.length) : data,
	};
}
