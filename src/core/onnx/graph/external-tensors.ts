import { product } from '../../numbers/arrays.js';
import type { Attribute, ExternalRange, Graph, Model, Node, TensorRecord } from '../model.js';
import { elementBits } from '../types.js';
import { bodies } from './graph-index.js';

/** A tensor with elements in another file. */
export interface ExternalTensor {
	readonly record: TensorRecord;
	readonly range: ExternalRange;
	/** Bytes of the range: as stated, or as dims and type say. May be no valid number in a malformed file. */
	readonly bytes: number;
}

/** Returns all tensors with external data, also in bodies and functions. */
export function externalTensors({ graph, functions }: Model): readonly ExternalTensor[] {
	const found: ExternalTensor[] = [];
	addGraph(graph, found);
	for (const { nodes, attributeDefaults } of functions) {
		addAttributes(attributeDefaults.values(), found);
		addNodes(nodes, found);
	}
	return found;
}

function addGraph({ initializers, sparseInitializers, nodes }: Graph, found: ExternalTensor[]): void {
	for (const record of [...initializers.values(), ...sparseInitializers.values()]) {
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
	for (const { t, sparse, tensors = [] } of attributes) {
		for (const record of [...(t ? [t] : []), ...(sparse ? [sparse] : []), ...tensors]) {
			addTensor(record, found);
		}
	}
}

function addTensor(record: TensorRecord, found: ExternalTensor[]): void {
	if (record.storage.kind === 'sparse') {
		addTensor(record.storage.values, found);
		addTensor(record.storage.indices, found);
	}
	if (record.storage.kind === 'external') {
		const { kind: _, ...range } = record.storage;
		found.push({ record, range, bytes: range.length ?? byteSize(record) });
	}
}

/** Returns the bytes that dims and type of a tensor ask for. */
export function byteSize({ dims, dataType }: TensorRecord): number {
	return Math.ceil((product(dims) * elementBits(dataType)) / 8);
}
