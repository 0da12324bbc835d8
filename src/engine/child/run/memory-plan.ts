import { ShapeInference } from '../../../core/onnx/graph/infer.js';
import { Scope } from '../../../core/onnx/graph/scope.js';
import type { Model } from '../../../core/onnx/model.js';
import { typeName } from '../../../core/onnx/types.js';
import type { Kernel } from '../../../kernel/types.js';
import type { RuntimeTensor } from '../tensors/tensor.js';
import { bytesOf, isKernelType, resolveSize } from '../tensors/tensor-size.js';
import { capturingBytes } from './capture-groups.js';

/** What a model is fed, as far as it tells sizes. */
interface Fed {
	readonly tensors: ReadonlyMap<string, Pick<RuntimeTensor, 'dims'>>;
	/** Sizes of symbolic dimensions. */
	readonly symbols: ReadonlyMap<string, number>;
}

/**
 * Bytes that tensors of the main graph will take, told before the runtime has seen the model: what stays unknown, and what
 * the kernel's memory does not hold, counts nothing.
 */
export function expectedBytes(model: Model, names: readonly string[], { tensors, symbols }: Fed): number {
	const shapes = new ShapeInference(tensors);
	const scope = Scope.ofModel(model);
	return names.reduce((total, name) => {
		const { dataType, shape } = shapes.of(scope, name);
		const declared = { name, type: typeName(dataType), shape: shape?.map((dimension) => dimension ?? '') };
		const size = resolveSize(declared, symbols);
		return size && isKernelType(size.type) ? total + bytesOf(size) : total;
	}, 0);
}

/** Where captured tensors will be. */
export interface LoadPorts {
	readonly kernel: Kernel;
	/** Bytes of captured tensors to hold at a time. */
	readonly budget: number;
}

/** The kernel's memory while a model is loaded. */
export interface Room {
	/** For the model's bytes, which the runtime is done with when it has loaded them; undefined: they take memory of their own. */
	readonly model: Uint8Array | undefined;
	/** Where the tensors will be, as far as the model is not. */
	readonly ahead: Uint8Array;
}

const NO_ROOM: Room = { model: undefined, ahead: new Uint8Array(0) };

/** A model of up to this share of the budget is put there even where its tensors take less: the memory stays taken. */
const SMALL = 1 / 4;

/** @param need bytes that the model and the captured tensors take */
export function borrowRoom(need: { readonly model: number; readonly tensors: number }, ports: LoadPorts): Room {
	const { kernel, budget } = ports;
	if (kernel.kind === 'scalar') {
		// It has no memory of its own.
		return NO_ROOM;
	}
	// More is captured part by part.
	const tensors = capturingBytes(need.tensors) > budget ? 0 : need.tensors;
	const model = need.model <= Math.max(tensors, SMALL * budget) ? need.model : 0;
	try {
		const memory = kernel.borrow(Math.max(model, tensors));
		return { model: model > 0 ? memory.subarray(0, model) : undefined, ahead: memory.subarray(model) };
	} catch (error) {
		if (error instanceof RangeError) {
			return NO_ROOM;
		}
		throw error;
	}
}
