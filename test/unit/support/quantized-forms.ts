/** Models whose operators were quantized to 8 bits, in the forms that quantizers write. */
import type { GraphSpec, ModelSpec, NodeSpec, TensorSpec } from './model-builder.js';

/**
 * qdq: DequantizeLinear on constants. qoperator: QLinearConv, QGemm and QLinearMatMul. dynamic: ConvInteger and MatMulInteger.
 * training: QuantizeLinear and DequantizeLinear on float weights. blocked: DequantizeLinear with a scale for each block.
 * packed: MatMulNBits with two weights in a byte.
 */
export type QuantizedForm = 'qdq' | 'qoperator' | 'dynamic' | 'training' | 'blocked' | 'packed';

export interface Grid {
	readonly perChannel: boolean;
	/** Steps by which each int32 bias is moved. */
	readonly biasShift?: number;
	/** Factor on the values before they are rounded. */
	readonly factor?: number;
	/** uint8 weights with a zero point; int8 without it by default. */
	readonly unsigned?: boolean;
	/** Negative scales of packed weights, as onnxruntime's quantizer writes them for symmetric blocks. */
	readonly negative?: boolean;
	/** Weights in 7 bits, as with the option reduce_range of onnxruntime's quantizer. */
	readonly reduced?: boolean;
	/** The bias that an Add behind a MatMul adds is in int8, too, in the forms qdq and qoperator. */
	readonly quantizedAdd?: boolean;
	/** The scale of dynamic quantization multiplies the product separately, not as a product of scales. */
	readonly separateScales?: boolean;
	/** Ranges of the activations. By default every operator has the same grid. */
	readonly ranges?: Ranges;
}

/** Least and largest value of each float tensor, by name. */
export type Ranges = ReadonlyMap<string, readonly [least: number, most: number]>;

/** Step of the quantized input of every operator without a range. */
const INPUT_STEP = 0.0123;

/** Scale and zero point of an activation. */
export interface ActivationGrid {
	readonly step: number;
	readonly zero: number;
}

/** Returns the grid of 8 bits that covers a range and holds 0. */
export function activationGrid([least, most]: readonly [number, number], type: 'int8' | 'uint8'): ActivationGrid {
	const [low, high] = [Math.min(least, 0), Math.max(most, 0)];
	const step = Math.fround((high - low) / 255) || 1;
	return { step, zero: Math.round(-low / step) - (type === 'int8' ? 128 : 0) };
}

/** Quantizes weights of every operator that the form knows, and biases where it stores them as int32. */
export function quantized(spec: ModelSpec, form: QuantizedForm, grid: Grid): ModelSpec {
	const initializers = new Map((spec.graph.initializers ?? []).map((tensor) => [tensor.name ?? '', tensor]));
	const write = WRITERS[form];
	const nodes = (spec.graph.nodes ?? []).flatMap((node) =>
		KINDS.has(node.op) && initializers.has(node.inputs?.[1] ?? '') && !isLeftInFloat(node, form)
			? write(new Quantizer(node, initializers, grid))
			: node.op === 'Add' && grid.quantizedAdd
				? quantizedAdd(node, initializers, form)
				: [node],
	);
	const graph: GraphSpec = { ...spec.graph, nodes, initializers: [...initializers.values()] };
	return { ...spec, opset: form === 'blocked' || form === 'packed' ? 21 : (spec.opset ?? 17), graph };
}

