import { type Moments, mergeMoments, unbiasedVariance } from '../../../core/numbers/moments.js';
import { type LayerStatistics, StatisticsSums } from '../../../core/report/statistics.js';
import { count } from '../../../core/text/sentences.js';
import { readAhead } from '../inputs/read-ahead.js';
import type { Samples } from '../inputs/sample-batches.js';
import type { OpenedModel } from '../model/opened-model.js';
import { InputError } from '../tensors/errors.js';
import { type BatchMeasure, normOf } from './measure-batch.js';
import type { LayerNorm, StagedRun, State } from './staged-run.js';

/** Statistics of a model's layers over samples. */
export interface Collected {
	/** An entry for each requested layer, in the same order. */
	readonly layers: readonly LayerStatistics[];
	readonly batches: number;
	readonly samples: number;
	/** Sentences about samples that were left out. */
	readonly notes: readonly string[];
}

export interface CollectPorts {
	readonly run: StagedRun;
	readonly model: OpenedModel;
	/** Indices of the layers to collect. All other layers normalize with the statistics of their own input. */
	readonly layers: readonly number[];
	/** Called after each batch. */
	readonly onProgress: (done: number, total: number) => void;
}

/**
 * Collects population statistics by algorithm 2 of arXiv 1502.03167: every layer normalizes with the mean and biased
 * variance of its batch. Means and unbiased variances of the batches are weighted by their numbers of values.
 * @throws {InputError | RuntimeError} also for batches with a single value per statistic, and for values not finite
 */
export async function collectByBatch(
	samples: Samples,
	{ model, layers, onProgress }: CollectPorts,
	measure: BatchMeasure,
): Promise<Collected> {
	const sums = new Map<number, StatisticsSums>();
	let batches = 0;
	let used = 0;
	const notes: string[] = [];
	for await (const batch of readAhead(samples.read())) {
		const found = await measure.moments(batch);
		for (const [index, moments] of found) {
			requireFinite(moments, model.layers[index].name, `batch ${batches + 1}`);
		}
		const single = layers.find((index) => (found.get(index)?.count[0] ?? 0) < 2);
		if (single === undefined) {
			for (const [index, moments] of found) {
				const sum = sums.get(index) ?? new StatisticsSums(moments.mean.length);
				sums.set(index, sum);
				sum.addBatch(moments.count[0], moments.mean, unbiasedVariance(moments));
			}
			batches += 1;
			used += batch.samples;
		} else if (batches === 0) {
			throw singleValue(model.layers[single].name, batch.samples);
		} else {
			notes.push(
				`The last batch of ${count(batch.samples, 'sample')} was left out, since it gives ${model.layers[single].name} one value per channel and no variance.`,
			);
		}
		onProgress(batches, samples.batches);
	}
	const statistics = layers.flatMap((index) => {
		const { name, channels, gamma } = model.layers[index];
		return sums.get(index)?.statistics(name, channels || (gamma.values?.length ?? 0)) ?? [];
	});
	return { layers: statistics, batches, samples: used, notes: [...notes, ...measure.notes] };
}

/**
 * Collects statistics layer by layer in inference mode. The layers in front of a layer are corrected already. Its mean and
 * unbiased variance cover all values together, so the size of the batches does not matter.
 * @param memory bytes of tensors that may be kept between layers; beyond that every layer runs the model from its inputs
 * @throws {InputError | RuntimeError}
 */
