import type { ByteSource } from '../../onnx/source.js';
import type { Checkpoint, CheckpointFormat, CheckpointModule } from '../checkpoint.js';
import { CheckpointError } from '../errors.js';
import { findLayers } from '../layers/find.js';
import { commonPrefix } from '../layers/names.js';
import type { CheckpointLimits } from '../limits.js';
import type { CheckpointTensor, UnreadableTensor } from '../tensor.js';
import { choosePart } from './model-part.js';
import { type NamedValues, WorkCounter } from './modules.js';
import type { PickleValue } from './pickle/values.js';
import { type StorageFinder, TensorReader } from './rebuild.js';

/** A parsed pickle with the storages that it refers to. */
export interface OpenedPickle {
	readonly format: CheckpointFormat;
	readonly root: PickleValue;
	readonly storages: StorageFinder;
	/** Adds facts about modules from other places of the file. */
	readonly complete?: (values: NamedValues) => Promise<readonly CheckpointModule[]>;
}

export interface PytorchOptions {
	readonly limits: CheckpointLimits;
	/** Keys that lead to the part to read; undefined chooses it. */
	readonly part?: readonly string[];
}

/** Builds the checkpoint of a pickle from any container. @throws {CheckpointError} `no-tensors`, `limit` */
export async function buildCheckpoint(
	source: ByteSource,
	{ format, root, storages, complete }: OpenedPickle,
	{ limits, part }: PytorchOptions,
): Promise<Checkpoint> {
	const reader = new TensorReader(storages, limits);
	const { choice, values } = choosePart(root, {
		reader,
		limits,
		part,
		path: source.name,
		work: new WorkCounter(source.name, limits),
	});
	const { tensors, unreadable } = readTensors(values, reader, source, limits);
	const modules = (await complete?.(values)) ?? values.modules;
	const found = findLayers({ tensors, unreadable, modules, order: 'definition' });
	return {
		path: source.name,
		bytes: source.size,
		format,
		tensors,
		unreadable,
		modules,
		...found,
		choice,
		order: 'definition',
		prefix: commonPrefix(tensors.map(({ name }) => name)),
		metadata: new Map(),
	};
}

function readTensors(
	values: NamedValues,
	reader: TensorReader,
	source: ByteSource,
	limits: CheckpointLimits,
): { readonly tensors: readonly CheckpointTensor[]; readonly unreadable: readonly UnreadableTensor[] } {
	if (values.tensors.size > limits.tensors) {
		throw new CheckpointError(
			'limit',
			`${source.name} has ${values.tensors.size} tensors, more than the limit of ${limits.tensors} (tensors).`,
		);
	}
	const tensors: CheckpointTensor[] = [];
	const unreadable: UnreadableTensor[] = [];
	for (const [name, value] of values.tensors) {
		const tensor = reader.read(name, value);
		if (tensor.ok) {
			tensors.push(tensor.value);
		} else {
			unreadable.push({ name, reason: tensor.reason });
		}
	}
	return { tensors, unreadable };
}