/** An Add of an int8 constant: behind DequantizeLinear, or as the runtime's QLinearAdd. */
function quantizedAdd(node: NodeSpec, initializers: Map<string, TensorSpec>, form: QuantizedForm): NodeSpec[] {
	const [x = '', bias = ''] = node.inputs ?? [];
	const values = (initializers.get(bias)?.values ?? []).map(Number);
	const step = Math.fround(values.reduce((most, value) => Math.max(most, Math.abs(value)), 0) / 127) || 1;
	const name = (suffix: string) => `${bias}_${suffix}`;
	const add = (suffix: string, tensor: TensorSpec) => initializers.set(name(suffix), { ...tensor, name: name(suffix) });
	add('q', { dtype: 'int8', values: values.map((value) => Math.round(value / step)) });
	add('s', { dims: [], values: [step] });
	add('z', { dims: [], dtype: 'int8', values: [0] });
	const constant = [name('q'), name('s'), name('z')];
	if (form !== 'qoperator') {
		const dequantized = { op: 'DequantizeLinear', inputs: constant, outputs: [name('dq')] };
		return [dequantized, { ...node, inputs: [x, name('dq')] }];
	}
	const [y = ''] = node.outputs ?? [];
	const grid = [name('s'), name('z')];
	return [
		{ op: 'QuantizeLinear', inputs: [x, ...grid], outputs: [`${y}_xq`] },
		{
			op: 'QLinearAdd',
			domain: 'com.microsoft',
			inputs: [`${y}_xq`, ...grid, ...constant, ...grid],
			outputs: [`${y}_yq`],
		},
		{ op: 'DequantizeLinear', inputs: [`${y}_yq`, ...grid], outputs: [y] },
	];
}

const KINDS: ReadonlySet<string> = new Set(['Conv', 'ConvTranspose', 'Gemm', 'MatMul']);

/** No operator computes a transposed convolution in integers. */
function isLeftInFloat({ op }: NodeSpec, form: QuantizedForm): boolean {
	return op === 'ConvTranspose' && (form === 'qoperator' || form === 'dynamic');
}

/** Quantizes the constants of one operator, and adds them to the model. */
class Quantizer {
	readonly node: NodeSpec;
	readonly grid: Grid;
	/** Axis of the weight with the output channels. */
	readonly axis: number;
	readonly weight: string;
	readonly bias: string;
	/** Number of image axes. */
	readonly spatial: number;
	readonly #initializers: Map<string, TensorSpec>;
	readonly #dims: readonly number[];
	readonly #values: readonly number[];
	readonly #steps: readonly number[];
	readonly #zeros: readonly number[];

