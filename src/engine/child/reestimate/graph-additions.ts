import type { Graph } from '../../../core/onnx/model.js';
import { typeCode } from '../../../core/onnx/types.js';
import { addToGraph, type Edit } from '../../../core/onnx/write/edit.js';
import {
	encodeNode,
	encodeTensor,
	type IntegerAttributes,
	type MessageBytes,
} from '../../../core/onnx/write/encode.js';

/** Domain of the runtime's operators in its blocked layout. */
export const BLOCKED_DOMAIN = 'com.microsoft.nchwc';

const BYTES = {
	float32: (values: ArrayLike<number>) => Float32Array.from(values),
	float64: (values: ArrayLike<number>) => Float64Array.from(values),
	int64: (values: ArrayLike<number>) => BigInt64Array.from(Array.from(values, BigInt)),
} as const;

/** Options of a Cast to the type. */
export const TO_FLOAT32 = { integers: { to: typeCode('float32') } };
export const TO_FLOAT64 = { integers: { to: typeCode('float64') } };

interface NodeOptions {
	/** Attributes of type int or ints. */
	readonly integers?: IntegerAttributes;
	readonly domain?: string;
}

/** Collects nodes and constants that are added to a main graph. */
export class GraphAdditions {
	readonly edits: Edit[] = [];
	readonly #graph: Graph;
	readonly #names = new Set<string>();

	constructor(graph: Graph) {
		this.#graph = graph;
	}

	/** Adds a node, and returns the name of its output. An output that is there already is not computed again. */
	node(opType: string, inputs: readonly string[], output: string, options: NodeOptions = {}): string {
		this.nodes(opType, inputs, [output], options);
		return output;
	}

	/** Adds a node with several outputs, unless the first is there already. */
	nodes(opType: string, inputs: readonly string[], outputs: readonly string[], options: NodeOptions = {}): void {
		if (this.#isNew(outputs[0])) {
			const { integers = {}, domain = '' } = options;
			this.message(encodeNode({ opType, name: '', inputs, outputs, integers, domain }));
		}
	}

	/** Adds an encoded node. */
	message(node: MessageBytes): void {
		this.edits.push(addToGraph(this.#graph, 'node', node));
	}

	/** Adds a constant, and returns its name. */
	constant(
		name: string,
		dims: readonly number[],
		values: ArrayLike<number>,
		type: keyof typeof BYTES = 'float32',
	): string {
		if (this.#isNew(name)) {
			const bytes = new Uint8Array(BYTES[type](values).buffer);
			const tensor = { dataType: typeCode(type), dims, bytes };
			this.edits.push(addToGraph(this.#graph, 'initializer', encodeTensor(name, tensor)));
		}
		return name;
	}

	/** Adds a constant of integers, such as a shape or axes. */
	integers(...values: readonly number[]): string {
		return this.constant(`added//${values.join()}`, [values.length], values, 'int64');
	}

	#isNew(name: string): boolean {
		const isNew = !this.#names.has(name);
		this.#names.add(name);
		return isNew;
	}
}
