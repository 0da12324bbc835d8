import { type ClipRange, replacedRange } from '../../../core/folding/affine/clip-ranges.js';
import { recordOf } from '../../../core/folding/operators/linear.js';
import { isConstant } from '../../../core/onnx/graph/constants.js';
import { bodies } from '../../../core/onnx/graph/graph-index.js';
import { integerRange, isStandard } from '../../../core/onnx/graph/quantization.js';
import { Scope } from '../../../core/onnx/graph/scope.js';
import type { DataTypeName, Node } from '../../../core/onnx/model.js';
import { readTensor } from '../../../core/onnx/tensor/tensor.js';
import { typeCode, typeName } from '../../../core/onnx/types.js';
import { addToGraph, type Edit, removeMessage } from '../../../core/onnx/write/edit.js';
import {
	encodeConstant,
	encodeNode,
	encodeTensor,
	type NodeChange,
	rewriteNode,
} from '../../../core/onnx/write/encode.js';
import { encodeElements } from '../../../core/onnx/write/encode-elements.js';
import type { OpenedModel } from '../model/opened-model.js';

/** A tensor of integers, and the constants that turn it into values. */
export interface QuantizedTensor {
	/** Name of the unrounded model's tensor with the values. */
	readonly values: string;
	/** Inputs of the DequantizeLinear that computes the values in the deployed model. */
	readonly inputs: readonly [codes: string, scale: string, zeroPoint: string];
}

/** `kept`: the node stays as it is. `impossible`: it has no form without integers. */
export type Replacement = 'replaced' | 'kept' | 'impossible';
export type Replace = (unrounder: Unrounder, node: Node) => Promise<Replacement>;

/** Types of the constants that stand for values of activations. */
const CODE_TYPES: ReadonlySet<DataTypeName> = new Set(['int8', 'uint8', 'int16', 'uint16', 'int32']);

/** Replaces the nodes of a main graph. Replacements of single operators call it to add their nodes. */
export class Unrounder {
	readonly scope: Scope;
	readonly codes = new Set<string>();
	/** Nodes that quantize a constant in float. */
	readonly quantizers: Node[] = [];
	readonly quantized: QuantizedTensor[] = [];
	readonly #file: OpenedModel;
	readonly #functions: readonly ClipRange[];
	readonly #operators: ReadonlyMap<string, Replace>;
	/** Integer tensors that are floats now. */
	readonly #floats = new Set<string>();
	/** Values of integer tensors: key of their constants -> name of the float tensor. */
	readonly #values = new Map<string, string>();
	readonly #edits: Edit[] = [];
	readonly #names: Set<string>;
	/** The node that is replaced. */
	#node: Node | undefined;

	/**
	 * @param functions ranges to which functions of the original clip
	 * @param operators "domain:operator" -> replacement
	 */
	constructor(file: OpenedModel, functions: readonly ClipRange[], operators: ReadonlyMap<string, Replace>) {
		this.#file = file;
		this.#functions = functions;
		this.#operators = operators;
		this.scope = Scope.ofModel(file.model);
		const { graph } = file.model;
		this.#names = new Set([...graph.initializers.keys(), ...graph.nodes.flatMap(({ outputs }) => outputs)]);
	}

