import type { BatchNormLayer } from '../../../core/batchnorm/layer.js';
import type { OpenedModel } from '../model/opened-model.js';
import type { Part } from '../model/partial-model.js';
import { loadPart } from '../model/partial-session.js';
import { overwritesStatistics } from '../model/run-time-parameters.js';
import { type OptimizationLevel, type Runtime, unpassableName, unpassableSentence } from '../runtime/runtime.js';
import type { RuntimeTensor, Tensors } from '../tensors/tensor.js';
import { type CaptureSource, capture } from './capture.js';
import type { Capture } from './capture-plan.js';
import { isMissingKernel, type PartialReach } from './obstacles.js';
import type { Obstacle, UnfedInput } from './reach.js';
import type { CapturedLayer, Known, ModelRun, RunContext, RunEvents } from './run-events.js';
import { bfloat16Tensors, checkedTensors, inputTensors } from './tensors-wanted.js';
import { insideReason } from './whole-run.js';

/** A layer that a pass reaches. */
interface PlannedLayer {
	/** Layer index. */
	readonly index: number;
	readonly pass: number;
	readonly tensors: readonly string[];
	/** Reason why the runtime cannot compute the output; undefined if it can. */
	readonly aloneReason?: string;
}

/**
 * Runs the nodes in front of the layers, for a model that the runtime does not take as a whole. The caller recomputes
 * outputs of layers without a kernel in the runtime, and gives them to the next pass.
 */
export class PartialRun implements ModelRun {
	readonly level: OptimizationLevel = 'disabled';
	readonly unreached = new Map<number, string>();
	readonly remark: string;
	readonly #model: OpenedModel;
	readonly #runtime: Runtime;
	readonly #reach: PartialReach;
	readonly #layers: PlannedLayer[] = [];
	readonly #isNarrow: (name: string) => boolean;

	/** @param refusal the runtime's message about the whole model */
	constructor(model: OpenedModel, runtime: Runtime, reach: PartialReach, refusal: string) {
		this.#model = model;
		this.#runtime = runtime;
		this.#reach = reach;
		this.#isNarrow = bfloat16Tensors(model.layers);
		this.remark = `${refusal.replace(/\.$/, '')}; what stands in front of the layers was run without the rest.`;
		for (const [index, layer] of model.layers.entries()) {
			this.#plan(index, layer);
		}
	}