export async function collectInSequence(samples: Samples, ports: CollectPorts, memory: number): Promise<Collected> {
	const { run, model, layers, onProgress } = ports;
	const wanted = new Set(layers);
	const norms = new Map<number, LayerNorm>();
	const statistics = new Map<number, LayerStatistics>();
	const normalize = (stage: StagedRun['stages'][number], states: readonly State[]) =>
		run.normalize(stage, states, (index, state) => norms.get(index) ?? normOf(run.moments(index, state)));
	let kept: State[][] | undefined = [];
	let done = 0;
	const total = run.stages.length * samples.batches;
	for (const [position, stage] of run.stages.entries()) {
		const moments = new Map<number, Moments>();
		const visit = async (states: State[], batch: number) => {
			await run.compute(stage, states);
			for (const index of stage.layers.filter((each) => wanted.has(each))) {
				const own = run.batchMoments(index, states);
				requireFinite(own, model.layers[index].name, `batch ${batch + 1}`);
				const before = moments.get(index);
				moments.set(index, before ? mergeMoments([before, own]) : own);
			}
			done += 1;
			onProgress(done, total);
		};
		if (kept && position > 0) {
			for (const [batch, states] of kept.entries()) {
				await visit(states, batch);
			}
		} else {
			let batch = 0;
			for await (const { parts } of samples.read()) {
				const states = parts.map((inputs) => run.start(inputs));
				for (const earlier of run.stages.slice(0, position)) {
					await run.compute(earlier, states);
					normalize(earlier, states);
				}
				await visit(states, batch++);
				kept?.push(states);
				kept = keepWithin(kept, memory, run);
				if (!kept) {
					run.drop(states);
				}
			}
		}
		for (const [index, all] of moments) {
			const { name, channels } = model.layers[index];
			const [values] = all.count;
			if (values < 2) {
				throw new InputError(
					`${name} gets one value per channel from all data, and a variance needs two: give more samples.`,
				);
			}
			const variance = unbiasedVariance(all);
			norms.set(index, { mean: all.mean, variance });
			const size = channels || all.mean.length;
			statistics.set(index, {
				name,
				channels: size,
				batches: samples.batches,
				count: values,
				mean: all.mean,
				variance,
			});
		}
		for (const states of kept ?? []) {
			normalize(stage, states);
		}
		kept = keepWithin(kept, memory, run);
	}
	return {
		layers: layers.flatMap((index) => statistics.get(index) ?? []),
		batches: samples.batches,
		samples: samples.samples,
		notes: [],
	};
}

/** Returns the kept states, or undefined after giving them up if they take more than `memory` bytes. */
function keepWithin(kept: State[][] | undefined, memory: number, run: StagedRun): State[][] | undefined {
	const bytes = (kept ?? [])
		.flat()
		.reduce((sum, state) => [...state.values()].reduce((own, { data }) => own + data.byteLength, sum), 0);
	if (!kept || bytes <= memory) {
		return kept;
	}
	run.drop(kept.flat());
	return undefined;
}

/**
 * Measures a model in inference mode: the moments of each layer's input behind layers with the given statistics.
 * @param norms by layer index
 * @returns the moments by layer index, and the samples that were run: whole batches, about `most`
 */
export async function measureInference(
	samples: Samples,
	{ run, layers, onProgress }: CollectPorts,
	{ norms, most }: { readonly norms: ReadonlyMap<number, LayerNorm>; readonly most: number },
): Promise<{ readonly moments: ReadonlyMap<number, Moments>; readonly samples: number }> {
	const found = new Map<number, Moments>();
	let used = 0;
	let batches = 0;
	for await (const batch of samples.read()) {
		const states = batch.parts.map((inputs) => run.start(inputs));
		for (const stage of run.stages) {
			await run.compute(stage, states);
			for (const index of stage.layers.filter((each) => layers.includes(each))) {
				const own = run.batchMoments(index, states);
				const before = found.get(index);
				found.set(index, before ? mergeMoments([before, own]) : own);
			}
			run.normalize(stage, states, (index, state) => norms.get(index) ?? normOf(run.moments(index, state)));
		}
		run.drop(states);
		used += batch.samples;
		batches += 1;
		onProgress(batches, Math.min(samples.batches, Math.ceil(most / samples.batch)));
		if (used >= most) {
			break;
		}
	}
	return { moments: found, samples: used };
}

function requireFinite({ nonFinite }: Moments, name: string, place: string): void {
	const channel = nonFinite.findIndex((values) => values > 0);
	if (channel >= 0) {
		throw new InputError(
			`The input of ${name} has values that are not finite (channel ${channel}, ${place}), of which there are no statistics: check the data and their normalization.`,
		);
	}
}

function singleValue(name: string, samples: number): InputError {
	return new InputError(
		`${name} gets one value per channel from a batch of ${count(samples, 'sample')}, and a variance needs two: choose a larger batch (--batch), or --mode sequential.`,
	);
}