	/** Returns the edits; undefined if a node cannot be replaced. */
	async edits(): Promise<readonly Edit[] | undefined> {
		const { graph } = this.#file.model;
		for (const node of graph.nodes) {
			this.#node = node;
			if (!(await this.#replace(node))) {
				return undefined;
			}
		}
		if (graph.outputs.some(({ name }) => this.#floats.has(name))) {
			return undefined;
		}
		const declared = [...this.#floats].flatMap((name) => graph.valueInfo.get(name) ?? []);
		return [...this.#edits, ...declared.map(removeMessage)];
	}

	/** @returns false if the node has no form without integers */
	async #replace(node: Node): Promise<boolean> {
		const operator = isStandard(node) && node.domain !== '' ? `:${node.opType}` : `${node.domain}:${node.opType}`;
		const replace = this.#operators.get(operator);
		if (replace) {
			const result = await replace(this, node);
			if (result === 'replaced') {
				this.#edits.push(removeMessage(node));
			}
			return result !== 'impossible';
		}
		if (bodies(node).length > 0) {
			return !readsAny(node, this.#floats) && !bodies(node).some(({ graph }) => graph.nodes.some(isInteger));
		}
		return node.inputs.every((name) => !this.#floats.has(name)) || this.#passOn(node);
	}

	/** Lets a node that hands on integers hand on floats. */
	async #passOn(node: Node): Promise<boolean> {
		if (node.domain !== '' || !PASSED_ON.has(node.opType)) {
			return false;
		}
		if (node.opType === 'Cast') {
			const to = typeName(this.scope.attribute(node, 'to')?.i ?? 0);
			return to === 'float32' || to === 'float64';
		}
		const inputs = node.inputs.map((name) => {
			const record = recordOf(this.scope, name);
			const type = record && typeName(record.dataType);
			const isCode = type && CODE_TYPES.has(type) && (type !== 'int32' || ARITHMETIC.has(node.opType));
			return isCode ? this.add('Cast', [name], { to: typeCode('float32') }) : name;
		});
		if (inputs.some((name, index) => name !== node.inputs[index])) {
			await this.rewrite({ inputs });
			this.#edits.push(removeMessage(node));
		}
		for (const name of node.opType === 'MaxPool' ? node.outputs.slice(0, 1) : node.outputs) {
			this.markFloat(name);
		}
		return true;
	}

	/** Records that an integer tensor is a float now. */
	markFloat(name: string): void {
		this.#floats.add(name);
	}

	isFloat(name: string): boolean {
		return this.#floats.has(name);
	}

	/** Adds a node in front of the replaced one. @returns the name of its output */
	add(
		opType: string,
		inputs: readonly string[],
		integers: Readonly<Record<string, number>> = {},
		output = this.freshName(),
	): string {
		this.#insert(encodeNode({ opType, name: '', inputs, outputs: [output], integers }));
		return output;
	}

	/** Adds a scalar of a floating type. @returns its name */
	addScalar(value: number, dataType = typeCode('float32'), name = this.freshName()): string {
		const bytes = encodeElements(dataType, [value]) ?? new Uint8Array();
		this.#insert(encodeConstant(name, encodeTensor('', { dataType, dims: [], bytes })));
		return name;
	}

	/** Adds a shape. @returns its name */
	addShape(sizes: readonly number[]): string {
		const bytes = new Uint8Array(BigInt64Array.from(sizes, BigInt).buffer);
		const name = this.freshName();
		const tensor = encodeTensor('', { dataType: typeCode('int64'), dims: [sizes.length], bytes });
		this.#insert(encodeConstant(name, tensor));
		return name;
	}

	/** Adds the replaced node itself, changed. @returns the name of its first output */
	async rewrite(change: NodeChange): Promise<string> {
		const { span, outputs } = this.#current;
		const message = Uint8Array.from(await this.#file.source.read(span.offset, span.length));
		this.#insert(rewriteNode(message, change));
		return (change.outputs ?? outputs)[0];
	}

	get #current(): Node {
		if (!this.#node) {
			throw new Error('No node is being replaced.');
		}
		return this.#node;
	}

	#insert(message: readonly Uint8Array[]): void {
		this.#edits.push(addToGraph(this.#file.model.graph, 'node', message, this.#current));
	}

	/** Returns a name that no tensor has. */
	freshName(): string {
		const base = this.#current.outputs[0] ?? '';
		for (let number = 1; ; number++) {
			const name = `${base}//${number}`;
			if (!this.#names.has(name)) {
				this.#names.add(name);
				return name;
			}
		}
	}

	/** Returns the only number of a constant; undefined for others. */
	async number(name: string): Promise<number | undefined> {
		const record = recordOf(this.scope, name);
		const tensor = record && (await readTensor(record, this.#file.access));
		return tensor?.data.length === 1 ? tensor.data[0] : undefined;
	}

	/**
	 * Adds (codes - zero point) * scale for an activation, or a constant with one scale.
	 * @param output name of the result; without it, the quantized model has no such tensor
	 * @returns its name; undefined if scale or zero point are not numbers
	 */
	async dequantize(codes: string, scale: string, zeroPoint: string, output?: string): Promise<string | undefined> {
		const key = [codes, scale, zeroPoint].join('\0');
		const known = output === undefined ? this.#values.get(key) : undefined;
		if (known !== undefined) {
			return known;
		}
		const isComputed = !isConstant(this.scope, codes);
		const factor = isConstant(this.scope, scale) ? await this.number(scale) : undefined;
		const zero = zeroPoint === '' ? 0 : isConstant(this.scope, zeroPoint) ? await this.number(zeroPoint) : undefined;
		const areFloats = this.isFloat(zeroPoint);
		if ((isComputed && !this.isFloat(codes)) || !(areFloats || (factor !== undefined && zero !== undefined))) {
			return undefined;
		}
		const type = areFloats ? typeCode('float32') : (recordOf(this.scope, scale)?.dataType ?? 0);
		const values = isComputed ? codes : this.add('Cast', [codes], { to: type });
		if (!isComputed) {
			this.codes.add(codes);
		}
		const difference =
			zero === 0 ? values : this.add('Sub', [values, areFloats ? zeroPoint : this.addScalar(zero ?? 0, type)]);
		const name = this.add('Mul', [difference, areFloats ? scale : this.addScalar(factor ?? 1, type)], {}, output);
		this.#values.set(key, name);
		if (output === undefined && isComputed && !areFloats) {
			this.quantized.push({ values: name, inputs: [codes, scale, zeroPoint] });
		}
		return name;
	}

	/**
	 * Adds values / scale + zero point, which is not rounded, under the name of the integers.
	 * @param isInput the values are an input of the model, which no activation has clipped
	 * @returns false if the quantizer has several scales, or another type than integers
	 */
	async quantize(
		values: string,
		[scale, zeroPoint]: readonly [string, string],
		output: string,
		{ outputType = 0, isInput = false } = {},
	): Promise<boolean> {
		const record = recordOf(this.scope, scale);
		const step = await this.number(scale);
		const zeroRecord = recordOf(this.scope, zeroPoint);
		const zero = zeroPoint === '' ? 0 : await this.number(zeroPoint);
		const limits = integerRange(typeName(zeroRecord?.dataType ?? (outputType || typeCode('uint8'))));
		if (!record || step === undefined || !(step > 0) || zero === undefined || !limits) {
			return false;
		}
		const [low, high] = limits.map((code) => (code - zero) * step);
		const range = isInput ? replacedRange([], [low, high]) : replacedRange(this.#functions, [low, high]);
		const scalar = (value: number) => this.addScalar(value, record.dataType);
		let codes = this.add('Div', [values, scalar(step)]);
		for (const [index, opType] of ['Max', 'Min'].entries()) {
			codes = Number.isFinite(range[index]) ? this.add(opType, [codes, scalar(range[index] / step)]) : codes;
		}
		this.add('Add', [codes, scalar(zero)], {}, output);
		this.markFloat(output);
		return true;
	}

	/**
	 * Adds the value of a constant weight, with a scale for the tensor or for each index of an axis.
	 * @param axis axis of the scales, and the number of axes of the weight
	 */
	weight(
		codes: string,
		scale: string | undefined,
		zeroPoint: string,
		axis: { readonly at: number; readonly of: number },
	): string {
		this.codes.add(codes);
		const to = typeCode('float32');
		const values = this.add('Cast', [codes], { to });
		const along = (name: string, values = name): string => {
			const count = recordOf(this.scope, name)?.dims.reduce((a, b) => a * b, 1) ?? 1;
			const sizes = Array.from({ length: axis.of }, (_, at) => (at === axis.at ? count : 1));
			return count === 1 || axis.at === axis.of - 1 ? values : this.add('Reshape', [values, this.addShape(sizes)]);
		};
		const shifted =
			zeroPoint === '' ? values : this.add('Sub', [values, along(zeroPoint, this.add('Cast', [zeroPoint], { to }))]);
		return scale === undefined ? shifted : this.add('Mul', [shifted, along(scale)]);
	}
}

/** Operators whose outputs are elements of their first input, or of all inputs, and sums of them. */
const PASSED_ON: ReadonlySet<string> = new Set([
	...['Reshape', 'Transpose', 'MaxPool', 'Concat', 'Slice', 'Split', 'Squeeze', 'Unsqueeze', 'Flatten', 'Gather'],
	...['Identity', 'Pad', 'Cast', 'Expand', 'Tile', 'DepthToSpace', 'SpaceToDepth', 'Resize', 'Upsample'],
	...['Add', 'Sub', 'Mul', 'Max', 'Min', 'Where'],
]);
const ARITHMETIC: ReadonlySet<string> = new Set(['Add', 'Sub', 'Mul']);

const INTEGER_OPERATORS = /^(QuantizeLinear|QLinear.*|QGemm|ConvInteger|MatMulInteger|DynamicQuantizeLinear)$/;

function isInteger(node: Node): boolean {
	return INTEGER_OPERATORS.test(node.opType) || bodies(node).some(({ graph }) => graph.nodes.some(isInteger));
}

/** True if a node or its bodies read a name. */
function readsAny(node: Node, names: ReadonlySet<string>): boolean {
	return (
		node.inputs.some((name) => names.has(name)) ||
		bodies(node).some(({ graph }) => graph.nodes.some((inner) => readsAny(inner, names)))
	);
}
