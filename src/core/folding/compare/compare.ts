import { summarizeModel } from '../../inspection/structure-report.js';
import type { Model } from '../../onnx/model.js';
import type { TensorAccess } from '../../onnx/tensor/tensor.js';
import {
	COMPARISON_FORMAT,
	COMPARISON_VERSION,
	type Comparison,
	type LayerComparison,
	summarize,
} from '../../report/comparison/comparison.js';
import { count } from '../../text/sentences.js';
import { pairOperators } from '../pairing/pairing.js';
import type { MatchedNetworks } from '../pairing/partners.js';
import { readNetwork } from '../targets/network.js';
import { chooseRivals } from './choose-rivals.js';
import { LayerComparer } from './compare-layer.js';
import { divideOperators } from './divide-operators.js';
import { chooseCopies } from './operator-copies.js';
import { pairLayers } from './pair-kept-layers.js';
import { checkStructure } from './structure-checks.js';

/** A model and where its tensors are read from. */
export interface ComparedModel {
	readonly model: Model;
	readonly access: TensorAccess;
}

export interface CompareOptions {
	/** Called after each layer with the number done and the total. */
	readonly onProgress?: (done: number, total: number) => void;
}

/**
 * Compares a model with its deployed form. For every BatchNormalization of the original, decides whether its parameters
 * arrived in the deployed weights, and otherwise finds the cause. Reads weights pair by pair, so memory holds two
 * tensors at a time. Runs no model.
 * @throws {OnnxError} `io` when a file cannot be read any more, `limit` when its function calls multiply without end.
 */
export async function compareModels(
	originalModel: ComparedModel,
	deployedModel: ComparedModel,
	options: CompareOptions = {},
): Promise<Comparison> {
	return (await compareNetworks(originalModel, deployedModel, options)).comparison;
}

/** Comparison of two files, and their networks for a comparison of values. */
export interface ComparedFiles {
	readonly comparison: Comparison;
	/** Verdicts from the files alone, if `comparison` has verdicts from a run. */
	readonly byFiles?: readonly LayerComparison[];
	readonly models: MatchedNetworks;
}

/** Compares as {@link compareModels} does, and returns the networks, too. @throws {OnnxError} */
export async function compareNetworks(
	originalModel: ComparedModel,
	deployedModel: ComparedModel,
	options: CompareOptions = {},
): Promise<ComparedFiles> {
	const original = await readNetwork(originalModel.model, originalModel.access);
	const deployed = await readNetwork(deployedModel.model, deployedModel.access);
	const alike = await pairOperators(original, deployed);
	const rivals = await chooseRivals({ original, deployed, pairing: alike });
	const divided = await divideOperators({ original, deployed, pairing: rivals });
	const paired = { ...divided, pairing: await chooseCopies(divided) };
	const models = { ...paired, kept: pairLayers(paired) };
	const comparison = await compareMatched(models, options);
	const layers = checkStructure(models, comparison.layers);
	return { comparison: { ...comparison, layers, summary: summarize(layers) }, models };
}

/**
 * Compares two models with paired operators and kept layers. Leaves out the checks of the graphs' structure, which a
 * checkpoint lacks.
 */
export async function compareMatched(models: MatchedNetworks, options: CompareOptions = {}): Promise<Comparison> {
	const { original, deployed } = models;
	const comparer = new LayerComparer(models);
	const layers: LayerComparison[] = [];
	for (const [index, layer] of original.layers.entries()) {
		layers.push(await comparer.compare(layer, original.layers[index + 1]));
		options.onProgress?.(index + 1, original.layers.length);
	}
	return {
		format: COMPARISON_FORMAT,
		version: COMPARISON_VERSION,
		original: summarizeModel(original.model),
		deployed: summarizeModel(deployed.model),
		layers,
		summary: summarize(layers),
		notes: describePair(models, layers),
	};
}

/** Domain of operators with weights in blocks of the processor's vector width. */
const BLOCKED_LAYOUT = 'com.microsoft.nchwc';

/** Minimum share of paired operators of related networks. */
const MIN_PAIRED = 0.3;

/** Returns notes about the pair, to be read before the layers. */
function describePair(
	{ original, deployed, pairing }: Pick<MatchedNetworks, 'original' | 'deployed' | 'pairing'>,
	layers: readonly LayerComparison[],
): string[] {
	const notes: string[] = [];
	if (original.layers.length === 0) {
		notes.push(
			deployed.layers.length > 0
				? `The original has no BatchNormalization, the deployed model has ${deployed.layers.length}: the two seem to be swapped.`
				: 'Neither model has a BatchNormalization: there is nothing to compare. The original has to be the model from before its layers were folded.',
		);
	} else if (deployed.layers.length > original.layers.length) {
		notes.push(
			`The deployed model has more BatchNormalization layers (${deployed.layers.length}) than the original (${original.layers.length}): the two may be swapped.`,
		);
	}
	const paired = pairing.byOriginal.size;
	const rearranged = deployed.model.graph.nodes.filter(
		({ opType, domain }) => opType === 'Conv' && domain === BLOCKED_LAYOUT,
	).length;
	if (rearranged > 0) {
		notes.push(
			`The deployed model was optimized for one kind of processor: the weights of ${count(rearranged, 'convolution')} are in onnxruntime's own order (NCHWc) and cannot be compared. Save it at the level "extended", not "all".`,
		);
	} else if (original.operators.length > 0 && paired < MIN_PAIRED * original.operators.length) {
		notes.push(
			`${paired === 0 ? 'None' : `Only ${paired}`} of the original's ${count(original.operators.length, 'linear operator')} ${paired > 1 ? 'have' : 'has'} a counterpart of the same shape: compare what the models compute, not their weights.`,
		);
	} else if (paired < original.operators.length && deployed.operators.length < original.operators.length) {
		notes.push(
			`The deployed model has ${count(deployed.operators.length, 'linear operator')} where the original has ${original.operators.length}: parts of the network were removed or merged.`,
		);
	}
	return [...notes, ...describeOtherWeights(layers)];
}

/** Returns a note if the weights of most layers are not the original's. */
export function describeOtherWeights(layers: readonly LayerComparison[]): readonly string[] {
	const foreign = layers.filter(({ details }) => details.similarity?.kind === 'other-weights').length;
	return foreign > 0 && foreign >= layers.filter(({ into }) => into).length / 2
		? [
				`The shapes are the same, but the weights of ${count(foreign, 'layer')} have nothing in common with the original's.`,
			]
		: [];
}
