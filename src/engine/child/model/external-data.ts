import path from 'node:path';
import { product } from '../../../core/numbers/arrays.js';
import { OnnxError } from '../../../core/onnx/errors.js';
import { bodies } from '../../../core/onnx/graph/scope.js';
import type { Attribute, Graph, Model, Node, TensorRecord } from '../../../core/onnx/model.js';
import { elementBits } from '../../../core/onnx/types.js';
import type { ExternalRange } from '../../../core/onnx/write/relocate.js';
import type { OpenedModel } from './opened-model.js';

/** A tensor whose elements are in another file. */
export interface ExternalTensor {
	readonly record: TensorRecord;
	readonly range: ExternalRange;
	/** Bytes of the range: as stated, or as dims and type say. May be no valid number in a malformed file. */
	readonly bytes: number;
}

/** Returns all tensors with external data, including those in bodies and functions. */
export function externalTensors({ graph, functions }: Model): readonly ExternalTensor[] {
	const found: ExternalTensor[] = [];
	addGraph(graph, found);
	for (const { nodes, attributeDefaults } of functions) {
		addAttributes(attributeDefaults.values(), found);
		addNodes(nodes, found);
	}
	return found;
}

function addGraph({ initializers, nodes }: Graph, found: ExternalTensor[]): void {
	for (const record of initializers.values()) {
		addTensor(record, found);
	}
	addNodes(nodes, found);
}

function addNodes(nodes: readonly Node[], found: ExternalTensor[]): void {
	for (const node of nodes) {
		addAttributes(node.attributes.values(), found);
		for (const { graph } of bodies(node)) {
			addGraph(graph, found);
		}
	}
}

function addAttributes(attributes: Iterable<Attribute>, found: ExternalTensor[]): void {
	for (const { t, tensors = [] } of attributes) {
		for (const record of [...(t ? [t] : []), ...tensors]) {
			addTensor(record, found);
		}
	}
}

function addTensor(record: TensorRecord, found: ExternalTensor[]): void {
	if (record.storage.kind === 'external') {
		const { kind: _, ...range } = record.storage;
		const bytes = range.length ?? Math.ceil((product(record.dims) * elementBits(record.dataType)) / 8);
		found.push({ record, range, bytes });
	}
}

/** Returns the paths of all files of a model's external data. */
export function externalPaths({ model, folder }: Pick<OpenedModel, 'model' | 'folder'>): readonly string[] {
	const locations = new Set(externalTensors(model).map(({ range }) => range.location));
	return folder === undefined ? [] : Array.from(locations, (location) => path.resolve(folder, location));
}

/**
 * Checks that all external data of a model exist; folding and comparing need all weights.
 * @throws {OnnxError} `external-data`, naming the model and the file.
 */
export async function requireExternalFiles({ model, access }: OpenedModel): Promise<void> {
	const ends = new Map<string, number>();
	for (const { range, bytes } of externalTensors(model)) {
		const end = range.offset + bytes;
		// Reading the tensor reports an end that is not a number.
		ends.set(range.location, Math.max(ends.get(range.location) ?? 0, Number.isSafeInteger(end) ? end : 0));
	}
	for (const [location, end] of ends) {
		const file = await access.external?.open(location).catch((error) => {
			throw error instanceof OnnxError ? new OnnxError(error.code, `${model.path}: ${error.message}`) : error;
		});
		if (file && file.size < end) {
			const sizes = `has ${file.size} bytes where ${end} are needed`;
			throw new OnnxError('external-data', `${model.path}: The external data file "${location}" ${sizes}.`);
		}
	}
}
