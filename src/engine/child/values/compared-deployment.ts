import { clipRanges } from '../../../core/folding/affine/clip-ranges.js';
import { WeightReader } from '../../../core/folding/operators/weights.js';
import type { Noise, ValuePairing } from '../../../core/folding/values/value-pairing.js';
import { inlineFunctions } from '../model/inline-functions.js';
import type { NodeNet } from '../model/node-net.js';
import { type OpenedModel, openModel } from '../model/opened-model.js';
import { requiredInputs } from '../model/required-inputs.js';
import { hidesIntegers } from '../model/roundoff.js';
import { feedsFor } from '../outputs/deployed-feeds.js';
import type { RunContext } from '../run/run-events.js';
import type { Runtime } from '../runtime/runtime.js';
import { numbersOf } from '../tensors/numbers.js';
import type { Tensors } from '../tensors/tensor.js';
import { withValues } from '../unrounded/dequantized-model.js';
import { unroundedModel } from '../unrounded/unrounded-model.js';
import { TensorSource } from './tensor-source.js';
import { measureWeightNoise } from './weight-noise.js';

/** The deployed model as its values are compared. */
export interface ComparedDeployment {
	readonly file: OpenedModel;
	/** Set for a model that computes in integers: difference of each tensor that rounding its constants explains. */
	readonly noise?: ReadonlyMap<string, Noise>;
	/** The model itself, with the values of its integers. */
	readonly rounded?: OpenedModel;
	/** True if it computes in integers and has no form without them, so that values that differ show nothing. */
	readonly isNoisy: boolean;
}

/** Models that compute in integers. */
export type QuantizedSide = 'none' | 'deployed' | 'original';

export interface DeploymentRun {
	/** Inputs of the original. */
	readonly feeds: Tensors;
	readonly runtime: Runtime;
	readonly context: RunContext;
	/** Bytes that copies of tensors may take. */
	readonly room: number;
}

/** Steps from a layer to the first tensor behind it that a quantized model computes: bias, layer and activation. */
const MAX_STEPS = 3;

/**
 * Returns the form of the deployed model whose values are compared with those of the original.
 * @throws {RuntimeError | InputError} if a quantized model does not run without the rounding of activations
 */
export async function comparedDeployment(
	{ original, deployed }: { readonly original: OpenedModel; readonly deployed: OpenedModel },
	quantized: QuantizedSide,
	run: DeploymentRun,
): Promise<ComparedDeployment> {
	const isHidden = quantized === 'deployed' && hidesIntegers(deployed);
	const file = (await inlineFunctions(deployed, openModel, isHidden ? () => true : undefined)) ?? deployed;
	if (quantized !== 'deployed' || (isHidden && hidesIntegers(file))) {
		return { file, isNoisy: quantized !== 'none' };
	}
	const unrounded = await unroundedModel(file, await clipRanges(original.model, new WeightReader(original.access)));
	const feeds = feedsFor(requiredInputs(file.model), run.feeds);
	const noise = unrounded && (await measureWeightNoise(unrounded, { ...run, feeds }));
	return unrounded && noise
		? { file: unrounded.file, noise, rounded: await withValues(file, unrounded.quantized), isNoisy: false }
		: { file, isNoisy: true };
}

/**
 * Runs a quantized model itself, and compares each tensor with its counterpart.
 * @param net nodes of the original
 * @returns signal-to-noise ratio in dB of each original tensor, or of the first tensor behind it that the quantized model
 * computes; undefined without one
 */
export async function roundedRatios(
	rounded: OpenedModel,
	run: DeploymentRun,
	{ pairing, net }: { readonly pairing: ValuePairing; readonly net: NodeNet },
): Promise<(name: string) => number | undefined> {
	const ratios = new Map<string, number>();
	const originals = pairing.originalsByDeployed();
	const source = new TensorSource(rounded, run.runtime);
	try {
		const feeds = feedsFor(requiredInputs(rounded.model), run.feeds);
		await source.visit(feeds, run.context, (name, tensor) => {
			for (const original of originals.get(name) ?? []) {
				const ratio = pairing.decibels(original, { dims: tensor.dims, values: numbersOf(tensor) });
				if (ratio !== undefined) {
					ratios.set(original, ratio);
				}
			}
		});
	} finally {
		await source.dispose();
	}
	const behind = new Map<string, string>();
	for (const node of net.order) {
		for (const name of net.reads(node)) {
			behind.set(name, behind.get(name) ?? node.outputs[0] ?? '');
		}
	}
	return (name) => {
		let at: string | undefined = name;
		for (let step = 0; step <= MAX_STEPS && at !== undefined && !ratios.has(at); step++) {
			at = behind.get(at);
		}
		return at === undefined ? undefined : ratios.get(at);
	};
}
