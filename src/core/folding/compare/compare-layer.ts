import { contentFingerprint } from '../../batchnorm/content-fingerprint.js';
import type { BatchNormLayer } from '../../batchnorm/layer.js';
import type { FoldedInto, LayerComparison } from '../../report/comparison/comparison.js';
import { identityParameters, layerParameters } from '../operators/layer-parameters.js';
import type { LinearOperator } from '../operators/linear.js';
import type { Addition } from '../operators/quantization-grid.js';
import type { OperatorPair } from '../pairing/pairing.js';
import { type MatchedNetworks, PartnerReader } from '../pairing/partners.js';
import { addedBehind } from '../targets/added-behind.js';
import { type FoldTarget, withLayers } from '../targets/target.js';
import { withLayerBehind } from './deployed-around.js';
import { FoldJudge } from './fold-judge.js';
import { ForwardJudge } from './forward-judge.js';
import type { JudgedLayer } from './judge-across.js';
import { type ChainLayer, judgeChain } from './judge-chain.js';
import { cannotTell, type Verdict } from './judge-fold.js';
import { judgeKept } from './judge-kept.js';
import { type FoldVariant, isRight, judgeVariant } from './judge-variants.js';
import { parameterSteps } from './kept-rounding.js';
import { isNeutral } from './neutral-layer.js';
import { addPairing, reportChangedWeights, reportFoldedAndKept, reportWithKept } from './placement-verdicts.js';
import { toChannels } from './rows-to-channels.js';
import { precisionFindings, withPrecision } from './survived-precision.js';

/** Judges the layers of the original, a call per layer. */
export class LayerComparer {
	readonly #models: MatchedNetworks;
	readonly #partners: PartnerReader;
	readonly #folds: FoldJudge;
	readonly #forwards: ForwardJudge;

	constructor(models: MatchedNetworks) {
		this.#models = models;
		this.#partners = new PartnerReader(models);
		this.#folds = new FoldJudge(models, this.#partners);
		this.#forwards = new ForwardJudge(models, this.#partners, this.#folds);
	}

	/** @param next the layer of the following call; its weights are read meanwhile. */
	async compare(layer: BatchNormLayer, next: BatchNormLayer | undefined): Promise<LayerComparison> {
		this.#partners.announce(next);
		const { verdict, operator } = await this.#judge(layer);
		const rows = this.#models.original.targets.get(layer)?.rows;
		const perChannel = rows && operator ? toChannels(verdict.perChannel, rows, layer.channels) : verdict.perChannel;
		const findings = precisionFindings(perChannel);
		return {
			name: layer.name,
			fingerprint: contentFingerprint(layer),
			...verdict,
			perChannel,
			evidence: [verdict.evidence, ...findings.map(({ message }) => message)].join(' '),
			...(findings.length > 0 && { findings }),
			into: operator && describeOperator(operator),
		};
	}

	async #judge(layer: BatchNormLayer): Promise<JudgedLayer> {
		const pair = this.#partners.pairBefore(layer);
		const operator = pair?.deployed ?? null;
		const keptAs = this.#models.kept.get(layer);
		if (keptAs) {
			const verdict = await this.#judgeInFront(
				layer,
				keptAs,
				judgeKept(layer, keptAs, await parameterSteps(keptAs, this.#models.deployed.weights)),
			);
			// The original may already have this scale and shift behind the layer.
			const isChain = verdict.status === 'mismatch' && keptAs.kind === 'decomposed';
			const folded = isChain && pair ? await this.#folds.judge(layer, pair) : verdict;
			const together =
				verdict.status === 'mismatch' && pair ? await this.#judgeWithKept(layer, keptAs, pair) : undefined;
			return { verdict: folded.status === 'match' ? folded : (together ?? verdict), operator };
		}
		const parameters = layerParameters(layer);
		if (!parameters.ok) {
			return { verdict: cannotTell(`The layer cannot have been folded: ${parameters.reason}`), operator };
		}
		return pair
			? { verdict: await this.#judgeFoldedTogether(layer, pair), operator }
			: this.#forwards.judge(layer, parameters.value);
	}

	/** Judges consecutive layers in an operator together, and separates them if the fold is wrong. */
	async #judgeFoldedTogether(layer: BatchNormLayer, pair: OperatorPair): Promise<Verdict> {
		const last = this.#folds.lastOnOperator(layer);
		const whole = await this.#folds.judge(last, pair);
		const chain = this.#chain(last);
		const weights = await this.#partners.read(pair);
		if (whole.status !== 'mismatch' || chain.length < 2 || !weights.ok) {
			return whole;
		}
		const additions = await addedBehind(
			pair.deployed,
			chain[chain.length - 1].target.rows,
			this.#models.deployed.weights,
		);
		const verdicts = judgeChain(chain, { weights: weights.value, additions, whole });
		return addPairing(verdicts.get(layer) ?? whole, pair);
	}

