import { product } from '../../../core/numbers/arrays.js';
import type { Graph, Node } from '../../../core/onnx/model.js';
import type { RuntimeTensor, TensorData, Tensors } from '../tensors/tensor.js';

/**
 * Maximum number of iterations of a Loop or Scan to run. Enough to check its layers, and a recurrent network over
 * thousands of steps still ends.
 */
export const MAX_ITERATIONS = 16;

/** Values of a body's formal inputs for an iteration, by name. */
export type IterationInputs = ReadonlyMap<string, RuntimeTensor>;

/** Iterations of an execution of a Loop or Scan. */
export interface Iterations {
	/** Outputs of the body that the next iteration takes, in the order of the inputs that they become. */
	readonly carried: readonly string[];
	/** Returns inputs of the first iteration; undefined if there is none. */
	first(): IterationInputs | undefined;
	/**
	 * Returns inputs of the next iteration; undefined at the end.
	 * @param carried outputs of the iteration `number` - 1, by name
	 */
	next(number: number, carried: Tensors): IterationInputs | undefined;
}

/** Returns a one-element tensor's value, of rank 0 or 1. */
const firstElement = (tensor: RuntimeTensor | undefined) => tensor?.data[0];

/**
 * Returns the iterations of an ONNX Loop. Inputs: M, condition, carried values. Inputs of the body: iteration number,
 * condition, carried values; outputs: condition, carried values, collected values. Without M there is no bound; without a
 * condition it is true.
 * @param tensors the node's inputs, by name
 */
export function loopIterations({ inputs }: Node, body: Graph, tensors: Tensors): Iterations {
	const [count = '', condition = '', ...initial] = inputs;
	const bound = count === '' ? Number.POSITIVE_INFINITY : Number(firstElement(tensors.get(count)) ?? 0);
	const starts = condition === '' || Boolean(firstElement(tensors.get(condition)));
	const [numberInput, conditionInput, ...formal] = body.inputs;
	const outputs = body.outputs.map(({ name }) => name).slice(0, 1 + formal.length);
	const scalar = (input: typeof numberInput, type: string, data: TensorData): RuntimeTensor => ({
		type,
		dims: input?.shape?.length === 1 ? [1] : [],
		data,
	});
	const inputsOf = (number: number, values: readonly (RuntimeTensor | undefined)[]) =>
		named([
			[numberInput?.name, scalar(numberInput, 'int64', BigInt64Array.of(BigInt(number)))],
			[conditionInput?.name, scalar(conditionInput, 'bool', Uint8Array.of(1))],
			...formal.map(({ name }, i) => [name, values[i]] as const),
		]);
	return {
		carried: outputs,
		first: () =>
			starts && bound > 0
				? inputsOf(
						0,
						initial.map((name) => tensors.get(name)),
					)
				: undefined,
		next: (number, carried) => {
			const [goesOn, ...values] = outputs.map((name) => carried.get(name));
			return number < bound && firstElement(goesOn) ? inputsOf(number, values) : undefined;
		},
	};
}

/**
 * Returns the iterations of an ONNX Scan from opset 9 on. Inputs: states, then `num_scan_inputs` tensors, with a slice
 * for each iteration. Outputs of the body: states, then collected values.
 * @param tensors the node's inputs, by name
 */
