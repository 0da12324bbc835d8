import path from 'node:path';
import { dataHealth } from '../../../core/batchnorm/data-health.js';
import { DEFAULT_DRIFT_THRESHOLDS, statisticsDrift } from '../../../core/batchnorm/drift.js';
import { DEFAULT_THRESHOLDS, layerHealth } from '../../../core/batchnorm/health.js';
import type { BatchNormLayer } from '../../../core/batchnorm/layer.js';
import type { Finding, LayerReport, Normalization, Recompute, Report } from '../../../core/report/types.js';
import { emptyMoments, mergeMoments } from '../../../kernel/moments.js';
import type { FloatData, Kernel, Moments, VerifyResult } from '../../../kernel/types.js';
import type { InspectOptions } from '../../../protocol/host-engine.js';
import type { Feeds } from '../inputs/inputs.js';
import { dependsOn } from '../model/node-net.js';
import { runTimeParameters } from '../model/run-time-parameters.js';
import type { RuntimeTensor } from '../tensors/tensor.js';
import { judgeNormalization, type LayerOutput } from './judge-normalization.js';
import { explainOverwritten } from './overwritten-constants.js';
import { type PreparedLayer, prepareLayer } from './prepare-layer.js';
import { checkStatistics } from './running-statistics.js';
import { saveOutput } from './saved-outputs.js';
import { badChannels, batchStatistics, judge, mergeResults, verifyLayer } from './verify-layer.js';

/** What the runs so far have told of one layer. */
interface Knowledge {
	readonly prepared: Pick<PreparedLayer, 'type' | 'shape' | 'shown'>;
	readonly moments: Moments;
	readonly count: number;
	readonly images: number;
	/** Of the first run. */
	readonly normalization?: Normalization;
	/** Errors against the runtime's output, where there was one to compare with. */
	readonly result?: VerifyResult;
	/** What is wrong beyond what the numbers of `result` say: one sentence. */
	readonly mismatch?: string;
	/** Why there is no verdict: one sentence. */
	readonly skipped?: string;
}

export interface CheckerOptions {
	readonly structure: Report;
	readonly layers: readonly BatchNormLayer[];
	readonly kernel: Kernel;
	readonly options: InspectOptions;
}

/** Collects, run by run, what there is to say about every layer. */
export class LayerChecker {
	private readonly setup: CheckerOptions;
	private readonly known = new Map<number, Knowledge | { readonly skipped: string }>();
	/** Layers of which it is not known which normalization they are, with the tensors of their first run. */
	private readonly unjudged = new Map<
		number,
		Pick<LayerOutput, 'y' | 'moments'> & { readonly prepared: PreparedLayer }
	>();
	/** Why a run did not reach a layer, which holds unless another one does. */
	private readonly missed = new Map<number, Pick<Recompute, 'reason' | 'cause'>>();
	/** What to say beside a verdict: different runs may have different things to say. */
	private readonly remarks = new Map<number, Set<string>>();
	/** Statistics of made-up input say nothing about the data that the running statistics were taken from. */
	private judgesDrift = false;
	/** Layers whose parameters come from made-up input: their health is nobody's. */
	private madeUp: ReadonlySet<number> = new Set();

	constructor(setup: CheckerOptions) {
		this.setup = setup;
	}

	/**
	 * Forgets everything: what ran did not get to its end.
	 * @param unreached layers that will not be checked, each with the reason in one sentence
	 */
	restart(feeds: Pick<Feeds, 'fromFiles' | 'madeUp'>, unreached: ReadonlyMap<number, string>): void {
		const { layers } = this.setup;
		this.judgesDrift = feeds.fromFiles;
		this.madeUp = new Set(
			[...layers.keys()].filter((index) =>
				dependsOn(
					runTimeParameters(layers[index]).map(({ name }) => name),
					feeds.madeUp,
					layers[index].scope,
				),
			),
		);
		this.known.clear();
		this.unjudged.clear();
		this.missed.clear();
		this.remarks.clear();
		for (const [index, reason] of unreached) {
			this.missed.set(index, { reason });
		}
	}

	/** Whether there is anything to say of any layer that only a run tells. */
	get reachedAny(): boolean {
		return this.known.size > 0;
	}

	/** A run went without a layer. */
	miss(index: number, why: Pick<Recompute, 'reason' | 'cause'>): void {
		this.missed.set(index, why);
	}