	/** Returns the layers that went into an operator together: the last layer and the removed layers before it. */
	#chain(last: BatchNormLayer): readonly ChainLayer[] {
		const layers = [...(this.#folds.target(last)?.earlier ?? []).map(({ layer }) => layer), last];
		const chain = layers.flatMap((layer): ChainLayer[] => {
			const target = this.#folds.target(layer);
			const parameters = layerParameters(layer);
			return target && parameters.ok ? [{ layer, target, parameters: parameters.value }] : [];
		});
		return chain.length === layers.length ? chain : [];
	}

	/** Returns a verdict if weights and kept layer are right together: the layer was folded, or a bias went into it. */
	async #judgeWithKept(
		layer: BatchNormLayer,
		keptAs: BatchNormLayer,
		pair: OperatorPair,
	): Promise<Verdict | undefined> {
		const target = this.#folds.target(layer);
		const behind = this.#models.deployed.targets.get(keptAs);
		const parameters = layerParameters(layer);
		const weights = await this.#partners.read(pair);
		const deployedWeights =
			weights.ok && behind?.operator === pair.deployed
				? withLayerBehind(weights.value.deployedWeights, behind, keptAs)
				: undefined;
		if (!target || !parameters.ok || !weights.ok || !deployedWeights) {
			return undefined;
		}
		const common = { ...weights.value, deployedWeights, deployedAddition: null, operators: [] };
		const right = this.#folds
			.originalWeights(weights.value)
			.map((originalWeights): FoldVariant => ({ ...common, originalWeights, parameters: parameters.value }))
			.find((variant) => isRight(variant, target));
		return right && reportWithKept(judgeVariant(right, target), keptAs.name, isNeutral(keptAs));
	}

	/** Judges a kept layer. The operator in front of it must be unchanged, except for a layer folded forward into it. */
	async #judgeInFront(layer: BatchNormLayer, keptAs: BatchNormLayer, verdict: Verdict): Promise<Verdict> {
		const target = this.#folds.target(layer);
		const pair = this.#partners.pairBefore(layer);
		if (verdict.status !== 'kept' || !target || !pair) {
			return verdict;
		}
		const weights = await this.#partners.read(pair);
		const parameters = layerParameters(layer);
		if (!weights.ok || !parameters.ok) {
			return verdict;
		}
		const additions = await this.#additionsInFront(keptAs, pair, target);
		const identity = { operators: [], parameters: identityParameters(target.rows), withoutLayer: true } as const;
		const variants = this.#folds
			.originalWeights(weights.value)
			.flatMap((originalWeights) =>
				additions.map(
					(deployedAddition): FoldVariant => ({ ...weights.value, ...identity, originalWeights, deployedAddition }),
				),
			);
		const unchanged = judgeVariant(variants.find((variant) => isRight(variant, target)) ?? variants[0], target);
		if (unchanged.status !== 'mismatch') {
			return withPrecision(verdict, unchanged);
		}
		const [{ deployedAddition }] = variants;
		const beside = this.#folds.besideForwardFault(variants, target);
		if (beside) {
			return withPrecision(verdict, beside);
		}
		const folded = judgeVariant(
			{ ...weights.value, deployedAddition, operators: [], parameters: parameters.value },
			target,
		);
		return folded.status === 'match' ? reportFoldedAndKept(folded, pair.deployed) : reportChangedWeights(unchanged);
	}

	/** Returns the possible biases of the deployed operator in front of a kept layer. */
	async #additionsInFront(
		keptAs: BatchNormLayer,
		pair: OperatorPair,
		target: FoldTarget,
	): Promise<readonly (Addition | null)[]> {
		const { deployed } = this.#models;
		const deployedTarget = deployed.targets.get(keptAs);
		const inFloat = (values: Float64Array | null) => values && { values };
		return deployedTarget?.operator === pair.deployed
			? [inFloat(withLayers(deployedTarget, () => false).added)]
			: [inFloat(target.added), ...(await addedBehind(pair.deployed, target.rows, deployed.weights))];
	}
}

function describeOperator({ name, node, weight, bias }: LinearOperator): FoldedInto {
	return { name, op: node.opType, weight, bias: bias || null };
}
