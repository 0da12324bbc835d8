import path from 'node:path';
import type { BatchNormLayer, Parameter } from '../../../core/batchnorm/layer.js';
import type { Finding, LayerReport, Report, SkippedRecompute } from '../../../core/report/types.js';
import { failure, success } from '../../../core/result.js';
import { capitalize } from '../../../core/text/sentences.js';
import type { FloatData, Kernel } from '../../../kernel/types.js';
import type { Identities } from '../../../platform/replace-file.js';
import type { InspectOptions } from '../../../protocol/host-engine.js';
import type { Feeds } from '../inputs/inputs.js';
import { dependsOn } from '../model/node-net.js';
import { runTimeParameters } from '../model/run-time-parameters.js';
import type { RuntimeTensor, Tensors } from '../tensors/tensor.js';
import { judgeNormalization } from './judge-normalization.js';
import { reportLayer } from './layer-report.js';
import { type LayerResults, type LayerState, mergeRuns } from './layer-state.js';
import { explainOverwritten } from './overwritten-constants.js';
import { type PreparedLayer, prepareLayer } from './prepare-layer.js';
import { recomputeOutput } from './recompute.js';
import { checkStatistics } from './running-statistics.js';
import { saveOutput } from './saved-outputs.js';
import { badChannels, verifyLayer } from './verify-layer.js';

export interface CheckerSetup {
	readonly structure: Report;
	/** Layer index -> layer, as in `structure`. */
	readonly layers: readonly BatchNormLayer[];
	readonly kernel: Kernel;
	/** Layer index -> sums of {@link colorSums}, of layers that have them. */
	readonly colorSums: ReadonlyMap<number, Float64Array>;
	readonly options: InspectOptions;
	/** Files that saved outputs must not replace. */
	readonly inputs: Identities;
}

/**
 * Recomputes layers from captured tensors, run by run, and reports the results of all runs. Layers are given by layer
 * index.
 */
export class LayerChecker {
	readonly #setup: CheckerSetup;
	/** States by layer index. */
	#states: readonly LayerState[];
	/** Number of the run under way, from 0. */
	#run = 0;
	#judgesDrift = false;

	constructor(setup: CheckerSetup) {
		this.#setup = setup;
		this.#states = this.#newStates(new Set());
	}

	/** True if a run has reached a layer. */
	get hasResults(): boolean {
		return this.#states.some(({ results }) => results !== undefined);
	}

	/**
	 * Forgets all runs, before the model runs from the start.
	 * @param unreached layer index -> sentence why the layer will not be reached
	 */
	restart(feeds: Pick<Feeds, 'fromFiles' | 'madeUp'>, unreached: ReadonlyMap<number, string>): void {
		this.#judgesDrift = feeds.fromFiles;
		this.#states = this.#newStates(feeds.madeUp);
		for (const [index, reason] of unreached) {
			this.#states[index].missed = { reason };
		}
	}