	/** @param text one sentence to stand beside the layer's verdict */
	remark(index: number, text: string): void {
		this.remarks.set(index, (this.remarks.get(index) ?? new Set()).add(text));
	}

	/**
	 * Takes one layer's tensors of one run.
	 * @param alone why the runtime has no output to compare with: one sentence
	 * @returns the layer's data and numbers; undefined when it cannot be recomputed
	 */
	check(index: number, tensors: ReadonlyMap<string, RuntimeTensor>, alone?: string): PreparedLayer | undefined {
		const { layers, structure, kernel } = this.setup;
		const prepared = prepareLayer(layers[index], structure.layers[index].affine, tensors, kernel);
		if ('reason' in prepared) {
			this.known.set(index, { skipped: prepared.reason });
			return undefined;
		}
		const { result, mismatch } =
			alone === undefined ? this.verify(layers[index], prepared, tensors) : { result: undefined, mismatch: undefined };
		const moments = result?.moments ?? kernel.moments(prepared.x, prepared.type, prepared.layout);
		const { batch, inner } = prepared.layout;
		const fresh: Knowledge = {
			prepared: { type: prepared.type, shape: prepared.shape, ...(prepared.shown && { shown: prepared.shown }) },
			moments,
			count: batch * inner,
			images: batch,
			...(result && { result }),
			...(mismatch !== undefined && { mismatch }),
			...(alone !== undefined && { skipped: alone }),
		};
		const before = this.known.get(index);
		const y = tensors.get(layers[index].output);
		if (!before) {
			this.known.set(index, fresh);
			if (result && y) {
				this.unjudged.set(index, { prepared, y: y.data as FloatData, moments });
			}
		} else if ('moments' in before) {
			this.known.set(index, merge(before, fresh));
		}
		return prepared;
	}

	/** Compares what the runtime computed; `mismatch` is what is wrong beyond the numbers. */
	private verify(
		layer: BatchNormLayer,
		prepared: PreparedLayer,
		tensors: ReadonlyMap<string, RuntimeTensor>,
	): { readonly result?: VerifyResult; readonly mismatch?: string } {
		const { kernel } = this.setup;
		const y = tensors.get(layer.output);
		const result = verifyLayer(prepared, y, kernel);
		if ('mismatch' in result) {
			return result;
		}
		if (layer.mode === 'inference') {
			return { result };
		}
		const isWrong = badChannels(result.maxBoundRatio).length > 0;
		const explanation = isWrong ? explainOverwritten(layer, prepared, y, kernel) : undefined;
		const mismatch = explanation ?? checkStatistics(layer, prepared, tensors);
		return { result, ...(mismatch !== undefined && { mismatch }) };
	}

	/**
	 * Finds out which normalization the layers checked since the last time are, from the tensors that they were checked with.
	 * @returns those layers
	 */
	judgeNormalizations(): number[] {
		const { layers, structure, kernel } = this.setup;
		const judged: number[] = [];
		for (const [index, { prepared, y, moments }] of this.unjudged) {
			const known = this.known.get(index);
			if (known && 'moments' in known) {
				const { parameters, affine } = prepared.shown ?? structure.layers[index];
				const output = { y, moments, parameters, affine };
				this.known.set(index, { ...known, normalization: judgeNormalization(layers[index], prepared, output, kernel) });
				judged.push(index);
			}
		}
		this.unjudged.clear();
		return judged;
	}

	/** The layer's output as it should be, in `type`: float64 for float64, else float32, or a half type's own bits. */
	recompute(prepared: PreparedLayer, own = false): RuntimeTensor {
		const { x, type, layout, scale, shift, shape, perActivation } = prepared;
		const half = type === 'float16' || type === 'bfloat16';
		const out =
			type === 'float64'
				? new Float64Array(x.length)
				: half && own
					? new Uint16Array(x.length)
					: new Float32Array(x.length);
		this.setup.kernel.apply({ x, type, layout, scale, shift, perActivation, out });
		return { type: half && !own ? 'float32' : type, dims: shape, data: out };
	}

	/** Writes a layer's recomputed output where the options say. @param folder of one run among several; '' else */
	async save(index: number, prepared: PreparedLayer, folder: string): Promise<void> {
		const { saveOutputs } = this.setup.options;
		if (saveOutputs !== undefined) {
			await saveOutput(path.join(saveOutputs, folder), index, this.recompute(prepared));
		}
	}

