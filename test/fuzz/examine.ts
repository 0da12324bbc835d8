import { type CheckpointSeedFormat, mutateCheckpoint } from './checkpoint-seeds.js';
import { useCheckpoint } from './examine-checkpoint.js';
import { useModel } from './examine-model.js';
import { usePair } from './examine-pair.js';
import { mutate } from './mutate.js';
import { type Opened, openBytes } from './opened.js';
import { Random } from './random.js';
import { seedModels } from './seeds.js';
import type { Timed } from './typed.js';

/** Limit for one use of a mutation, in ms of processor time, because the machine may be busy. */
const TIME_LIMIT = 1000;
/** Limit for each node or layer, in ms, where that is more: mutations repeat a node up to 3000 times. */
const NODE_TIME_LIMIT = 1;
/** The same for a comparison, which searches for the cause of each wrong layer. */
const COMPARED_TIME_LIMIT = 5;

const SEEDS = seedModels();

/** Valid models that have been opened, by their bytes. */
const companions = new Map<Uint8Array, Promise<Opened | undefined>>();

/**
 * Returns the bytes of one mutation, which depend on the arguments alone: of a model, or of a checkpoint if the index is
 * odd.
 * @param format of all mutations: checkpoints of this format only
 */
export function mutant(seed: number, index: number, format?: CheckpointSeedFormat): Uint8Array {
	const random = randomOf(seed, index);
	const valid = random.pick(SEEDS);
	if (format) {
		return mutateCheckpoint(random, format);
	}
	return index % 2 === 0 ? mutate(valid, random.pick(SEEDS), random) : mutateCheckpoint(random);
}

/** Opens the valid model that a mutation is compared with: the mutated one itself, or for a checkpoint any. */
function openCompanion(seed: number, index: number): Promise<Opened | undefined> {
	const bytes = randomOf(seed, index).pick(SEEDS);
	const opened = companions.get(bytes) ?? openBytes(bytes);
	companions.set(bytes, opened);
	return opened;
}

function randomOf(seed: number, index: number): Random {
	return new Random(Math.imul(seed, 0x9e3779b1) ^ Math.imul(index + 1, 0x85ebca6b));
}

/**
 * Reads a mutation, and uses it in every way that needs no runtime: report, exports, comparison, fold and repair.
 * @returns what went wrong, or undefined: each use gave a result or a typed error, in time
 */
export async function examine(seed: number, index: number, format?: CheckpointSeedFormat): Promise<string | undefined> {
	try {
		// Asking for the processor time costs a sixth of a run, so the clock decides first.
		const slow = await firstSlowUse({ seed, index, format }, () => performance.now());
		return slow && (await firstSlowUse({ seed, index, format }, processorTime));
	} catch (error) {
		return error instanceof Error ? (error.stack ?? error.message) : String(error);
	}
}

interface Mutation {
	readonly seed: number;
	readonly index: number;
	readonly format: CheckpointSeedFormat | undefined;
}

/** Uses a mutation in every way. @returns a sentence on the first use beyond the limit of a model of this size */
async function firstSlowUse({ seed, index, format }: Mutation, now: () => number): Promise<string | undefined> {
	const bytes = mutant(seed, index, format);
	let slow: string | undefined;
	let size = 0;
	const timed: Timed = async (name, use) => {
		const start = now();
		const result = await use();
		const milliseconds = now() - start;
		const perNode = name.startsWith('comparison') ? COMPARED_TIME_LIMIT : NODE_TIME_LIMIT;
		if (milliseconds > Math.max(TIME_LIMIT, perNode * size)) {
			slow ??= `The ${name} of ${size} nodes or layers took ${milliseconds.toFixed(0)} ms.`;
		}
		return result;
	};
	await timed('checkpoint', () => useCheckpoint(bytes));
	const mutated = await timed('reading', async () => {
		const opened = await openBytes(bytes);
		size = opened ? sizeOf(opened) : 0;
		return opened;
	});
	const valid = mutated && (await openCompanion(seed, index));
	if (valid) {
		await useModel(mutated, timed);
		await usePair(mutated, valid, timed);
	}
	return slow;
}

/** Returns the number of nodes of a model, with those of its functions, or of its layers, which repeat with each call. */
function sizeOf({ model: { graph, functions }, normalizations }: Opened): number {
	const nodes = functions.reduce((sum, { nodes }) => sum + nodes.length, graph.nodes.length);
	return Math.max(nodes, normalizations.length);
}

/** Returns the processor time of this process so far, in ms. */
function processorTime(): number {
	const { user, system } = process.cpuUsage();
	return (user + system) / 1000;
}
