import { ShapeInference } from '../../../core/onnx/graph/infer.js';
import { Scope } from '../../../core/onnx/graph/scope.js';
import { typeName } from '../../../core/onnx/types.js';
import { symbolsOf } from '../inputs/dimensions.js';
import { loadModel } from '../model/load-model.js';
import type { OpenedModel } from '../model/opened-model.js';
import { fetchable, type Runtime, RuntimeError, type RuntimeSession } from '../runtime/runtime.js';
import type { Tensors } from '../tensors/tensor.js';
import { bytesOf, resolveSize } from '../tensors/tensor-size.js';

/** Takes tensors from inside a model in runs for its outputs. */
export interface Observer {
	/** Tensors to capture. */
	readonly names: readonly string[];
	/** True if tensors of so many bytes can be captured. */
	readonly fits: (bytes: number) => boolean;
	/** Receives the tensors of each run. */
	readonly observe: (captured: Tensors) => void;
}

/**
 * Loads a model for its own outputs, unoptimized. Its runs also capture the observer's tensors. If these do not fit in memory,
 * or the runtime cannot return them, the model is loaded without an observer.
 * @throws {RuntimeError}
 */
export async function loadObserved(model: OpenedModel, runtime: Runtime, observer: Observer): Promise<RuntimeSession> {
	const loadPlain = () => loadModel(model, runtime, { outputs: [] });
	const observed = await tryObserved(model, runtime, observer.names);
	if (!observed) {
		return loadPlain();
	}
	let plain: RuntimeSession | undefined;
	return {
		level: observed.level,
		inputs: observed.inputs,
		outputs: observed.outputs,
		async run(feeds, fetch) {
			const bytes = plain ? undefined : capturedBytes(model, observed, observer.names, feeds);
			if (bytes !== undefined && observer.fits(bytes)) {
				const tensors = await observed.run(feeds, [...new Set([...observer.names, ...fetch])]);
				observer.observe(tensors);
				return new Map([...tensors].filter(([name]) => fetch.includes(name)));
			}
			if (!plain) {
				// Captured tensors stay in memory during a run even if they are not fetched.
				await observed.release();
				plain = await loadPlain();
			}
			return plain.run(feeds, fetch);
		},
		release: () => (plain ?? observed).release(),
	};
}

/** Returns undefined if the runtime does not take the model with these outputs. */
async function tryObserved(
	model: OpenedModel,
	runtime: Runtime,
	names: readonly string[],
): Promise<RuntimeSession | undefined> {
	let session: RuntimeSession;
	try {
		// The values are compared between runs, when threads that spin would take the processor.
		session = await loadModel(model, runtime, { levels: ['disabled'], outputs: names, sleeps: true });
	} catch (error) {
		if (error instanceof RuntimeError) {
			return undefined;
		}
		throw error;
	}
	if (fetchable(session, names).length === names.length) {
		return session;
	}
	await session.release();
	return undefined;
}

/** Returns the bytes of tensors in a run; undefined if a size is unknown. */
function capturedBytes(
	{ model }: OpenedModel,
	session: RuntimeSession,
	names: readonly string[],
	feeds: Tensors,
): number | undefined {
	const symbols = symbolsOf(session.inputs, feeds);
	const declared = new Map(session.outputs.map((output) => [output.name, output]));
	const shapes = new ShapeInference(feeds);
	const scope = Scope.ofModel(model);
	let total = 0;
	for (const name of names) {
		const output = declared.get(name);
		const size = (output && resolveSize(output, symbols)) ?? inferredSize(name);
		if (!size) {
			return undefined;
		}
		total += bytesOf(size);
	}
	return total;

	function inferredSize(name: string) {
		const { dataType, shape } = shapes.of(scope, name);
		return resolveSize({ name, type: typeName(dataType), shape: shape?.map((size) => size ?? '') }, symbols);
	}
}
