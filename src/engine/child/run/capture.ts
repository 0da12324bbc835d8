import { shapeName } from '../model/partial-model.js';
import type { PartSession } from '../model/partial-session.js';
import { collectGarbage } from '../runtime/garbage.js';
import { RuntimeError } from '../runtime/runtime.js';
import type { Tensors } from '../tensors/tensor.js';
import { bytesOf, resolveSize, type TensorSize } from '../tensors/tensor-size.js';
import { type Capture, capturingBytes, missingTensors, planGroups, totalBytes } from './capture-plan.js';
import type { Known, RunContext } from './run-events.js';

/** Loads sessions that compute tensors. */
export interface CaptureSource {
	/** True: outputs stay in the runtime's own memory. False: the runtime writes them into the capture memory. */
	readonly usesRuntimeMemory: boolean;
	/** Loads a session for all tensors. It may use the capture memory while loading. */
	load(names: readonly string[], known: Known, context: RunContext): Promise<PartSession>;
	/** Takes back a session from `load` that has computed its tensors. */
	finish(session: PartSession): Promise<void>;
	/** Loads a session for a few of the tensors, without nodes that only the other tensors need. */
	loadPart(names: readonly string[]): Promise<PartSession>;
	/** Loads a session that computes the shapes of tensors. */
	loadShapes(names: readonly string[]): Promise<PartSession>;
}

/** Consumers with all the tensors that they need. */
export interface CapturedGroup<Consumer> {
	readonly consumers: readonly Consumer[];
	/** Known and captured tensors, valid until the next group. */
	readonly tensors: Tensors;
}

type Sizes = ReadonlyMap<string, TensorSize>;

/**
 * Captures tensors and yields the consumers with the tensors that they need, in order. Yields all consumers at once if
 * their tensors fit in the budget, else group after group.
 * @throws {RuntimeError} if the runtime cannot compute the tensors.
 */
export async function* capture<Consumer>(
	source: CaptureSource,
	captures: readonly Capture<Consumer>[],
	known: Known,
	context: RunContext,
): AsyncGenerator<CapturedGroup<Consumer>, void, undefined> {
	const names = missingTensors(captures, known.tensors);
	if (names.length === 0) {
		if (captures.length > 0) {
			yield { consumers: captures.map(({ consumer }) => consumer), tensors: known.tensors };
		}
		return;
	}
	const { watch, budget, groupBudget = budget } = context;
	const session = await watch.time('create', () => source.load(names, known, context));
	let sizes: Sizes;
	let isFinished = false;
	try {
		sizes = await findSizes(names, session, { source, known, context });
		if (capturingBytes(totalBytes(names, bytesBy(sizes))) <= budget) {
			yield* captureGroup(session, { captures, sizes }, { source, known, context });
			isFinished = true;
		}
	} finally {
		await (isFinished ? source.finish(session) : session.release());
	}
	for (const group of isFinished ? [] : planGroups(captures, bytesBy(sizes), groupBudget)) {
		yield* captureInPart(group, sizes, { source, known, context });
	}
}

interface CaptureRun {
	readonly source: CaptureSource;
	readonly known: Known;
	readonly context: RunContext;
}

function bytesBy(sizes: Sizes): Map<string, number> {
	return new Map([...sizes].map(([name, size]) => [name, bytesOf(size)]));
}

/** Takes sizes from the session's declared outputs; runs a session for shapes that are not declared. */
async function findSizes(
	names: readonly string[],
	session: PartSession,
	{ source, known, context: { watch } }: CaptureRun,
): Promise<Sizes> {
	const declared = new Map(session.outputs.map((output) => [output.name, output]));
	const sizes = new Map<string, TensorSize>();
	for (const name of names) {
		const output = declared.get(name);
		const size = output && resolveSize(output, known.symbols);
		if (size) {
			sizes.set(name, size);
		}
	}
	const unknown = names.filter((name) => !sizes.has(name));
	if (unknown.length > 0) {
		const shapeSession = await watch.time('create', () => source.loadShapes(unknown));
		try {
			const shapes = await watch.time('run', () => shapeSession.run(known.tensors));
			for (const name of unknown) {
				const dims = Array.from(shapes.get(shapeName(name))?.data ?? [], Number);
				sizes.set(name, { type: declared.get(name)?.type ?? 'float32', dims });
			}
		} finally {
			await shapeSession.release();
		}
	}
	return sizes;
}

/** Captures a group with a session of its own. */
async function* captureInPart<Consumer>(group: readonly Capture<Consumer>[], sizes: Sizes, run: CaptureRun) {
	const names = missingTensors(group, run.known.tensors);
	const groupSizes = new Map([...sizes].filter(([name]) => names.includes(name)));
	const session = await run.context.watch.time('create', () => run.source.loadPart(names));
	try {
		yield* captureGroup(session, { captures: group, sizes: groupSizes }, run);
	} finally {
		await session.release();
		// The collector does not know how little memory is left for the next group.
		collectGarbage();
	}
}

interface Group<Consumer> {
	readonly captures: readonly Capture<Consumer>[];
	/** Tensor name -> size, for the tensors to capture. */
	readonly sizes: Sizes;
}

async function* captureGroup<Consumer>(
	session: PartSession,
	{ captures, sizes }: Group<Consumer>,
	{ source, known, context }: CaptureRun,
): AsyncGenerator<CapturedGroup<Consumer>, void, undefined> {
	const { memory, watch } = context;
	const captured = await watch.time('run', () => {
		const targets: Tensors = source.usesRuntimeMemory ? new Map() : memory.allocate(sizes);
		return runInto(session, known.tensors, targets);
	});
	try {
		yield {
			consumers: captures.map(({ consumer }) => consumer),
			tensors: new Map([...known.tensors, ...captured]),
		};
	} finally {
		if (!source.usesRuntimeMemory) {
			memory.release();
		}
	}
}

/** Runs a session, which writes its outputs into `targets`. */
async function runInto(session: PartSession, inputs: Tensors, targets: Tensors): Promise<Tensors> {
	try {
		return await session.run(inputs, targets);
	} catch (error) {
		if (targets.size === 0 || !(error instanceof RuntimeError)) {
			throw error;
		}
		// A shape may differ from the inferred shape. The runtime then allocates the outputs itself.
		return session.run(inputs);
	}
}