	/** The layer as it is known now. @param unknown why nothing may be */
	report(index: number, unknown = 'Not checked: the run did not get to this layer.'): LayerReport {
		const before = this.setup.structure.layers[index];
		const known = this.known.get(index);
		if (!known || !('moments' in known)) {
			const why = known ? { reason: known.skipped } : (this.missed.get(index) ?? { reason: unknown });
			return { ...before, recompute: { status: 'skipped', ...why } };
		}
		const { prepared, images, normalization } = known;
		const after: LayerReport = {
			...before,
			...prepared.shown,
			recompute: withRemarks(verdict(known), [...(this.remarks.get(index) ?? [])]),
			batch: batchStatistics(known, images),
			...(normalization && { normalization }),
			// N of all runs together.
			inputShape: [images, ...prepared.shape.slice(1)],
			dtype: prepared.type,
		};
		return { ...after, findings: [...this.health(index, after), ...this.findings(after)] };
	}

	/** As the structure has it, unless only the run told the parameters. */
	private health(index: number, { parameters }: LayerReport): readonly Finding[] {
		const { structure, layers, options } = this.setup;
		const before = structure.layers[index];
		if (before.parameters || !parameters || this.madeUp.has(index)) {
			return before.findings;
		}
		const { epsilon, mode, axes, source, rectified } = layers[index];
		const health = layerHealth(
			{ parameters, epsilon, mode, axes, feedsRelu: rectified === true, afterReshape: source?.opType === 'Reshape' },
			{ ...DEFAULT_THRESHOLDS, ...options.thresholds },
		);
		return [...health, ...before.findings.filter(({ code }) => code === 'unused-by-runtime')];
	}

	private findings(layer: LayerReport): Finding[] {
		const findings: Finding[] = [];
		const { recompute, batch, parameters } = layer;
		if (recompute.status === 'mismatch') {
			const ratio = recompute.perChannel?.boundRatio;
			const message = recompute.reason ?? "The runtime's output differs.";
			const channels = ratio ? badChannels(ratio) : [];
			findings.push({ code: 'recompute-mismatch', severity: 'error', channels, message });
		}
		findings.push(...dataHealth(batch?.count ?? 0, batch?.nonFinite));
		if (batch && parameters && layer.mode === 'inference' && layer.axes === 'channel' && this.judgesDrift) {
			const images = batch.images ?? 1;
			const thresholds = { ...DEFAULT_DRIFT_THRESHOLDS, ...this.setup.options.drift };
			findings.push(...statisticsDrift({ parameters, batch, epsilon: layer.epsilon, images }, thresholds));
		}
		return findings;
	}
}

function merge(a: Knowledge, b: Knowledge): Knowledge {
	if (a.moments.count.length !== b.moments.count.length) {
		return { ...a, skipped: 'Not checked: the layer has different numbers of channels from one input to the next.' };
	}
	const result = a.result && b.result && mergeResults(a.result, b.result);
	return {
		...a,
		moments: result?.moments ?? mergeMoments([emptyMoments(a.moments.count.length), a.moments, b.moments]),
		count: a.count + b.count,
		images: a.images + b.images,
		...(result && { result }),
		...(b.mismatch !== undefined && { mismatch: b.mismatch }),
		...(b.skipped !== undefined && { skipped: b.skipped }),
	};
}

/** As many as a person reads. */
const MAX_REMARKS = 3;

function withRemarks(recompute: Recompute, remarks: readonly string[]): Recompute {
	if (remarks.length === 0 || recompute.status === 'skipped') {
		return recompute;
	}
	const more = remarks.length > MAX_REMARKS ? ['And so on.'] : [];
	const sentences = [recompute.reason, ...remarks.slice(0, MAX_REMARKS), ...more];
	return { ...recompute, reason: sentences.filter((text) => text !== undefined).join(' ') };
}

function verdict({ result, mismatch, skipped }: Knowledge): Recompute {
	if (skipped !== undefined) {
		return { status: 'skipped', reason: skipped };
	}
	const judged = result && judge(result);
	if (mismatch === undefined) {
		return judged ?? { status: 'skipped', reason: 'Not checked: there was nothing to compare.' };
	}
	return { ...judged, status: 'mismatch', reason: [judged?.reason, mismatch].filter(Boolean).join(' ') };
}
