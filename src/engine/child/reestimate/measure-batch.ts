import { biasedVariance, type Moments } from '../../../core/numbers/moments.js';
import { shortNumber } from '../../../core/text/numbers.js';
import { count } from '../../../core/text/sentences.js';
import type { SampleBatch } from '../inputs/sample-batches.js';
import type { OpenedModel } from '../model/opened-model.js';
import { RuntimeError } from '../runtime/runtime.js';
import type { Tensors } from '../tensors/tensor.js';
import type { LayerShapes } from './blocked-edits.js';
import { BlockedRun } from './blocked-run.js';
import { firstSamples } from './first-samples.js';
import { type GraphMoments, type GraphResults, GraphRun } from './graph-run.js';
import { joined, type SingleGraph, singleGraph } from './single-graph.js';
import type { LayerNorm, StagedRun } from './staged-run.js';

/** Moments of each layer's input over a batch, by layer index. */
export type BatchMoments = ReadonlyMap<number, Moments>;

/** Algorithm 1 of arXiv 1502.03167: a layer's own mean and biased variance. */
export const normOf = (moments: Moments): LayerNorm => ({ mean: moments.mean, variance: biasedVariance(moments) });

/** Computes the moments stage by stage, with the kernel. @throws {RuntimeError} */
export async function stagedMoments({ parts }: SampleBatch, run: StagedRun, layers: ReadonlySet<number>) {
	const states = parts.map((inputs) => run.start(inputs));
	const found = new Map<number, Moments>();
	for (const stage of run.stages) {
		await run.compute(stage, states);
		for (const index of stage.layers.filter((each) => layers.has(each))) {
			found.set(index, run.batchMoments(index, states));
		}
		run.normalize(stage, states, (index, state) => normOf(found.get(index) ?? run.moments(index, state)));
	}
	run.drop(states);
	return found;
}

/**
 * Largest difference between graph and kernel in the first samples: of means in standard deviations (with epsilon), of
 * variances relative. Rounding differs in each operator and grows through a deep network, up to 4e-5 in MobileNetV2. A
 * graph that means something else differs by much more.
 */
const MAX_DIFFERENCE = 1e-3;

/**
 * Computes the moments of batches: with a single graph if its rounding allows it, else stage by stage. The choice
 * depends on the batch alone, so that a batch has the same moments in every shard.
 */
export class BatchMeasure {
	readonly #run: StagedRun;
	readonly #model: OpenedModel;
	readonly #layers: ReadonlySet<number>;
	readonly #single: SingleGraph | undefined;
	readonly #scratch: string | undefined;
	/** Undefined after the runtime has refused it, or has computed something else. */
	#graph: GraphRun | undefined;
	/** Undefined before the first batch, and where the model does not fit it. */
	#blocked: BlockedRun | undefined;
	#isBlockedTried = false;
	/** Difference between graph and kernel, as in {@link MAX_DIFFERENCE}; undefined before the check. */
	#difference: number | undefined;
	#checkedSamples = 0;
	/** Shapes whose first size is the number of samples, for samples of some sizes. */
	#known: { readonly sizes: string; readonly shapes: LayerShapes } | undefined;

