import { summarizeModel } from '../../inspection/structure-report.js';
import type { Model } from '../../onnx/model.js';
import type { TensorAccess } from '../../onnx/tensor/tensor.js';
import {
	COMPARISON_FORMAT,
	COMPARISON_VERSION,
	type Comparison,
	type LayerComparison,
	summarize,
} from '../../report/comparison.js';
import { count } from '../../text/sentences.js';
import { type Pairing, pairOperators } from '../pairing/pairing.js';
import { type Network, readNetwork } from '../targets/network.js';
import { LayerComparer } from './compare-layer.js';
import { pairLayers } from './pair-kept-layers.js';

/** A model and where its tensors are read from. */
export interface ComparedModel {
	readonly model: Model;
	readonly access: TensorAccess;
}

export interface CompareOptions {
	/** Called after each layer with the number done and the total. */
	readonly onProgress?: (done: number, total: number) => void;
	/** Looked at before each layer. */
	readonly isCancelled?: () => boolean;
}

/** Thrown when {@link CompareOptions.isCancelled} says so. */
export class CompareCancelled extends Error {
	override readonly name = 'CompareCancelled';
}

/**
 * Compares a model with its deployed form. For every BatchNormalization of the original, decides whether its parameters
 * arrived in the deployed weights, and otherwise finds the cause. Reads weights pair by pair, so memory holds two
 * tensors at a time. Runs no model.
 * @throws {OnnxError} `io` when a file cannot be read any more, `limit` when its function calls multiply without end.
 * @throws {CompareCancelled}
 */
export async function compareModels(
	original: ComparedModel,
	deployed: ComparedModel,
	options: CompareOptions = {},
): Promise<Comparison> {
	const own = await readNetwork(original.model, original.access);
	const other = await readNetwork(deployed.model, deployed.access);
	const pairing = await pairOperators(own, other);
	const comparer = new LayerComparer({ own, other, operators: pairing, kept: pairLayers(own, other, pairing) });
	const layers: LayerComparison[] = [];
	for (let index = 0; index < own.layers.length; index++) {
		if (options.isCancelled?.()) {
			throw new CompareCancelled('The comparison was cancelled.');
		}
		layers.push(await comparer.compare(index));
		options.onProgress?.(index + 1, own.layers.length);
	}
	return {
		format: COMPARISON_FORMAT,
		version: COMPARISON_VERSION,
		original: summarizeModel(original.model),
		deployed: summarizeModel(deployed.model),
		layers,
		summary: summarize(layers),
		notes: notesOn(own, other, pairing, layers),
	};
}

/** Domain of operators with weights that onnxruntime cut into blocks of the processor's vector width. */
const BLOCKED_LAYOUT = 'com.microsoft.nchwc';

/** Share of paired operators below which two networks count as unrelated. */
const LEAST_COMMON = 0.3;

/** Returns notes about the pair, to be read before the layers. */
function notesOn(own: Network, other: Network, pairing: Pairing, layers: readonly LayerComparison[]): string[] {
	const notes: string[] = [];
	if (own.layers.length === 0) {
		notes.push(
			other.layers.length > 0
				? `The original has no BatchNormalization, the deployed model has ${other.layers.length}: the two seem to be swapped.`
				: 'Neither model has a BatchNormalization: there is nothing to compare. The original has to be the model from before its layers were folded.',
		);
	} else if (other.layers.length > own.layers.length) {
		notes.push(
			`The deployed model has more BatchNormalization layers (${other.layers.length}) than the original (${own.layers.length}): the two may be swapped.`,
		);
	}
	const paired = pairing.byOriginal.size;
	const rearranged = other.model.graph.nodes.filter(
		({ opType, domain }) => opType === 'Conv' && domain === BLOCKED_LAYOUT,
	).length;
	if (rearranged > 0) {
		notes.push(
			`The deployed model was optimized for one kind of processor: the weights of ${count(rearranged, 'convolution')} are in onnxruntime's own order (NCHWc) and cannot be compared. Save it at the level "extended", not "all".`,
		);
	} else if (own.operators.length > 0 && paired < LEAST_COMMON * own.operators.length) {
		notes.push(
			`${paired === 0 ? 'None' : `Only ${paired}`} of the original's ${count(own.operators.length, 'linear operator')} ${paired > 1 ? 'have' : 'has'} a counterpart of the same shape: these are different networks.`,
		);
	} else if (paired < own.operators.length && other.operators.length < own.operators.length) {
		notes.push(
			`The deployed model has ${count(other.operators.length, 'linear operator')} where the original has ${own.operators.length}: parts of the network were removed or merged.`,
		);
	}
	const foreign = layers.filter((layer) => isOtherWeights(layer)).length;
	if (foreign > 0 && foreign >= layers.filter(({ into }) => into).length / 2) {
		notes.push(
			`Other weights: the networks have one shape, but in ${count(foreign, 'layer')} the weights have nothing in common.`,
		);
	}
	return notes;
}

function isOtherWeights({ details }: LayerComparison): boolean {
	const { similarity } = details;
	return (
		typeof similarity === 'object' && similarity !== null && 'kind' in similarity && similarity.kind === 'other-weights'
	);
}
