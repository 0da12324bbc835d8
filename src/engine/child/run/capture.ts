import { product } from '../../../core/numbers/arrays.js';
import type { Kernel } from '../../../kernel/types.js';
import { shapeName } from '../model/partial-model.js';
import type { PartSession } from '../model/partial-session.js';
import { collectGarbage } from '../runtime/garbage.js';
import { RuntimeError } from '../runtime/runtime.js';
import type { RuntimeTensor } from '../tensors/tensor.js';
import { bytesOf, isKernelType, resolveSize, type TensorSize } from '../tensors/tensor-size.js';
import { capturingBytes, divide, type LayerTensors } from './capture-groups.js';
import type { LoadPorts } from './memory-plan.js';

/** Layers whose tensors can be computed from what is known: at once, or in several runs where memory asks for it. */
export interface Stage {
	/** What to capture for each layer; what is known already is not computed again. */
	readonly layers: readonly LayerTensors[];
	/** Tensors may not be written elsewhere than where the runtime wants them: it would not do what it does for others. */
	readonly asIs: boolean;
	/** Loads what computes these tensors; the kernel's memory is free meanwhile. */
	open(names: readonly string[], known: Known, ports: LoadPorts): Promise<PartSession>;
	/** Takes back what `open` gave, when it has computed all that was wanted of it. */
	close(session: PartSession): Promise<void>;
	/** Loads what computes a few of the tensors, without what the others take. */
	openPart(names: readonly string[]): Promise<PartSession>;
	/** Loads what tells the shapes of these tensors. */
	openShapes(names: readonly string[]): Promise<PartSession>;
}

export interface StagePorts extends LoadPorts {
	/** Runs the work and adds to the time spent on what is called so. */
	readonly timed: <T>(name: 'create' | 'run' | 'verify' | 'judge', work: () => Promise<T>) => Promise<T>;
	/** Takes a layer's tensors. */
	readonly check: (index: number, tensors: ReadonlyMap<string, RuntimeTensor>) => Promise<void>;
	/** What there is to do with tensors beyond checking them: when it has returned, those that were captured are gone. */
	readonly judge: () => void;
}

/** Tensors that a stage starts from, and the sizes of symbolic dimensions in them. */
export interface Known {
	readonly tensors: ReadonlyMap<string, RuntimeTensor>;
	readonly symbols: ReadonlyMap<string, number>;
}

type Sizes = ReadonlyMap<string, TensorSize>;

/**
 * Captures the tensors of a stage's layers and has each layer checked, never holding more than the budget.
 * @throws {RuntimeError} when the runtime cannot run it
 */
export async function runStage(stage: Stage, known: Known, ports: StagePorts): Promise<void> {
	const names = missing(stage.layers, known);
	if (names.length === 0) {
		await checkAll(stage.layers, known.tensors, ports);
		return;
	}
	const session = await ports.timed('create', () => stage.open(names, known, ports));
	const sizes = await captureWithin(ports.budget, names, { stage, session, known, ports });
	if (sizes) {
		for (const layers of divide(stage.layers, bytesBy(sizes), ports.budget)) {
			await runPart(stage, { layers, asIs: stage.asIs, names: missing(layers, known), sizes }, known, ports);
		}
	}
}

/** Captures all at once and returns nothing; where that would take more than the budget, captures nothing. */
async function captureWithin(budget: number, names: readonly string[], question: SizeQuestion) {
	const { stage, session, known, ports } = question;
	try {
		const sizes = await sizesOf(names, question);
		const bytes = bytesBy(sizes);
		if (capturingBytes(names.reduce((total, name) => total + (bytes.get(name) ?? 0), 0)) > budget) {
			await session.release();
			return sizes;
		}
		await runGroup(session, { layers: stage.layers, asIs: stage.asIs, names, sizes }, known, ports);
	} catch (error) {
		await session.release();
		throw error;
	}
	await stage.close(session);
	return undefined;
}

function bytesBy(sizes: Sizes): Map<string, number> {
	return new Map([...sizes].map(([name, size]) => [name, bytesOf(size)]));
}

function missing(layers: readonly LayerTensors[], { tensors }: Known): string[] {
	return [...new Set(layers.flatMap((layer) => layer.tensors))].filter((name) => !tensors.has(name));
}

interface SizeQuestion {
	readonly stage: Stage;
	readonly session: PartSession;
	readonly known: Known;
	readonly ports: StagePorts;
}

/** From what the runtime has worked out; where it could not, from a run that captures nothing but shapes. */
async function sizesOf(names: readonly string[], { stage, session, known, ports }: SizeQuestion): Promise<Sizes> {
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
		const probe = await ports.timed('create', () => stage.openShapes(unknown));
		try {
			const shapes = await ports.timed('run', () => probe.run(known.tensors));
			for (const name of unknown) {
				const dims = Array.from(shapes.get(shapeName(name))?.data ?? [], Number);
				sizes.set(name, { type: declared.get(name)?.type ?? 'float32', dims });
			}
		} finally {
			await probe.release();
		}
	}
	return sizes;
}

interface Group extends Pick<Stage, 'layers' | 'asIs'> {
	readonly names: readonly string[];
	readonly sizes: Sizes;
}

async function runPart(stage: Stage, group: Group, known: Known, ports: StagePorts): Promise<void> {
	const session = await ports.timed('create', () => stage.openPart(group.names));
	try {
		await runGroup(session, group, known, ports);
	} finally {
		await session.release();
		// The next group needs what this one has left to the collector, which does not know how little memory there is.
		collectGarbage();
	}
}

async function runGroup(session: PartSession, group: Group, known: Known, ports: StagePorts): Promise<void> {
	const kernel = group.asIs ? undefined : ports.kernel;
	const captured = await ports.timed('run', () => capture(session, group, known, kernel));
	await checkAll(group.layers, new Map([...known.tensors, ...captured]), ports);
}

async function checkAll(
	layers: readonly LayerTensors[],
	tensors: ReadonlyMap<string, RuntimeTensor>,
	ports: StagePorts,
): Promise<void> {
	await ports.timed('verify', async () => {
		for (const { index } of layers) {
			await ports.check(index, tensors);
		}
	});
	// Last, so that verifying many layers is not held up by it: those that are told of meanwhile are told of again.
	await ports.timed('judge', async () => ports.judge());
}

/** The runtime writes into the kernel's memory, where the kernel works on the tensors in place. */
async function capture(session: PartSession, { names, sizes }: Group, known: Known, kernel: Kernel | undefined) {
	const into = kernel ? allocate(names, sizes, kernel) : new Map<string, RuntimeTensor>();
	try {
		return await session.run(known.tensors, into);
	} catch (error) {
		if (into.size === 0 || !(error instanceof RuntimeError)) {
			throw error;
		}
		// A shape that came out otherwise than it was worked out: the runtime finds the memory itself.
		return session.run(known.tensors);
	}
}

function allocate(names: readonly string[], sizes: Sizes, kernel: Kernel): Map<string, RuntimeTensor> {
	const wanted = names.flatMap((name) => {
		const size = sizes.get(name);
		return size && isKernelType(size.type) ? [{ name, ...size, type: size.type }] : [];
	});
	kernel.reset();
	try {
		kernel.reserve(wanted.reduce((total, size) => total + bytesOf(size) + ALIGNMENT, 0));
		return new Map(
			wanted.map(({ name, type, dims }) => [name, { type, dims, data: kernel.allocate(type, product(dims)) }]),
		);
	} catch (error) {
		if (error instanceof RangeError) {
			return new Map();
		}
		throw error;
	}
}

/** What the kernel adds to each array at most. */
const ALIGNMENT = 16;