	#plan(index: number, layer: BatchNormLayer): void {
		const reach = this.#reach.layers.get(layer);
		if (!reach) {
			this.unreached.set(index, insideReason(layer.graphPath));
		} else if (unpassableName(checkedTensors(layer)) !== undefined) {
			this.unreached.set(index, `Not checked: ${unpassableSentence(unpassableName(checkedTensors(layer)) ?? '')}`);
		} else if (reach.kind === 'blocked') {
			this.unreached.set(index, blockedReason(reach.obstacle));
		} else if (reach.kind === 'alone') {
			const aloneReason = explainAlone(layer, reach.obstacle);
			this.#layers.push({ index, pass: reach.pass, tensors: inputTensors(layer), aloneReason });
		} else {
			this.#layers.push({ index, pass: reach.pass, tensors: checkedTensors(layer) });
		}
	}

	/** True if there is a layer to run for. */
	get reachesAny(): boolean {
		return this.#layers.length > 0;
	}

	async *run({ tensors: inputs, symbols }: Known, context: RunContext): RunEvents {
		const known = new Map(inputs);
		const last = Math.max(0, ...this.#layers.map(({ pass }) => pass));
		for (let pass = 0; pass <= last; pass++) {
			const recomputed = new Map<string, RuntimeTensor>();
			const layers = this.#layers.filter((layer) => layer.pass === pass && this.#isComputable(layer, known));
			const captures = layers.map((layer) => this.#capture(layer, recomputed));
			const source = this.#source(layers, known);
			for await (const { consumers, tensors } of capture(source, captures, { tensors: known, symbols }, context)) {
				yield { type: 'layers', layers: consumers, tensors };
			}
			for (const [name, tensor] of recomputed) {
				known.set(name, tensor);
			}
		}
	}

	async dispose(): Promise<void> {}

	/** @param recomputed receives the layer's output if the runtime cannot compute it */
	#capture(
		{ index, tensors, aloneReason }: PlannedLayer,
		recomputed: Map<string, RuntimeTensor>,
	): Capture<CapturedLayer> {
		if (aloneReason === undefined) {
			return { consumer: { index }, tensors };
		}
		const provideOutput = (output: RuntimeTensor) => {
			recomputed.set(this.#model.layers[index].output, output);
		};
		return { consumer: { index, alone: { reason: aloneReason, provideOutput } }, tensors };
	}

	/** Returns false if recomputing a layer in front failed. */
	#isComputable({ tensors }: PlannedLayer, known: Tensors): boolean {
		const { net, obstacles } = this.#reach;
		return !net.ancestors(tensors, new Set(known.keys())).some((node) => obstacles.has(node));
	}

	#source(layers: readonly PlannedLayer[], known: Tensors): CaptureSource {
		const given = new Map([...known].map(([name, { type, dims }]) => [name, { type, dims }]));
		const load = (part: Pick<Part, 'outputs' | 'shapes'>, names: readonly string[]) => {
			const nodes = this.#reach.net.ancestors(names, new Set(given.keys()));
			const whole = { ...part, nodes, given, isNarrow: this.#isNarrow };
			return loadPart(this.#model, whole, this.#runtime, { frugal: true });
		};
		return {
			usesRuntimeMemory: layers.some(({ index }) => overwritesStatistics(this.#model.layers[index])),
			load: (names) => load({ outputs: names }, names),
			finish: (session) => session.release(),
			loadPart: (names) => load({ outputs: names }, names),
			loadShapes: (names) => load({ outputs: [], shapes: names }, names),
		};
	}
}

function blockedReason(obstacle: Obstacle | UnfedInput | undefined): string {
	if (!obstacle) {
		return 'Not checked: the graph has a cycle in front of the layer.';
	}
	if ('input' in obstacle) {
		return `Not checked: the layer depends on input "${obstacle.input}", which gets no value.`;
	}
	const { opType, name, domain, outputs } = obstacle.node;
	const operator = `${opType} "${name || outputs[0] || ''}"`;
	if (/external data/i.test(obstacle.detail)) {
		return `Not checked: the layer's input depends on ${operator}, whose constants cannot be loaded (${obstacle.detail.replace(/\.$/, '')}).`;
	}
	// Operators of other domains lack a kernel. Standard operators have a kernel, so the message gives their reason.
	const why = domain === '' ? ` (${obstacle.detail.replace(/\.$/, '')})` : '';
	return `Not checked: the layer's input depends on ${operator}${domain === '' ? '' : ` of domain ${domain}`}, which onnxruntime cannot run${why}.`;
}

function explainAlone(layer: BatchNormLayer, obstacle: Obstacle | UnfedInput): string {
	if ('input' in obstacle) {
		return blockedReason(obstacle);
	}
	const { node: refused, detail } = obstacle;
	const { node } = layer;
	const words = detail.replace(/\.$/, '');
	const what = isMissingKernel(detail)
		? `has no ${refused.opType} kernel for ${kernelTypes(layer)}`
		: refused === node
			? `refuses the layer (${words})`
			: `refuses ${refused.opType} (${words})`;
	return `onnxruntime ${what}; the layer was recomputed here, but there is nothing to compare it with.`;
}

/** Describes the types that a kernel is looked up by. Names the parameters' types only if they differ from x. */
function kernelTypes({ opset, dtype, gamma, beta, mean, variance }: BatchNormLayer): string {
	const types = Object.entries({ gamma, beta, mean, variance }).map(([name, parameter]) => [name, parameter.dtype]);
	const others = types.filter(([, type]) => type !== dtype && type !== 'undefined' && type !== 'unknown');
	if (others.length > 0) {
		return `opset ${opset} with x of ${dtype}, ${others.map(([name, type]) => `${name} of ${type}`).join(', ')}`;
	}
	return dtype === 'bfloat16' ? dtype : `opset ${opset}`;
}
