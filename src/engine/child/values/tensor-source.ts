import { isConstant } from '../../../core/onnx/graph/constants.js';
import { ShapeInference } from '../../../core/onnx/graph/infer.js';
import { Scope } from '../../../core/onnx/graph/scope.js';
import { typeName } from '../../../core/onnx/types.js';
import { symbolsOf } from '../inputs/dimensions.js';
import { loadModel } from '../model/load-model.js';
import type { NodeNet } from '../model/node-net.js';
import type { OpenedModel } from '../model/opened-model.js';
import { PartLoader } from '../model/part-loader.js';
import type { PartSession } from '../model/partial-session.js';
import { requiredInputs } from '../model/required-inputs.js';
import { overwritesStatistics } from '../model/run-time-parameters.js';
import { type CaptureSource, capture } from '../run/capture.js';
import type { RunContext } from '../run/run-events.js';
import type { Runtime } from '../runtime/runtime.js';
import type { RuntimeTensor, Tensors } from '../tensors/tensor.js';
import { isKernelType } from '../tensors/tensor-size.js';

/** Receives a captured tensor, whose memory is valid during the call. */
export type TensorVisitor = (name: string, tensor: RuntimeTensor) => void;

/** Captures the floating tensors of a model's main graph, with the session kept between runs. */
export class TensorSource implements CaptureSource {
	readonly usesRuntimeMemory = true;
	/** Tensors that nodes compute from the inputs, in graph order. Some may turn out to have another type. */
	readonly names: readonly string[];
	readonly #model: OpenedModel;
	readonly #runtime: Runtime;
	readonly #parts: PartLoader;
	/** Session for the next run. */
	#session: PartSession | undefined;

	constructor(model: OpenedModel, runtime: Runtime) {
		this.#model = model;
		this.#runtime = runtime;
		this.#parts = new PartLoader(model, runtime);
		this.names = computedTensors(model, this.net);
	}

	get net(): NodeNet {
		return this.#parts.net;
	}

	/**
	 * Runs the model and visits its floating tensors in graph order, in several runs if they exceed the budget.
	 * @param feeds inputs by name, of the types that the model declares
	 * @throws {RuntimeError}
	 */
	async visit(feeds: Tensors, context: RunContext, visitor: TensorVisitor): Promise<void> {
		const captures = this.names.map((name) => ({ consumer: name, tensors: [name] }));
		const known = { tensors: feeds, symbols: symbolsOf(requiredInputs(this.#model.model), feeds) };
		for await (const { consumers, tensors } of capture(this, captures, known, context)) {
			for (const name of consumers) {
				const tensor = tensors.get(name);
				if (tensor && isKernelType(tensor.type)) {
					visitor(name, tensor);
				}
			}
		}
	}

	/** Returns copies of tensors. @throws {RuntimeError} */
	async capture(names: readonly string[], feeds: Tensors, context: RunContext): Promise<Tensors> {
		const wanted = new Set(names);
		const copies = new Map<string, RuntimeTensor>();
		await this.visit(feeds, context, (name, tensor) => {
			if (wanted.has(name)) {
				copies.set(name, { ...tensor, data: tensor.data.slice() });
			}
		});
		return copies;
	}

	async dispose(): Promise<void> {
		await this.#session?.release();
		this.#session = undefined;
	}

	async load(names: readonly string[]): Promise<PartSession> {
		const kept = this.#session;
		this.#session = undefined;
		if (kept) {
			return kept;
		}
		const session = await loadModel(this.#model, this.#runtime, { outputs: names, sleeps: true });
		return {
			level: session.level,
			outputs: session.outputs,
			run: (inputs) => session.run(inputs, names),
			release: () => session.release(),
		};
	}

	async finish(session: PartSession): Promise<void> {
		if (this.#model.layers.some(overwritesStatistics)) {
			// A training-mode run has overwritten the session's constants, so the session must not be used again.
			await session.release();
		} else {
			this.#session = session;
		}
	}

	loadPart(names: readonly string[]): Promise<PartSession> {
		return this.#parts.load(names, 'disabled');
	}

	loadShapes(names: readonly string[]): Promise<PartSession> {
		return this.#parts.loadShapes(names, 'disabled');
	}
}

/** Returns the tensors of the main graph that may be floating, and that depend on an input. */
function computedTensors({ model }: OpenedModel, net: NodeNet): string[] {
	const scope = Scope.ofModel(model);
	const shapes = new ShapeInference();
	return net.order.flatMap(({ opType, outputs }) => {
		const [data, ...others] = outputs;
		// Statistics of training mode and masks of Dropout are no activations.
		const names = opType === 'BatchNormalization' || opType === 'Dropout' ? [data] : [data, ...others];
		return names.filter((name) => {
			const { dataType } = name ? shapes.of(scope, name) : { dataType: 0 };
			const isFloating = dataType === 0 || isKernelType(typeName(dataType));
			return name !== undefined && name !== '' && isFloating && !isConstant(scope, name);
		});
	});
}
