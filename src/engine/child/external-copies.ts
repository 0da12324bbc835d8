import { constants } from 'node:fs';
import { copyFile, mkdir, realpath, stat } from 'node:fs/promises';
import path from 'node:path';
import { checkExternalLocation } from '../../core/onnx/location.js';
import type { Graph, TensorRecord } from '../../core/onnx/model.js';
import { bodies } from '../../core/onnx/scope.js';
import { reasonOf } from '../../platform/file-source.js';
import { InputError } from './errors.js';
import type { ModelFile } from './model-file.js';

/**
 * A model that is written to another folder takes along the files that hold its external data, since their names are
 * relative to it. Files that are there already stay as they are.
 * @returns what was copied
 * @throws {InputError} when a file of that name but another size stands in the way.
 */
export async function copyExternalFiles({ model, folder }: ModelFile, target: string): Promise<string[]> {
	if (folder === undefined || (await realpath(folder)) === (await realpath(target).catch(() => target))) {
		return [];
	}
	const copied: string[] = [];
	for (const location of locations(model.graph)) {
		checkExternalLocation(location);
		const [from, to] = [path.resolve(folder, location), path.resolve(target, location)];
		const [source, present] = await Promise.all([stat(from), stat(to).catch(() => undefined)]);
		if (present && present.size !== source.size) {
			throw new InputError(
				`${to} would have to hold the model's external data, but is another file: choose another folder.`,
			);
		}
		if (!present) {
			await mkdir(path.dirname(to), { recursive: true });
			await copyFile(from, to, constants.COPYFILE_EXCL).catch((error) => {
				throw new InputError(`${to} cannot be written: ${reasonOf(error)}.`);
			});
			copied.push(to);
		}
	}
	return copied;
}

/**
 * A model without all of its external data is not folded: what is missing there is missing from its weights.
 * @throws {OnnxError} `external-data` that names the file.
 */
export async function requireExternalFiles({ model, access }: ModelFile): Promise<void> {
	for (const location of locations(model.graph)) {
		await access.external?.open(location);
	}
}

function locations(graph: Graph): Set<string> {
	const found = new Set<string>();
	const add = (tensor: TensorRecord | undefined) => {
		if (tensor?.storage.kind === 'external') {
			found.add(tensor.storage.location);
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
			for (const location of locations(body)) {
				found.add(location);
			}
		}
	}
	return found;
}