	#newStates(randomInputs: ReadonlySet<string>): LayerState[] {
		const { layers, structure, colorSums } = this.#setup;
		return layers.map((layer, index) => {
			const names = runTimeParameters(layer).map(({ name }) => name);
			const hasRandomParameters = dependsOn(names, randomInputs, layer.scope);
			const facts = { layer, structure: structure.layers[index], colorSums: colorSums.get(index) };
			return { ...facts, hasRandomParameters, remarks: new Set() };
		});
	}

	/** @param number of the run, from 0 */
	startRun(number: number): void {
		this.#run = number;
	}

	/** Notes that the run under way does not reach a layer. */
	miss(index: number, why: Pick<SkippedRecompute, 'reason' | 'cause'>): void {
		this.#change(index).missed = why;
	}

	/** @param text a sentence to stand beside the layer's verdict */
	remark(index: number, text: string): void {
		this.#change(index).remarks.add(text);
	}

	/** Adds a finding about the operator that contains the layer. */
	addFusionFinding(index: number, finding: Finding): void {
		this.#change(index).fusionFinding = finding;
	}

	/**
	 * Recomputes a layer from its tensors and compares the runtime's output.
	 * @param aloneReason sentence why the runtime has no output to compare with; undefined if it has
	 * @returns the layer's data and numbers; undefined if it cannot be recomputed
	 */
	check(index: number, tensors: Tensors, aloneReason?: string): PreparedLayer | undefined {
		const { kernel } = this.#setup;
		const state = this.#change(index);
		const { layer, structure } = state;
		const preparation = prepareLayer(layer, structure.affine, tensors, kernel);
		if (!preparation.ok) {
			state.results = failure(preparation.reason);
			return undefined;
		}
		const prepared = preparation.value;
		const verification = aloneReason === undefined ? this.#verify(layer, prepared, tensors) : { skipped: aloneReason };
		const moments = verification.errors?.moments ?? kernel.moments(prepared.x, prepared.dtype, prepared.layout);
		const { batch, planeSize } = prepared.layout;
		const { dtype, shape, reported } = prepared;
		const fresh: LayerResults = {
			prepared: { dtype, shape, ...(reported && { reported }) },
			moments,
			count: batch * planeSize,
			// Images are the independent samples, also where the layout counts positions in front of the channels as batch.
			images: layer.channelAxis === 0 ? 1 : (shape[0] ?? 1),
			...verification,
		};
		if (!state.results) {
			state.results = success(fresh);
			const y = tensors.get(layer.output);
			if (verification.errors && y) {
				state.unjudged = { prepared, y: y.data as FloatData, moments };
			}
		} else if (state.results.ok) {
			state.results = success(mergeRuns(state.results.value, fresh));
		}
		return prepared;
	}

	#verify(
		layer: BatchNormLayer,
		prepared: PreparedLayer,
		tensors: Tensors,
	): Pick<LayerResults, 'errors' | 'mismatch' | 'skipped'> {
		const { kernel } = this.#setup;
		const y = tensors.get(layer.output);
		const verification = verifyLayer(prepared, y, kernel);
		if (!verification.ok) {
			return { mismatch: `${capitalize(verification.reason)}.` };
		}
		const errors = verification.value;
		// The statistics of no values are not defined.
		if (layer.mode === 'inference' || prepared.x.length === 0) {
			return { errors };
		}
		const isWrong = badChannels(errors.boundRatio).length > 0;
		const explanation = isWrong ? explainOverwritten(layer, prepared, y, kernel) : undefined;
		const mismatch = explanation ?? checkStatistics(layer, prepared, tensors);
		return { errors, ...(mismatch !== undefined && { mismatch }) };
	}

	/**
	 * Judges the normalization method of layers that were checked for the first time since the last call. Uses the
	 * tensors of that check, so it must be called before the next tensors are captured.
	 */
	judgeNormalizations(): void {
		for (const [index, { unjudged, results }] of this.#states.entries()) {
			if (unjudged && results?.ok) {
				const state = this.#change(index);
				const { parameters, affine } = unjudged.prepared.reported ?? state.structure;
				const normalization = judgeNormalization(
					state.layer,
					unjudged.prepared,
					{ ...unjudged, learned: parameters ?? learnedPerChannel(state.layer, unjudged.moments.count.length), affine },
					this.#setup.kernel,
				);
				state.results = success({ ...results.value, ...(normalization && { normalization }) });
			}
			this.#states[index].unjudged = undefined;
		}
	}

	/** Computes a layer's output in the type of its input. */
	recompute(prepared: PreparedLayer): RuntimeTensor {
		return recomputeOutput(prepared, prepared.dtype, this.#setup.kernel);
	}

	/**
	 * Writes a layer's recomputed output as float32 or float64 if the options ask for it. Only the first call for a layer
	 * in a run writes.
	 * @param folder name of the run's folder if there are several runs; '' if not
	 * @throws {WriteError} if the file cannot be written.
	 */
	async save(index: number, prepared: PreparedLayer, folder: string): Promise<void> {
		const state = this.#states[index];
		const { options, inputs } = this.#setup;
		const { saveOutputs } = options;
		if (saveOutputs === undefined || state.savedIn === this.#run) {
			return;
		}
		state.savedIn = this.#run;
		const dtype = prepared.dtype === 'float64' ? 'float64' : 'float32';
		const output = recomputeOutput(prepared, dtype, this.#setup.kernel);
		await saveOutput(path.join(saveOutputs, folder), index, output, inputs);
	}

	/**
	 * Returns true if NaN or infinite values in a layer's input come through a layer in front, which reports them. Counts
	 * only layers that are always checked before this layer: earlier layers of the main graph, or of the same body.
	 */
	#inheritsNonFinite(index: number): boolean {
		const { layer, results } = this.#states[index];
		if (!results?.ok || !hasNonFinite(results.value.moments.nonFinite)) {
			return false;
		}
		const spoilt = this.#states.slice(0, index).flatMap(({ layer: earlier, results: other }) => {
			const isBefore = earlier.graphPath === '' || earlier.graphPath === layer.graphPath;
			return isBefore && other?.ok && spoils(other.value) ? [earlier.output] : [];
		});
		return spoilt.length > 0 && dependsOn([layer.input], new Set(spoilt), layer.scope);
	}

	/** Returns the layer's report as known now: pending until a run has reached the layer. */
	report(index: number): LayerReport {
		const { thresholds, drift } = this.#setup.options;
		return reportLayer(this.#states[index], {
			judgesDrift: this.#judgesDrift,
			inheritsNonFinite: this.#inheritsNonFinite(index),
			...(thresholds && { thresholds }),
			...(drift && { drift }),
		});
	}

	/**
	 * Returns the layers with changed reports that were not taken yet, in order of their index.
	 * @param since "run": changed by the run under way; "ever": also by earlier runs
	 */
	takeChanged(since: 'run' | 'ever'): number[] {
		const changed: number[] = [];
		for (const [index, state] of this.#states.entries()) {
			if (state.changedIn !== undefined && (since === 'ever' || state.changedIn === this.#run)) {
				state.changedIn = undefined;
				changed.push(index);
			}
		}
		return changed;
	}

	#change(index: number): LayerState {
		const state = this.#states[index];
		state.changedIn = this.#run;
		return state;
	}
}

/** Returns gamma and beta of a hand-built layer; null unless each has a value per channel, or a value for all. */
function learnedPerChannel({ handBuilt, gamma, beta }: BatchNormLayer, channels: number) {
	const spread = ({ values }: Parameter) =>
		values?.length === 1
			? new Float64Array(channels).fill(values[0])
			: values?.length === channels
				? values
				: undefined;
	const [gammas, betas] = [spread(gamma), spread(beta)];
	return handBuilt && gammas && betas ? { gamma: gammas, beta: betas } : null;
}

/** True if a layer's input or output has non-finite values. */
function spoils({ moments, errors }: LayerResults): boolean {
	return hasNonFinite(moments.nonFinite) || hasNonFinite(errors?.nonFiniteY ?? []);
}

/** @param counts of values that are not finite, by channel */
function hasNonFinite(counts: ArrayLike<number>): boolean {
	return Array.from(counts).some((count) => count > 0);
}
