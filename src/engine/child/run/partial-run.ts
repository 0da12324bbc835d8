import type { BatchNormLayer } from '../../../core/batchnorm/layer.js';
import type { OpenedModel } from '../model/opened-model.js';
import type { Part } from '../model/partial-model.js';
import { loadPart } from '../model/partial-session.js';
import type { OptimizationLevel, Runtime } from '../runtime/runtime.js';
import type { RuntimeTensor } from '../tensors/tensor.js';
import { type Known, runStage, type Stage } from './capture.js';
import type { LayerTensors } from './capture-groups.js';
import type { ModelRun, RunPorts } from './model-run.js';
import { isMissingKernel, type PartialReach } from './obstacles.js';
import type { Obstacle, UnfedInput } from './reach.js';
import { bfloat16Tensors, checkedTensors, inputTensors } from './tensors-wanted.js';
import { insideReason } from './whole-run.js';

interface PlannedLayer extends LayerTensors {
	readonly stage: number;
	/** Why there is no output to compare with. */
	readonly alone?: string;
}

/**
 * Runs what the runtime takes of a model that it does not take as a whole: the nodes in front of the layers. Where a
 * layer itself is what it has no kernel for, the layer's output is computed here and given to the run of the next stage.
 */
export class PartialRun implements ModelRun {
	readonly level: OptimizationLevel = 'disabled';
	readonly unreached = new Map<number, string>();
	readonly remark: string;
	readonly #open: OpenedModel;
	readonly #runtime: Runtime;
	readonly #reach: PartialReach;
	readonly #layers: PlannedLayer[] = [];
	readonly #isNarrow: (name: string) => boolean;

	/** @param refusal the runtime's words about the whole model */
	constructor(open: OpenedModel, runtime: Runtime, reach: PartialReach, refusal: string) {
		this.#open = open;
		this.#runtime = runtime;
		this.#reach = reach;
		this.#isNarrow = bfloat16Tensors(open.layers);
		this.remark = `${refusal.replace(/\.$/, '')}; what stands in front of the layers was run without the rest.`;
		for (const [index, layer] of open.layers.entries()) {
			this.#plan(index, layer);
		}
	}

	#plan(index: number, layer: BatchNormLayer): void {
		const reach = this.#reach.layers.get(layer);
		if (!reach) {
			this.unreached.set(index, insideReason(layer.graphPath));
		} else if (reach.kind === 'blocked') {
			this.unreached.set(index, blockedReason(reach.obstacle));
		} else if (reach.kind === 'alone') {
			const alone = aloneReason(layer, reach.obstacle);
			this.#layers.push({ index, stage: reach.stage, tensors: inputTensors(layer), alone });
		} else {
			this.#layers.push({ index, stage: reach.stage, tensors: checkedTensors(layer) });
		}
	}

	/** Whether there is anything to run. */
	get reachesAny(): boolean {
		return this.#layers.length > 0;
	}

	async run({ tensors, symbols }: Known, ports: RunPorts): Promise<void> {
		const known = new Map(tensors);
		const last = Math.max(0, ...this.#layers.map(({ stage }) => stage));
		for (let number = 0; number <= last; number++) {
			const layers = this.#layers.filter(({ stage }) => stage === number);
			const recomputed = new Map<string, RuntimeTensor>();
			const check = async (index: number, captured: ReadonlyMap<string, RuntimeTensor>) => {
				const alone = layers.find((layer) => layer.index === index)?.alone;
				const prepared = await ports.check(index, captured, alone);
				if (prepared && alone !== undefined) {
					recomputed.set(this.#open.layers[index].output, ports.recompute(prepared));
				}
			};
			const computable = layers.filter((layer) => this.#isComputable(layer, known));
			await runStage(this.#stage(computable, known), { tensors: known, symbols }, { ...ports, check });
			for (const [name, tensor] of recomputed) {
				known.set(name, tensor);
			}
		}
	}

	async dispose(): Promise<void> {}

	/** False where a layer in front could not be recomputed after all. */
	#isComputable({ tensors }: PlannedLayer, known: ReadonlyMap<string, RuntimeTensor>): boolean {
		const { net, obstacles } = this.#reach;
		return !net.ancestors(tensors, new Set(known.keys())).some((node) => obstacles.has(node));
	}

	#stage(layers: readonly PlannedLayer[], known: ReadonlyMap<string, RuntimeTensor>): Stage {
		const given = new Map([...known].map(([name, { type, dims }]) => [name, { type, dims }]));
		const open = (part: Pick<Part, 'outputs' | 'shapes'>, names: readonly string[]) => {
			const nodes = this.#reach.net.ancestors(names, new Set(given.keys()));
			const whole = { ...part, nodes, given, isNarrow: this.#isNarrow };
			return loadPart(this.#open, whole, this.#runtime, { frugal: true });
		};
		return {
			layers,
			asIs: layers.some(({ index }) => this.#open.layers[index].mode === 'training'),
			open: (names) => open({ outputs: names }, names),
			close: (session) => session.release(),
			openPart: (names) => open({ outputs: names }, names),
			openShapes: (names) => open({ outputs: [], shapes: names }, names),
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
	// What another domain's operator lacks is a kernel; of one that every runtime knows the reason has to be told.
	const why = domain === '' ? ` (${obstacle.detail.replace(/\.$/, '')})` : '';
	return `Not checked: the layer's input depends on ${operator}${domain === '' ? '' : ` of domain ${domain}`}, which onnxruntime cannot run${why}.`;
}

function aloneReason(layer: BatchNormLayer, obstacle: Obstacle | UnfedInput): string {
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

/** What a kernel is looked up by, as far as it is unusual: the types where the parameters have another one than x. */
function kernelTypes({ opset, dtype, gamma, beta, mean, variance }: BatchNormLayer): string {
	const types = Object.entries({ gamma, beta, mean, variance }).map(([name, parameter]) => [name, parameter.dtype]);
	const others = types.filter(([, type]) => type !== dtype && type !== 'undefined' && type !== 'unknown');
	if (others.length > 0) {
		return `opset ${opset} with x of ${dtype}, ${others.map(([name, type]) => `${name} of ${type}`).join(', ')}`;
	}
	return dtype === 'bfloat16' ? dtype : `opset ${opset}`;
}