	/**
	 * @param layers indices of the layers to measure
	 * @param scratch path of a folder that does not exist; undefined: do not use the runtime's blocked layout
	 */
	constructor(
		{ run, model, layers }: { run: StagedRun; model: OpenedModel; layers: readonly number[] },
		scratch?: string,
	) {
		this.#run = run;
		this.#model = model;
		this.#layers = new Set(layers);
		this.#scratch = scratch;
		this.#single = singleGraph(
			model,
			run.stages.flatMap(({ layers: own }) => own),
		);
		this.#graph = this.#single && new GraphRun(this.#single, run.runtime);
	}

	/** Sentences about the accuracy of the moments. */
	get notes(): readonly string[] {
		return this.#graph && this.#difference !== undefined
			? [
					`onnxruntime computed the statistics inside the graph; in the first ${count(this.#checkedSamples, 'sample')} they differ from those of a separate kernel by at most ${shortNumber(this.#difference)} of a standard deviation or variance.`,
				]
			: [];
	}

	/** @throws {RuntimeError} */
	async moments(batch: SampleBatch): Promise<BatchMoments> {
		const found = await this.#graphMoments(batch);
		return found && this.#isAccurate(found) ? new Map(this.#wanted(found)) : this.#staged(batch);
	}

	async dispose(): Promise<void> {
		await this.#graph?.dispose();
		await this.#blocked?.dispose();
		this.#graph = undefined;
		this.#blocked = undefined;
	}

	#staged(batch: SampleBatch): Promise<BatchMoments> {
		return stagedMoments(batch, this.#run, this.#layers);
	}

	/** Returns undefined if there is no graph, or the runtime refuses it, or it differs from the kernel. */
	async #graphMoments(batch: SampleBatch): Promise<GraphResults | undefined> {
		try {
			const first = this.#difference === undefined ? firstSamples(batch, this.#model) : batch;
			const checked = first === batch ? undefined : await this.#checkedMoments(first);
			// Some samples may need more accuracy than the batch.
			return first !== batch && checked === undefined ? undefined : await this.#checkedMoments(batch);
		} catch (error) {
			await this.#giveUp(error);
			return undefined;
		}
	}

	/** Returns the moments of the graph, after a comparison with the kernel unless there was one. */
	async #checkedMoments(batch: SampleBatch): Promise<GraphResults | undefined> {
		const inputs = this.#graph && joined(batch.parts);
		const found = inputs && (await this.#fromGraph(inputs));
		if (!found || this.#difference !== undefined || !this.#isAccurate(found)) {
			return found;
		}
		const expected = await this.#staged(batch);
		this.#checkedSamples = batch.samples;
		// The kernel is not needed again, unless a batch needs more accuracy.
		await this.#run.dispose();
		return this.#chosen(inputs, found, expected);
	}

	/** Returns the moments of the faster graph. */
	async #fromGraph(inputs: Tensors): Promise<GraphResults | undefined> {
		try {
			this.#blocked ??= await this.#startBlocked();
			if (this.#blocked) {
				const isAccurate = (found: GraphResults) => this.#isAccurate(found);
				return await this.#blocked.moments(inputs, () => this.#shapes(inputs), isAccurate);
			}
		} catch (error) {
			await this.#giveUpBlocked(error);
		}
		return this.#graph?.moments(inputs);
	}

	/** Returns the moments of the faster graph that gives the moments of the kernel, and uses this graph from now on. */
	async #chosen(inputs: Tensors, found: GraphResults, expected: BatchMoments): Promise<GraphResults | undefined> {
		const difference = this.#largestDifference(found, expected);
		if (difference <= MAX_DIFFERENCE) {
			this.#difference = difference;
			return found;
		}
		if (!this.#blocked) {
			await this.dispose();
			return undefined;
		}
		await this.#giveUpBlocked();
		const other = await this.#graph?.moments(inputs);
		return other && this.#chosen(inputs, other, expected);
	}

	async #startBlocked(): Promise<BlockedRun | undefined> {
		const { runtime } = this.#run;
		const [graph, scratch] = [this.#single, this.#isBlockedTried ? undefined : this.#scratch];
		this.#isBlockedTried = true;
		return graph && scratch !== undefined ? BlockedRun.of(graph, runtime, scratch) : undefined;
	}

	/** Runs the other graph once for the shapes of the layers' inputs, unless they differ from known ones in samples only. */
	async #shapes(inputs: Tensors): Promise<LayerShapes> {
		const samples = samplesOf(inputs);
		const sizes = sampleSizes(inputs);
		if (samples !== undefined && this.#known?.sizes === sizes) {
			return new Map(Array.from(this.#known.shapes, ([index, shape]) => [index, [samples, ...shape.slice(1)]]));
		}
		const shapes = await this.#findShapes(inputs);
		const isBySample = samples !== undefined && [...shapes.values()].every(([first]) => first === samples);
		this.#known = isBySample ? { sizes, shapes } : undefined;
		return shapes;
	}

	async #findShapes(inputs: Tensors): Promise<LayerShapes> {
		const found = await this.#graph?.moments(inputs);
		await this.#graph?.dispose();
		return new Map(Array.from(found ?? [], ([index, { dims }]) => [index, dims]));
	}

	/** @throws every error but that of the runtime */
	async #giveUpBlocked(error?: unknown): Promise<void> {
		if (error !== undefined && !(error instanceof RuntimeError)) {
			throw error;
		}
		await this.#blocked?.dispose();
		this.#blocked = undefined;
	}

	/** @throws every error but that of the runtime */
	async #giveUp(error: unknown): Promise<void> {
		if (!(error instanceof RuntimeError)) {
			throw error;
		}
		await this.dispose();
	}

	#wanted(found: GraphResults): [number, GraphMoments][] {
		return [...found].filter(([index]) => this.#layers.has(index));
	}

	#isAccurate(found: GraphResults): boolean {
		return this.#wanted(found).every(
			([index, moments]) => largestRounding(moments, this.#model.layers[index].epsilon) <= MAX_ROUNDING,
		);
	}

	#largestDifference(found: BatchMoments, expected: BatchMoments): number {
		let largest = 0;
		for (const [index, right] of expected) {
			const { epsilon } = this.#model.layers[index];
			const own = found.get(index);
			for (const [k, mean] of right.mean.entries()) {
				const scale = right.m2[k] / right.count[k] + epsilon;
				const shift = Math.abs((own?.mean[k] ?? Number.NaN) - mean) / Math.sqrt(scale);
				const change = Math.abs((own?.m2[k] ?? Number.NaN) - right.m2[k]) / right.count[k] / scale;
				const difference = own?.count[k] === right.count[k] ? Math.max(shift, change) : Number.POSITIVE_INFINITY;
				largest = difference <= largest ? largest : Number.isNaN(difference) ? Number.POSITIVE_INFINITY : difference;
			}
		}
		return largest;
	}
}

