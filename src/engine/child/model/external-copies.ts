import { constants, createReadStream } from 'node:fs';
import { copyFile, mkdir, realpath, stat } from 'node:fs/promises';
import path from 'node:path';
import { product } from '../../../core/numbers/arrays.js';
import { OnnxError } from '../../../core/onnx/errors.js';
import { bodies } from '../../../core/onnx/graph/scope.js';
import { checkExternalLocation } from '../../../core/onnx/location.js';
import type { Graph, TensorRecord } from '../../../core/onnx/model.js';
import { elementBits } from '../../../core/onnx/types.js';
import { writeReason } from '../../../platform/write-reason.js';
import { InputError } from '../tensors/errors.js';
import type { OpenedModel } from './opened-model.js';

/** @throws {InputError} if `output` is a file that holds the model's external data. */
export async function refuseExternalFile({ model, folder }: OpenedModel, output: string): Promise<void> {
	const known = folder === undefined ? [] : [...externalData(model.graph).keys()];
	const written = await stat(output).catch(() => undefined);
	for (const location of known) {
		const read = await stat(path.resolve(folder ?? '', location)).catch(() => undefined);
		const isSame = written && read && written.dev === read.dev && written.ino === read.ino;
		if (isSame || path.resolve(path.dirname(output), location) === output) {
			throw new InputError(`${output} holds the model's external data: choose another name for the folded model.`);
		}
	}
}

/**
 * Copies the files of a model's external data to another folder, because their names are relative to the model.
 * Identical files in that folder stay.
 * @returns paths of the copies
 * @throws {InputError} if the folder has a different file of that name.
 */
export async function copyExternalFiles({ model, folder }: OpenedModel, target: string): Promise<string[]> {
	if (folder === undefined || (await realpath(folder)) === (await realpath(target).catch(() => target))) {
		return [];
	}
	const copied: string[] = [];
	for (const location of externalData(model.graph).keys()) {
		checkExternalLocation(location);
		const [from, to] = [path.resolve(folder, location), path.resolve(target, location)];
		const [source, present] = await Promise.all([stat(from), stat(to).catch(() => undefined)]);
		if (present && !(present.size === source.size && (await haveSameBytes(from, to)))) {
			throw new InputError(
				`${to} would have to hold the model's external data, but is another file: choose another folder.`,
			);
		}
		if (!present) {
			await mkdir(path.dirname(to), { recursive: true });
			await copyFile(from, to, constants.COPYFILE_EXCL).catch((error) => {
				throw new InputError(`${to} cannot be written: ${writeReason(to, error)}.`);
			});
			copied.push(to);
		}
	}
	return copied;
}

async function haveSameBytes(a: string, b: string): Promise<boolean> {
	const [first, second] = [createReadStream(a), createReadStream(b)];
	try {
		const chunks = second[Symbol.asyncIterator]();
		for await (const chunk of first) {
			const { value } = await chunks.next();
			if (!(value instanceof Buffer && value.equals(chunk))) {
				return false;
			}
		}
		return true;
	} finally {
		first.destroy();
		second.destroy();
	}
}

/**
 * Checks that all external data of a model exist; folding and comparing need all weights.
 * @throws {OnnxError} `external-data`, naming the model and the file.
 */
export async function requireExternalFiles({ model, access }: OpenedModel): Promise<void> {
	for (const [location, end] of externalData(model.graph)) {
		const file = await access.external?.open(location).catch((error) => {
			throw error instanceof OnnxError ? new OnnxError(error.code, `${model.path}: ${error.message}`) : error;
		});
		if (file && file.size < end) {
			const sizes = `has ${file.size} bytes where ${end} are needed`;
			throw new OnnxError('external-data', `${model.path}: The external data file "${location}" ${sizes}.`);
		}
	}
}

/** Returns the files that hold data of a graph: location -> end of the last data in the file, in bytes. */
function externalData(graph: Graph, found = new Map<string, number>()): ReadonlyMap<string, number> {
	const add = (tensor: TensorRecord | undefined) => {
		if (tensor?.storage.kind === 'external') {
			const { location, offset, length } = tensor.storage;
			const elements = product(tensor.dims);
			const end = offset + (length ?? Math.ceil((elements * elementBits(tensor.dataType)) / 8));
			// Reading the tensor reports an end that is not a number.
			found.set(location, Math.max(found.get(location) ?? 0, Number.isSafeInteger(end) ? end : 0));
		}
	};
	for (const tensor of graph.initializers.values()) {
		add(tensor);
	}
	for (const node of graph.nodes) {
		for (const { t, tensors } of node.attributes.values()) {
			[t, ...(tensors ?? [])].forEach(add);
		}
		for (const { graph: body } of bodies(node)) {
			externalData(body, found);
		}
	}
	return found;
}
