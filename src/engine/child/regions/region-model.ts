import type { FloatType } from '../../../core/numbers/float-formats.js';
import { shapeByElements } from '../../../core/onnx/graph/constants.js';
import { bodies } from '../../../core/onnx/graph/graph-index.js';
import type { OpenShape } from '../../../core/onnx/graph/open-shape.js';
import type { Scope } from '../../../core/onnx/graph/scope.js';
import { nodesInOrder } from '../../../core/onnx/graph/traverse.js';
import type { Model, Node, TensorRecord } from '../../../core/onnx/model.js';
import type { ByteSource } from '../../../core/onnx/source.js';
import { readRawTensor } from '../../../core/onnx/tensor/raw-tensor.js';
import { elementBits, typeCode } from '../../../core/onnx/types.js';
import { encodeTensor, encodeValueInfo } from '../../../core/onnx/write/encode.js';
import { encodeModel } from '../../../core/onnx/write/encode-model.js';
import { failure, type Result, success } from '../../../core/result.js';
import type { OpenedModel } from '../model/opened-model.js';

/** A part of a graph between two tensors. */
export interface Region {
	/** Path of the graph, as {@link Scope.path} gives it. */
	readonly path: string;
	readonly input: string;
	readonly output: string;
	/** Element type of `input`. */
	readonly dtype: FloatType;
	/** Number of dimensions of `input`. */
	readonly rank: number;
}

/** Maximum number of nodes of a region. An operator, its layers and their constant expressions have a few dozen. */
const MAX_NODES = 512;
/** Earliest IR version with initializers that need not be inputs. The parts use the operator sets of their model. */
const IR_VERSION = 8;

/** Scopes of a model by path; null for shared paths. */
export type ScopesByPath = ReadonlyMap<string, Scope | null>;

export function scopesByPath(model: Model): ScopesByPath {
	const scopes = new Map<string, Scope | null>();
	for (const { scope } of nodesInOrder(model)) {
		const known = scopes.get(scope.path);
		scopes.set(scope.path, known === undefined || known?.graph === scope.graph ? scope : null);
	}
	return scopes;
}

/**
 * Returns the bytes of a model that computes a region's output from its input, which becomes the only graph input.
 * @returns failure with a sentence if the region depends on other tensors that are not constant.
 * @throws {OnnxError} `io` if the file was changed since it was read.
 */
export async function regionBytes(
	{ model, source }: OpenedModel,
	scopes: ScopesByPath,
	region: Region,
): Promise<Result<Uint8Array>> {
	const scope = scopes.get(region.path);
	const parts = scope && collectParts(scope, region);
	if (!parts) {
		return failure(`"${region.output}" does not depend on "${region.input}" and constants alone.`);
	}
	const read = async ({ span }: Node | TensorRecord) => (await source.read(span.offset, span.length)).slice();
	const [nodes, initializers]: [Uint8Array[], Uint8Array[]] = [[], []];
	for (const node of parts.nodes) {
		nodes.push(await read(node));
	}
	for (const record of parts.initializers) {
		const isSparse = record.storage.kind === 'sparse';
		initializers.push(isSparse ? await denseMessage(record, source) : await read(record));
	}
	for (const shape of parts.openShapes) {
		initializers.push(encodeOpenDimension(shape));
	}
	const shape = new Array<undefined>(region.rank).fill(undefined);
	return success(
		encodeModel({
			irVersion: Math.max(IR_VERSION, model.irVersion),
			opsets: new Map(model.opsetImports),
			nodes,
			initializers,
			inputs: [encodeValueInfo(region.input, typeCode(region.dtype), shape)],
			outputs: [region.output],
		}),
	);
}

/** Returns the TensorProto of a sparse initializer's elements. */
async function denseMessage(record: TensorRecord, source: ByteSource): Promise<Uint8Array> {
	return Buffer.concat(encodeTensor(record.name, await readRawTensor(record, { source })));
}

interface Parts {
	/** Nodes in an order in which they can run. */
	readonly nodes: ReadonlySet<Node>;
	readonly initializers: ReadonlySet<TensorRecord>;
	/** Shapes of constants that take a dimension from tensors outside. */
	readonly openShapes: readonly OpenShape[];
}

/** Collects the nodes and constants behind a region's output; undefined if they do not make a model of their own. */
function collectParts(start: Scope, { input, output }: Region): Parts | undefined {
	const nodes = new Set<Node>();
	const initializers = new Set<TensorRecord>();
	const openShapes = new Map<string, OpenShape>();
	/** Definition of each name. A body may give a name of the graph around it another meaning. */
	const meanings = new Map<string, Node | TensorRecord>();
	const define = (name: string, meaning: Node | TensorRecord): boolean => {
		const known = meanings.get(name) ?? meaning;
		meanings.set(name, known);
		return known === meaning && name !== input;
	};
	const visit = (scope: Scope, name: string): boolean => {
		if (name === '' || openShapes.has(name) || (name === input && scope.path === start.path)) {
			return true;
		}
		const definition = scope.lookup(name);
		if (definition.kind === 'initializer') {
			initializers.add(definition.record);
			return define(name, definition.record);
		}
		if (definition.kind !== 'node' || bodies(definition.node).length > 0 || nodes.size > MAX_NODES) {
			return false;
		}
		const { node, scope: place } = definition;
		if (nodes.has(node)) {
			return true;
		}
		const shape = shapeByElements(place, node);
		if (shape) {
			openShapes.set(shape.open, shape);
		}
		const isComplete = node.inputs.every((read) => visit(place, read));
		// Added behind the nodes that it reads from.
		nodes.add(node);
		return isComplete && node.outputs.every((written) => written === '' || define(written, node));
	};
	return visit(start, output) && nodes.size > 0
		? { nodes, initializers, openShapes: [...openShapes.values()] }
		: undefined;
}

/** Encodes -1, which a Reshape replaces by the dimension that its elements give, in place of an open dimension. */
function encodeOpenDimension({ scope, open }: OpenShape): Uint8Array {
	const producer = scope.producer(open);
	const cast = producer?.opType === 'Cast' ? scope.attribute(producer, 'to')?.i : undefined;
	const dataType = cast ?? typeCode('int64');
	const bytes = new Uint8Array(elementBits(dataType) / 8).fill(0xff);
	return Buffer.concat(encodeTensor(open, { dataType, dims: [1], bytes }));
}