	constructor(node: NodeSpec, initializers: Map<string, TensorSpec>, grid: Grid) {
		const [, weight = '', bias = ''] = node.inputs ?? [];
		[this.node, this.grid, this.weight, this.bias, this.#initializers] = [node, grid, weight, bias, initializers];
		this.#dims = initializers.get(weight)?.dims ?? [];
		const transB = node.attributes?.transB;
		const isFirst = node.op === 'Conv' || (transB !== undefined && 'i' in transB && Number(transB.i) === 1);
		this.axis = isFirst ? 0 : node.op === 'ConvTranspose' ? 1 : this.#dims.length - 1;
		this.spatial = node.op === 'Conv' ? this.#dims.length - 2 : 0;
		this.#values = this.#numbers(weight);
		const rows = Array.from({ length: this.#dims[this.axis] }, (): number[] => []);
		for (const [index, value] of this.#values.entries()) {
			rows[this.#rowOf(index)].push(value);
		}
		const ranges = (grid.perChannel ? rows : rows.map(() => [...this.#values])).map((row) => [
			row.reduce((a, b) => Math.min(a, b), 0),
			row.reduce((a, b) => Math.max(a, b), 0),
		]);
		this.#steps = ranges.map(
			([low, high]) => Math.fround(grid.unsigned ? (high - low) / this.#most : Math.max(-low, high) / this.#most) || 1,
		);
		this.#zeros = ranges.map(([low], row) => (grid.unsigned ? Math.round(-low / this.#steps[row]) : 0));
	}

	/** Largest integer of a weight. */
	get #most(): number {
		const { unsigned, reduced } = this.grid;
		return unsigned ? (reduced ? 127 : 255) : reduced ? 64 : 127;
	}

	#numbers(name: string): number[] {
		return (this.#initializers.get(name)?.values ?? []).map((value) => Number(value) * (this.grid.factor ?? 1));
	}

	#rowOf(index: number): number {
		const inner = this.#dims.slice(this.axis + 1).reduce((a, b) => a * b, 1);
		return Math.floor(index / inner) % this.#dims[this.axis];
	}

	/** Adds a constant. @returns its name */
	add(suffix: string, tensor: TensorSpec): string {
		const name = `${this.weight}_${suffix}`;
		this.#initializers.set(name, { ...tensor, name });
		return name;
	}

	/** Adds a value per channel, or the first one for the tensor. */
	#perRow(suffix: string, values: readonly number[], dtype: TensorSpec['dtype'] = 'float32'): string {
		return this.grid.perChannel
			? this.add(suffix, { values, dtype })
			: this.add(suffix, { dims: [], values: values.slice(0, 1), dtype });
	}

	/**
	 * Adds the integers of the weight with their scale and zero point.
	 * @param asColumns a matrix with its output channels in rows is transposed, as onnxruntime's quantizer does
	 */
	weights(asColumns = false): { readonly integers: string; readonly scale: string; readonly zero: string } {
		const dtype = this.grid.unsigned ? 'uint8' : 'int8';
		const [least, most] = [this.grid.unsigned ? 0 : -this.#most, this.#most];
		const integers = this.#values.map((value, index) => {
			const row = this.#rowOf(index);
			return Math.min(Math.max(Math.round(value / this.#steps[row]) + this.#zeros[row], least), most);
		});
		const isTransposed = asColumns && this.axis === 0;
		const [rows = 1, columns = 1] = this.#dims;
		const values = isTransposed
			? integers.map((_, index) => integers[(index % rows) * columns + Math.floor(index / rows)])
			: integers;
		return {
			integers: this.add('q', { dims: isTransposed ? [columns, rows] : this.#dims, dtype, values }),
			scale: this.#perRow('s', this.#steps),
			zero: this.#perRow('z', this.#zeros, dtype),
		};
	}

	/** Adds the weight in float, with the factor. */
	factored(): string {
		return this.add('f', { dims: this.#dims, values: this.#values });
	}

	/** Returns the weight of a dense operator with its output channels in rows. */
	matrix(): { readonly rows: number; readonly columns: number; readonly values: readonly number[] } {
		const [first = 1, second = 1] = this.#dims;
		if (this.axis === 0) {
			return { rows: first, columns: second, values: this.#values };
		}
		const values = this.#values.map((_, i) => this.#values[(i % first) * second + Math.floor(i / first)]);
		return { rows: second, columns: first, values };
	}

	/** Returns the weight in codes from 0 to 15 with a scale for each block along the last axis. */
	blocks(): {
		readonly dims: readonly number[];
		readonly integers: readonly number[];
		readonly scales: readonly number[];
	} {
		const columns = this.#dims[this.#dims.length - 1];
		const perRow = Math.ceil(columns / BLOCK);
		const blockOf = (index: number) => Math.floor(index / columns) * perRow + Math.floor((index % columns) / BLOCK);
		const ofBlocks = Array.from({ length: (this.#values.length / columns) * perRow }, (): number[] => []);
		for (const [index, value] of this.#values.entries()) {
			ofBlocks[blockOf(index)].push(value);
		}
		const scales = ofBlocks.map((values) => packedScale(values, { ...this.grid, unsigned: false }).scale);
		const integers = this.#values.map((value, index) =>
			Math.min(Math.max(HALF + Math.round(value / (scales[blockOf(index)] || 1)), 0), 2 * HALF - 1),
		);
		return { dims: this.#dims, integers, scales };
	}

	/** Adds the scale of the weight in a shape that broadcasts against the operator's output. */
	outputScale(): string {
		return this.grid.perChannel
			? this.add('os', { dims: [this.#steps.length, ...new Array(this.spatial).fill(1)], values: this.#steps })
			: this.add('os', { dims: [], values: this.#steps.slice(0, 1) });
	}

	/** Adds the bias as int32 in steps of input scale times weight scale. '' without a bias. */
	biases(): { readonly integers: string; readonly scale: string } | undefined {
		const input = this.#activation(0).step;
		const numbers = this.#numbers(this.bias);
		// The groups of a transposed convolution share the scales of its weight.
		const steps = numbers.map((_, row) => Math.fround(this.#steps[row % this.#steps.length] * input));
		const values = numbers.map((value, row) => Math.round(value / steps[row]) + (this.grid.biasShift ?? 0));
		const clipped = values.map((value) => Math.min(Math.max(value, -(2 ** 31)), 2 ** 31 - 1));
		return values.length === 0
			? undefined
			: { integers: this.add('bq', { dtype: 'int32', values: clipped }), scale: this.#perRow('bs', steps) };
	}

	/** Returns the grid of the operator's input (0) or output (1). */
	#activation(position: 0 | 1): ActivationGrid {
		const [name = ''] = (position === 0 ? this.node.inputs : this.node.outputs) ?? [];
		const range = this.grid.ranges?.get(name);
		return range ? activationGrid(range, 'int8') : { step: INPUT_STEP, zero: 0 };
	}

	/** Adds scale and zero point of the operator's input (0) or output (1). */
	activation(position: 0 | 1): readonly [scale: string, zero: string] {
		const { step, zero } = this.#activation(position);
		const prefix = position === 0 ? 'x' : 'y';
		return [
			this.add(`${prefix}s`, { dims: [], values: [step] }),
			this.add(`${prefix}z`, { dims: [], dtype: 'int8', values: [zero] }),
		];
	}
}

function asQdq(of: Quantizer): NodeSpec[] {
	const { node, grid, axis } = of;
	const { integers, scale, zero } = of.weights();
	const biases = of.biases();
	const dequantize = (inputs: string[], output: string, along: number): NodeSpec => ({
		op: 'DequantizeLinear',
		inputs,
		outputs: [output],
		...(grid.perChannel && { attributes: { axis: { i: along } } }),
	});
	const [x = ''] = node.inputs ?? [];
	return [
		dequantize([integers, scale, zero], `${integers}_dq`, axis),
		...(biases ? [dequantize([biases.integers, biases.scale], `${biases.integers}_dq`, 0)] : []),
		{ ...node, inputs: [x, `${integers}_dq`, ...(biases ? [`${biases.integers}_dq`] : [])] },
	];
}

/** The fused operator between a QuantizeLinear and a DequantizeLinear. */
function asQOperator(of: Quantizer): NodeSpec[] {
	const { node } = of;
	const [x = ''] = node.inputs ?? [];
	const [y = ''] = node.outputs ?? [];
	const [xq, yq] = [`${y}_xq`, `${y}_yq`];
	const [input, output] = [of.activation(0), of.activation(1)];
	const { integers, scale, zero } = of.weights();
	const biases = of.biases();
	const operands = [xq, ...input, integers, scale, zero];
	const bias = biases ? [biases.integers] : [];
	const fused: Readonly<Record<string, Partial<NodeSpec>>> = {
		Conv: { op: 'QLinearConv', inputs: [...operands, ...output, ...bias] },
		MatMul: { op: 'QLinearMatMul', inputs: [...operands, ...output] },
		Gemm: {
			op: 'QGemm',
			domain: 'com.microsoft',
			inputs: [...operands, biases?.integers ?? '', ...output],
			attributes: { transB: node.attributes?.transB ?? { i: 0 } },
		},
	};
	return [
		{ op: 'QuantizeLinear', inputs: [x, ...input], outputs: [xq] },
		{ ...node, ...fused[node.op], outputs: [yq] },
		{ op: 'DequantizeLinear', inputs: [yq, ...output], outputs: [y] },
	];
}

/** ConvInteger or MatMulInteger on an input that is quantized as it comes, the scales behind it, and the float bias. */
function asDynamic(of: Quantizer): NodeSpec[] {
	const { node, grid, bias, spatial } = of;
	const [x = ''] = node.inputs ?? [];
	const [y = ''] = node.outputs ?? [];
	const name = (suffix: string) => `${y}_${suffix}`;
	const { integers, zero } = of.weights(node.op !== 'Conv');
	const scale = of.outputScale();
	const { op, attributes } =
		node.op === 'Conv' ? { op: 'ConvInteger', attributes: node.attributes } : { op: 'MatMulInteger', attributes: {} };
	const scaled = bias === '' ? y : name('scaled');
	return [
		{ op: 'DynamicQuantizeLinear', inputs: [x], outputs: [name('xq'), name('xs'), name('xz')] },
		{ op, attributes, inputs: [name('xq'), integers, name('xz'), zero], outputs: [name('int')], name: node.name },
		{ op: 'Cast', inputs: [name('int')], outputs: [name('cast')], attributes: { to: { i: 1 } } },
		...(grid.separateScales
			? [
					{ op: 'Mul', inputs: [name('xs'), name('cast')], outputs: [name('part')] },
					{ op: 'Mul', inputs: [name('part'), scale], outputs: [scaled] },
				]
			: [
					{ op: 'Mul', inputs: [name('xs'), scale], outputs: [name('scales')] },
					{ op: 'Mul', inputs: [name('cast'), name('scales')], outputs: [scaled] },
				]),
		...(bias === '' ? [] : addBias(of, scaled, { y, spatial })),
	];
}

/** The bias of a convolution is reshaped in the graph, as onnxruntime's quantizer does. */
function addBias(
	of: Quantizer,
	scaled: string,
	{ y, spatial }: { readonly y: string; readonly spatial: number },
): NodeSpec[] {
	if (spatial === 0) {
		return [{ op: 'Add', inputs: [scaled, of.bias], outputs: [y] }];
	}
	const shape = of.add('shape', { dtype: 'int64', values: [1, -1, ...new Array<number>(spatial).fill(1)].map(BigInt) });
	return [
		{ op: 'Reshape', inputs: [of.bias, shape], outputs: [`${y}_bias`] },
		{ op: 'Add', inputs: [scaled, `${y}_bias`], outputs: [y] },
	];
}

/** Parameters of BatchNormalization by input position. */
const PARAMETERS = ['gamma', 'beta', 'mean', 'variance'] as const;

/**
 * Quantizes parameters of kept BatchNormalization layers to int8 with a step for the tensor, behind DequantizeLinear.
 * @param change applied to each parameter before it is rounded
 */
export function quantizedLayers(
	spec: ModelSpec,
	parameters: readonly (typeof PARAMETERS)[number][],
	change: (values: readonly number[], name: (typeof PARAMETERS)[number]) => readonly number[] = (values) => values,
): ModelSpec {
	const initializers = new Map((spec.graph.initializers ?? []).map((tensor) => [tensor.name ?? '', tensor]));
	const nodes = (spec.graph.nodes ?? []).flatMap((node): NodeSpec[] => {
		if (node.op !== 'BatchNormalization') {
			return [node];
		}
		const inputs = [...(node.inputs ?? [])];
		const dequantized = parameters.map((parameter): NodeSpec => {
			const position = 1 + PARAMETERS.indexOf(parameter);
			const name = inputs[position] ?? '';
			const values = change((initializers.get(name)?.values ?? []).map(Number), parameter);
			const step = Math.fround(values.reduce((most, value) => Math.max(most, Math.abs(value)), 0) / 127) || 1;
			const integers = values.map((value) => Math.round(value / step));
			initializers.set(`${name}_q`, { name: `${name}_q`, dtype: 'int8', values: integers });
			initializers.set(`${name}_s`, { name: `${name}_s`, dims: [], values: [step] });
			inputs[position] = `${name}_dq`;
			return { op: 'DequantizeLinear', inputs: [`${name}_q`, `${name}_s`], outputs: [`${name}_dq`] };
		});
		return [...dequantized, { ...node, inputs }];
	});
	return { ...spec, graph: { ...spec.graph, nodes, initializers: [...initializers.values()] } };
}

/** The float weight rounded in the graph, as training with simulated quantization leaves it. */
function asTraining(of: Quantizer): NodeSpec[] {
	const { node, grid, axis, weight, bias } = of;
	const { scale, zero } = of.weights();
	const [x = ''] = node.inputs ?? [];
	const [quantizedName, name] = [`${weight}_ql`, `${weight}_dq`];
	const attributes = grid.perChannel ? { attributes: { axis: { i: axis } } } : {};
	const factored = of.factored();
	return [
		{ op: 'QuantizeLinear', inputs: [factored, scale, zero], outputs: [quantizedName], ...attributes },
		{ op: 'DequantizeLinear', inputs: [quantizedName, scale, zero], outputs: [name], ...attributes },
		{ ...node, inputs: [x, name, ...(bias === '' ? [] : [bias])] },
	];
}

/** A scale for each block of BLOCK weights along the last axis, in int4. */
function asBlocked(of: Quantizer): NodeSpec[] {
	const { node, weight, bias } = of;
	const { dims, integers, scales } = of.blocks();
	const [x = ''] = node.inputs ?? [];
	const blocked = [of.add('q', { dims, dtype: 'int4', values: integers.map((value) => value - HALF) })];
	const scaleDims = [...dims.slice(0, -1), Math.ceil(dims[dims.length - 1] / BLOCK)];
	blocked.push(of.add('s', { dims: scaleDims, values: scales }));
	return [
		{
			op: 'DequantizeLinear',
			inputs: blocked,
			outputs: [`${weight}_dq`],
			attributes: { axis: { i: dims.length - 1 }, block_size: { i: BLOCK } },
		},
		{ ...node, inputs: [x, `${weight}_dq`, ...(bias === '' ? [] : [bias])] },
	];
}

/** MatMulNBits, which takes its matrix with the output channels in rows; convolutions in blocks. */
function asPacked(of: Quantizer): NodeSpec[] {
	const { node, bias } = of;
	if (CONVOLUTIONS.has(node.op)) {
		return asBlocked(of);
	}
	const { rows, columns, values } = of.matrix();
	const blocks = Math.ceil(columns / BLOCK);
	const bytes = new Uint8Array((rows * blocks * BLOCK) / 2);
	const zeroBytes = new Uint8Array(rows * Math.ceil(blocks / 2));
	const scales: number[] = [];
	for (let cell = 0; cell < rows * blocks; cell++) {
		const [row, block] = [Math.floor(cell / blocks), cell % blocks];
		const first = row * columns + block * BLOCK;
		const inBlock = values.slice(first, Math.min(first + BLOCK, (row + 1) * columns));
		const { scale, zero } = packedScale(inBlock, of.grid);
		scales.push(scale);
		zeroBytes[row * Math.ceil(blocks / 2) + (block >> 1)] |= zero << (4 * (block % 2));
		for (const [at, value] of inBlock.entries()) {
			const code = Math.min(Math.max(zero + Math.round(value / (scale || 1)), 0), 15);
			bytes[(cell * BLOCK + at) >> 1] |= code << (4 * (at % 2));
		}
	}
	const [x = ''] = node.inputs ?? [];
	const packed = of.add('q', { dims: [rows, blocks, BLOCK / 2], dtype: 'uint8', values: Array.from(bytes) });
	const scale = of.add('s', { dims: [rows * blocks], values: scales });
	const zero = of.grid.unsigned ? of.add('z', { dtype: 'uint8', values: Array.from(zeroBytes) }) : '';
	const attributes = { K: { i: columns }, N: { i: rows }, bits: { i: 4 }, block_size: { i: BLOCK } };
	const optional = bias === '' ? (zero === '' ? [] : [zero]) : [zero, '', bias];
	const inputs = [x, packed, scale, ...optional];
	return [{ ...node, op: 'MatMulNBits', domain: 'com.microsoft', inputs, attributes }];
}

const CONVOLUTIONS: ReadonlySet<string> = new Set(['Conv', 'ConvTranspose']);

/** Returns scale and zero point of a block in 4 bits. */
function packedScale(values: readonly number[], { unsigned, negative }: Grid): { scale: number; zero: number } {
	const [low, high] = [Math.min(0, ...values), Math.max(0, ...values)];
	if (unsigned) {
		const scale = Math.fround((high - low) / 15);
		return { scale, zero: Math.round(-low / (scale || 1)) };
	}
	const largest = -low > high ? low : high;
	return { scale: Math.fround(negative ? -largest / HALF : Math.abs(largest) / (HALF - 1)), zero: HALF };
}

/** Number of weights with a scale of their own; at least 16 for MatMulNBits. */
const BLOCK = 16;
/** Code of 0 in 4 bits. */
const HALF = 8;

const WRITERS: Readonly<Record<QuantizedForm, (of: Quantizer) => NodeSpec[]>> = {
	qdq: asQdq,
	qoperator: asQOperator,
	dynamic: asDynamic,
	training: asTraining,
	blocked: asBlocked,
	packed: asPacked,
};