export function scanIterations({ inputs, attributes }: Node, body: Graph, tensors: Tensors): Iterations {
	const sliced = attributes.get('num_scan_inputs')?.i ?? 0;
	const states = inputs.length - sliced;
	const axes = attributes.get('scan_input_axes')?.ints ?? [];
	const directions = attributes.get('scan_input_directions')?.ints ?? [];
	const scanned = inputs.slice(states).map((name, i) => {
		const tensor = tensors.get(name);
		const rank = tensor?.dims.length ?? 0;
		const axis = (axes[i] ?? 0) < 0 ? (axes[i] ?? 0) + rank : (axes[i] ?? 0);
		return { tensor, axis, length: tensor?.dims[axis] ?? 0, backwards: directions[i] === 1 };
	});
	const steps = scanned[0]?.length ?? 0;
	const inputsOf = (number: number, values: readonly (RuntimeTensor | undefined)[]) => {
		const slices = scanned.map(
			({ tensor, axis, backwards }) => tensor && sliceAt(tensor, axis, backwards ? steps - 1 - number : number),
		);
		return named(body.inputs.map(({ name }, i) => [name, i < states ? values[i] : slices[i - states]] as const));
	};
	const outputs = body.outputs.map(({ name }) => name).slice(0, states);
	return {
		carried: outputs,
		first: () =>
			steps > 0
				? inputsOf(
						0,
						inputs.slice(0, states).map((name) => tensors.get(name)),
					)
				: undefined,
		next: (number, carried) =>
			number < steps
				? inputsOf(
						number,
						outputs.map((name) => carried.get(name)),
					)
				: undefined,
	};
}

/**
 * Returns the iterations of an ONNX Scan of opset 8: the steps of the first image, then those of the next. Inputs: number
 * of steps of each image (optional), states, then `num_scan_inputs` tensors, all with the images on axis 0 and the scanned
 * tensors with the steps on axis 1. Inputs and outputs of the body as from opset 9 on, without the images.
 * @param tensors the node's inputs, by name
 */
export function batchedScanIterations({ inputs, attributes }: Node, body: Graph, tensors: Tensors): Iterations {
	const [lengthsName = '', ...operands] = inputs;
	const sliced = attributes.get('num_scan_inputs')?.i ?? 0;
	const states = operands.length - sliced;
	const directions = attributes.get('directions')?.ints ?? [];
	const scanned = operands.slice(states).map((name) => tensors.get(name));
	const [images = 0, most = 0] = scanned[0]?.dims ?? [];
	const lengths = tensors.get(lengthsName);
	const stepsOf = (image: number) => (lengths ? Math.min(most, Number(lengths.data[image])) : most);
	/** Returns image and step of an iteration; undefined behind the last one. */
	const placeOf = (number: number): readonly [image: number, step: number] | undefined => {
		let step = number;
		for (let image = 0; image < images; image++) {
			const steps = stepsOf(image);
			if (step < steps) {
				return [image, step];
			}
			step -= steps;
		}
		return undefined;
	};
	const outputs = body.outputs.map(({ name }) => name).slice(0, states);
	const inputsOf = (number: number, carried: Tensors): IterationInputs | undefined => {
		const place = placeOf(number);
		if (!place) {
			return undefined;
		}
		const [image, step] = place;
		const ofImage = (tensor: RuntimeTensor | undefined) => tensor && sliceAt(tensor, 0, image);
		const state = (i: number) => (step === 0 ? ofImage(tensors.get(operands[i] ?? '')) : carried.get(outputs[i] ?? ''));
		const slice = (i: number) => {
			const all = ofImage(scanned[i]);
			return all && sliceAt(all, 0, directions[i] === 1 ? stepsOf(image) - 1 - step : step);
		};
		return named(body.inputs.map(({ name }, i) => [name, i < states ? state(i) : slice(i - states)] as const));
	};
	return { carried: outputs, first: () => inputsOf(0, new Map()), next: inputsOf };
}

function named(entries: readonly (readonly [string | undefined, RuntimeTensor | undefined])[]): IterationInputs {
	return new Map(entries.flatMap(([name, tensor]) => (name !== undefined && tensor ? [[name, tensor] as const] : [])));
}

/** Returns the slice at an index of an axis, without the axis. */
export function sliceAt({ type, dims, data }: RuntimeTensor, axis: number, index: number): RuntimeTensor {
	const outer = product(dims.slice(0, axis));
	const inner = product(dims.slice(axis + 1));
	const slice = data.slice(0, outer * inner);
	for (let o = 0; o < outer; o++) {
		for (let i = 0; i < inner; i++) {
			slice[o * inner + i] = data[(o * dims[axis] + index) * inner + i];
		}
	}
	return { type, dims: dims.toSpliced(axis, 1), data: slice };
}
