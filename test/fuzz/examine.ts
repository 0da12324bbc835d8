import { findLayers } from '../../src/core/batchnorm/find.js';
import { OnnxError } from '../../src/core/onnx/errors.js';
import type { Model } from '../../src/core/onnx/model.js';
import { readModel } from '../../src/core/onnx/read/reader.js';
import { type ByteSource, type ExternalFiles, memorySource } from '../../src/core/onnx/source.js';
import { readTensor } from '../../src/core/onnx/tensor/tensor.js';
import { type Edit, planEdits, removeMessage, renderEdits } from '../../src/core/onnx/write/edit.js';
import { mutateCheckpoint } from './checkpoint-seeds.js';
import { useCheckpoint } from './examine-checkpoint.js';
import { mutate } from './mutate.js';
import { Random } from './random.js';
import { seedModels } from './seeds.js';

/** Limit for one mutation of a small model, in ms of processor time, because the machine may be busy. */
const TIME_LIMIT = 1000;

const EXTERNAL: ExternalFiles = { open: async (location) => memorySource(new Uint8Array(24), location) };

const SEEDS = seedModels();

/** Returns the bytes of one mutation, which depend on seed and index alone: of a model, or of a checkpoint if odd. */
export function mutant(seed: number, index: number): Uint8Array {
	const random = new Random(Math.imul(seed, 0x9e3779b1) ^ Math.imul(index + 1, 0x85ebca6b));
	return index % 2 === 0 ? mutate(random.pick(SEEDS), random.pick(SEEDS), random) : mutateCheckpoint(random);
}

/** @returns what went wrong with these bytes, or undefined: they gave a model or a typed error, in time */
export async function examine(bytes: Uint8Array): Promise<string | undefined> {
	const start = process.cpuUsage();
	try {
		await use(memorySource(bytes, 'model.onnx'));
		await useCheckpoint(bytes);
	} catch (error) {
		return error instanceof Error ? (error.stack ?? error.message) : String(error);
	}
	const { user, system } = process.cpuUsage(start);
	const milliseconds = (user + system) / 1000;
	return milliseconds > TIME_LIMIT ? `It took ${milliseconds.toFixed(0)} ms.` : undefined;
}

/** Exercises an opened model. Typed errors are valid answers; any other error is thrown. */
async function use(source: ByteSource): Promise<void> {
	const model = await typed(readModel(source));
	if (!model) {
		return;
	}
	for (const record of model.graph.initializers.values()) {
		const tensor = await typed(readTensor(record, { source, external: EXTERNAL }));
		const count = record.dims.reduce((product, dim) => product * dim, 1);
		if (tensor && tensor.data.length !== count) {
			throw new Error(`Tensor ${record.name} of ${count} elements was read as ${tensor.data.length}.`);
		}
	}
	await typed(findLayers(model, { source, external: EXTERNAL }));
	await checkEdits(model, source);
}

async function checkEdits(model: Model, source: ByteSource): Promise<void> {
	const { nodes } = model.graph;
	const copy = memorySource(await write(source, []), source.name);
	if (Buffer.compare(await copy.read(0, copy.size), await source.read(0, source.size)) !== 0) {
		throw new Error('A copy without edits differs.');
	}
	const removed = nodes[Math.floor(nodes.length / 2)];
	if (removed) {
		const edited = await readModel(memorySource(await write(source, [removeMessage(removed)]), source.name));
		if (edited.graph.nodes.length !== nodes.length - 1) {
			throw new Error(`Removing one of ${nodes.length} nodes left ${edited.graph.nodes.length}.`);
		}
	}
}

async function write(source: ByteSource, edits: readonly Edit[]): Promise<Uint8Array> {
	const chunks: Uint8Array[] = [];
	for await (const chunk of renderEdits(await planEdits(source, edits), source)) {
		chunks.push(chunk);
	}
	return Buffer.concat(chunks);
}

async function typed<T>(promise: Promise<T>): Promise<T | undefined> {
	try {
		return await promise;
	} catch (error) {
		if (error instanceof OnnxError) {
			return undefined;
		}
		throw error;
	}
}