/** Returns the number of samples if every input has it as its first size. */
function samplesOf(inputs: Tensors): number | undefined {
	const [samples, ...others] = Array.from(inputs.values(), ({ dims }) => dims[0]);
	return others.every((other) => other === samples) ? samples : undefined;
}

const sampleSizes = (inputs: Tensors): string =>
	Array.from(inputs.values(), ({ dims }) => dims.slice(1).join()).join(';');

/** Largest likely rounding error of a mean, in standard deviations. */
const MAX_ROUNDING = 1e-5;
/** Unit roundoff of float32. */
const ROUNDOFF = 2 ** -24;
/** Sums of a plane that the runtime computes side by side: two registers of four numbers. */
const LANES = 8;
/** Standard deviations of a rounding error that count as likely. */
const LIKELY = 4;

/**
 * Returns the largest likely rounding error of a layer's means, in standard deviations of its input (with epsilon).
 * Infinity if a value is not finite.
 *
 * The runtime adds the values of each plane (one image, one channel) in LANES chains of p = plane / LANES float32 sums, and
 * then the sums of the N images in one chain. Each sum has a rounding error of at most u of itself, u / sqrt(3) in the mean
 * square if errors are independent (Higham and Mary 2019, SIAM J. Sci. Comput. 41). In a chain of p equal values the k-th
 * sum is k, so the error of the total is u * sqrt((1 + 4 + ... + p^2) / 3) = u * p^1.5 / 3, or relative u * sqrt(p) / 3.
 * LANES * N chains with independent errors divide it by sqrt(LANES * N). The chain over images adds u * sqrt(N) / 3. Both
 * are relative to the root mean square of the values, sqrt(mean^2 + variance).
 *
 * The blocked graph goes on in float64 after each `chain` of C values. Of M values there are M / C chains, so the relative
 * error is u * sqrt(C) / 3 / sqrt(M / C) = u * C / (3 * sqrt(M)). Rounding the result adds u / 3.
 *
 * The variance is the mean of the squares (x - center)^2 minus (mean - center)^2, whose relative error is the same. Nothing
 * cancels if the center is the mean.
 *
 * The variance of w x follows from the covariance: the sum of w_i w_j cov_ij. Its errors are e * w_i w_j * s_i s_j, where e
 * is the relative error and s_i^2 the mean square of input i. In the mean square they add up to e * sum(w_i^2 s_i^2), which
 * is e * `spread`.
 */
export function largestRounding(
	{ count: counts, mean, m2, dims, centers = mean, spread, chain }: GraphMoments,
	epsilon: number,
): number {
	const [images = 0] = dims;
	const plane = (counts[0] ?? 0) / images;
	const roundings =
		chain === undefined
			? Math.sqrt(plane / (LANES * LANES * images)) + Math.sqrt(images)
			: chain / Math.sqrt(counts[0] ?? 0) + 1;
	const relative = (ROUNDOFF / 3) * roundings;
	let largest = 0;
	for (let k = 0; k < mean.length; k++) {
		const variance = m2[k] / counts[k];
		const ofMean = Math.sqrt((mean[k] ** 2 + variance) / (variance + epsilon));
		const ofVariance = (spread ? spread[k] : (mean[k] - centers[k]) ** 2 + variance) / (variance + epsilon);
		const error = LIKELY * relative * Math.max(ofMean, ofVariance);
		if (!(error <= largest)) {
			largest = Number.isFinite(error) ? error : Number.POSITIVE_INFINITY;
		}
	}
	return largest;
}
