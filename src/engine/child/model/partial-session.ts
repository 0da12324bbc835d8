import { mapInto } from '../../../core/numbers/arrays.js';
import { toHalf, widen } from '../../../core/numbers/small-floats.js';
import type { OptimizationLevel, Runtime, RuntimeSession } from '../runtime/runtime.js';
import type { RuntimeTensor, RuntimeValue } from '../tensors/tensor.js';
import { type LoadOptions, loadBytes } from './load-model.js';
import { namesRead } from './node-net.js';
import type { OpenedModel } from './opened-model.js';
import { type Part, partBytes, shapeName, widenedName } from './partial-model.js';

/** A loaded part of a model. */
export interface PartSession {
	readonly level: OptimizationLevel;
	/** Types and shapes inferred by the runtime. A bfloat16 output has its {@link widenedName} and type float32. */
	readonly outputs: readonly RuntimeValue[];
	/**
	 * Computes the part's outputs, and its shapes as one-dimensional tensors under their {@link shapeName}.
	 * @param known contains at least the tensors that the part is given
	 * @param into tensors by name of an output, for the runtime to write to
	 * @throws {RuntimeError}
	 */
	run(
		known: ReadonlyMap<string, RuntimeTensor>,
		into?: ReadonlyMap<string, RuntimeTensor>,
	): Promise<Map<string, RuntimeTensor>>;
	release(): Promise<void>;
}

/**
 * Loads a part of the model, unoptimized.
 * @throws {RuntimeError} if the runtime refuses it.
 */
export async function loadPart(
	model: OpenedModel,
	part: Part,
	runtime: Runtime,
	options: LoadOptions = {},
): Promise<PartSession> {
	const bytes = await partBytes(model.model.graph, model.source, part);
	const session = await loadBytes(model, bytes, runtime, { levels: ['disabled'], ...options });
	const used = new Set([...(part.shapes ?? []), ...part.nodes.flatMap((node) => [...namesRead(node)])]);
	const inputs = [...part.given.keys()].filter((name) => used.has(name));
	return {
		level: session.level,
		outputs: session.outputs,
		run: (known, into) => run(session, part, { known, inputs, ...(into && { into }) }),
		release: () => session.release(),
	};
}

interface Values {
	readonly known: ReadonlyMap<string, RuntimeTensor>;
	readonly inputs: readonly string[];
	readonly into?: ReadonlyMap<string, RuntimeTensor>;
}

async function run(session: RuntimeSession, part: Part, { known, inputs, into }: Values) {
	const isNarrow = part.isNarrow ?? (() => false);
	const feeds = new Map<string, RuntimeTensor>();
	for (const name of inputs) {
		const tensor = known.get(name);
		if (tensor) {
			const narrow = tensor.type === 'bfloat16';
			feeds.set(narrow ? widenedName(name) : name, narrow ? widened(tensor) : tensor);
		}
	}
	const fetch = [
		...part.outputs.map((name) => (isNarrow(name) ? widenedName(name) : name)),
		...(part.shapes ?? []).map(shapeName),
	];
	const results = await session.run(feeds, fetch, into);
	for (const name of part.outputs.filter(isNarrow)) {
		const tensor = results.get(widenedName(name));
		if (tensor) {
			results.set(name, narrowed(tensor));
			results.delete(widenedName(name));
		}
	}
	return results;
}

function widened({ dims, data }: RuntimeTensor): RuntimeTensor {
	return {
		type: 'float32',
		dims,
		data: widen(data as Uint16Array, 'bfloat16', { start: 0, stride: 1, length: data.length }),
	};
}

/** Returns a tensor as bfloat16. Exact, since the values were bfloat16 before they were widened. */
function narrowed({ dims, data }: RuntimeTensor): RuntimeTensor {
	return {
		type: 'bfloat16',
		dims,
		data: mapInto(new Uint16Array(data.length), data as Float32Array, (value) => toHalf(value, 'bfloat16')),
	};
}
