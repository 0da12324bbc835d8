import type { FoldedInto, LayerComparison } from '../../report/comparison.js';
import type { FoldParameters } from '../operators/expected.js';
import { layerParameters } from '../operators/layer-parameters.js';
import type { LinearOperator } from '../operators/linear.js';
import { type MatchedNetworks, PartnerReader, type Partners, type ReadPartners } from '../pairing/partners.js';
import { addedBehind } from '../targets/added-behind.js';
import { type ForwardFold, foldForward, forwardOperator } from '../targets/forward.js';
import { extendedLayers } from '../targets/layers-behind.js';
import { directTarget, type FoldTarget, isBetween, withLayers } from '../targets/target.js';
import { type ChainLayer, judgeChain } from './judge-chain.js';
import { cannotTell, type Verdict } from './judge-fold.js';
import { judgeKept } from './judge-kept.js';
import { isRight, judgeReadings, judgeWeights, noLayer } from './judge-reading.js';
import { changedInFront, foldedAndKept, paddedForward, vanished, withPairing } from './placement-verdicts.js';
import { perChannelOf } from './rows-to-channels.js';

/** A verdict and the deployed operator that it is about. */
interface Finding {
	readonly verdict: Verdict;
	readonly into: LinearOperator | null;
}

/** Judges the layers of the original, a call per layer. */
export class LayerComparer {
	readonly #models: MatchedNetworks;
	readonly #partners: PartnerReader;
	/** Layers possibly folded forward: index of the operator behind -> layer. */
	readonly #forward: ReadonlyMap<number, number>;

	constructor(models: MatchedNetworks) {
		this.#models = models;
		this.#partners = new PartnerReader(models);
		this.#forward = new Map(
			models.own.layers.flatMap((_, index) => {
				const operator = this.#wentBackward(index) ? undefined : forwardOperator(models.own, index);
				return operator === undefined ? [] : [[operator, index] as const];
			}),
		);
	}

	async compare(index: number): Promise<LayerComparison> {
		const { own } = this.#models;
		this.#partners.expect(index + 1);
		const layer = own.layers[index];
		const { verdict, into } = await this.#judge(index);
		const rows = own.targets[index]?.rows;
		const perChannel = rows && into ? perChannelOf(verdict.perChannel, rows, layer.channels) : verdict.perChannel;
		return { name: layer.name, ...verdict, perChannel, into: into && describeOperator(into) };
	}

	/** True if the layer was kept, or the operator before it has a deployed counterpart that took it in. */
	#wentBackward(index: number): boolean {
		return this.#models.kept.has(index) || this.#partners.inFront(index) !== undefined;
	}

	/**
	 * Returns the fold target of a layer. Of the layers before it only the removed ones count, because the rest are
	 * still there.
	 */
	#target(index: number): FoldTarget | undefined {
		const { own, kept } = this.#models;
		const target = own.targets[index];
		return target && withLayers(target, (layer) => !kept.has(own.layers.indexOf(layer)));
	}

	async #judge(index: number): Promise<Finding> {
		const { own, other, kept } = this.#models;
		const layer = own.layers[index];
		const partners = this.#partners.inFront(index);
		const into = partners?.into ?? null;
		const keptAs = kept.get(index);
		if (keptAs !== undefined) {
			const verdict = await this.#kept(index, keptAs, judgeKept(layer, other.layers[keptAs]));
			// A scale and shift behind the operator may have stood behind the folded layer from the beginning.
			const isChain = verdict.status === 'mismatch' && other.layers[keptAs].kind === 'decomposed';
			const folded = isChain && partners ? await this.#folded(index, partners) : verdict;
			return { verdict: folded.status === 'match' ? folded : verdict, into };
		}
		const parameters = layerParameters(layer);
		if (!parameters.ok) {
			return { verdict: cannotTell(`The layer cannot have been folded: ${parameters.reason}`), into };
		}
		return partners
			? { verdict: await this.#foldedTogether(index, partners), into }
			: this.#foldedForward(index, parameters.value);
	}

	/** Judges consecutive layers that fold into an operator together, and separates them if the fold is wrong. */
	async #foldedTogether(index: number, partners: Partners): Promise<Verdict> {
		const { own, other } = this.#models;
		const last = this.#lastOnOperator(index);
		const whole = await this.#folded(last, partners);
		const chain = this.#chain(last);
		const weights = await this.#partners.read(partners);
		if (whole.status !== 'mismatch' || chain.length < 2 || !weights.ok) {
			return whole;
		}
		const added = await addedBehind(weights.value.into, chain[chain.length - 1].target.rows, other.weights);
		const verdicts = judgeChain(chain, { weights: weights.value, added, whole });
		return withPairing(verdicts.get(own.layers[index]) ?? whole, partners.pair);
	}

	/** Returns the layers that went into an operator together: the last one and the removed layers before it. */
	#chain(last: number): readonly ChainLayer[] {
		const { own } = this.#models;
		const layers = [...(this.#target(last)?.earlier ?? []).map(({ layer }) => layer), own.layers[last]];
		const chain = layers.flatMap((layer): ChainLayer[] => {
			const target = this.#target(own.layers.indexOf(layer));
			const parameters = layerParameters(layer);
			return target && parameters.ok ? [{ layer, target, parameters: parameters.value }] : [];
		});
		return chain.length === layers.length ? chain : [];
	}

	/** Returns the last layer that folds into an operator. Only its weights can be compared. */
	#lastOnOperator(index: number): number {
		const { own, kept } = this.#models;
		const layer = own.layers[index];
		const later = own.targets.findLastIndex((target, other) => isBetween(layer, target) && !kept.has(other));
		return later < 0 ? index : later;
	}

	async #folded(index: number, partners: Partners): Promise<Verdict> {
		const { own, other } = this.#models;
		const target = this.#target(index);
		const resolved = layerParameters(own.layers[index]);
		const read = await this.#partners.read(partners);
		if (!target || !resolved.ok || !read.ok) {
			return cannotTell(read.ok ? `${own.layers[index].name} cannot have been folded.` : read.reason);
		}
		const [parameters, weights] = [resolved.value, read.value];
		const originals = this.#originals(weights);
		const added = await addedBehind(weights.into, target.rows, other.weights);
		const extended = await extendedLayers(own.layers[index], parameters, own.weights);
		const readings = added.flatMap((foundAdded) =>
			originals.flatMap((original) =>
				[{ parameters, operators: [] }, ...extended].map((layer) => ({ ...weights, original, foundAdded, ...layer })),
			),
		);
		return withPairing(judgeReadings(readings, target), partners.pair);
	}

	/**
	 * Returns the operator's original weights, and a variant with the layer in front folded forward into them if there
	 * may be one.
	 */
	#originals({ own, original }: ReadPartners): readonly ReadPartners['original'][] {
		const index = this.#forward.get(own.index);
		const parameters = index === undefined ? undefined : layerParameters(this.#models.own.layers[index]);
		const forward = parameters?.ok ? foldForward(own, original, parameters.value) : undefined;
		return forward ? [original, forward.weights] : [original];
	}

	/** Judges a kept layer. The operator in front of it must be unchanged, except for a layer folded forward into it. */
	async #kept(index: number, keptAs: number, verdict: Verdict): Promise<Verdict> {
		const { own, other } = this.#models;
		const target = this.#target(index);
		const partners = this.#partners.inFront(index);
		if (verdict.status !== 'kept' || !target || !partners) {
			return verdict;
		}
		const read = await this.#partners.read(partners);
		const resolved = layerParameters(own.layers[index]);
		if (!read.ok || !resolved.ok) {
			return verdict;
		}
		const [weights, parameters] = [read.value, resolved.value];
		const there = other.targets[keptAs];
		const added =
			there?.operator === partners.into
				? [withLayers(there, () => false).added]
				: [target.added, ...(await addedBehind(weights.into, target.rows, other.weights))];
		const nothing = { operators: [], parameters: noLayer(target.rows), withoutLayer: true };
		const readings = this.#originals(weights).flatMap((original) =>
			added.map((foundAdded) => ({ ...weights, ...nothing, original, foundAdded })),
		);
		const unchanged = judgeWeights(readings.find((each) => isRight(each, target)) ?? readings[0], target);
		if (unchanged.status !== 'mismatch') {
			return verdict;
		}
		const reading = { ...weights, foundAdded: readings[0].foundAdded, operators: [] };
		const folded = judgeWeights({ ...reading, parameters }, target);
		return folded.status === 'match' ? foldedAndKept(folded, weights.into) : changedInFront(unchanged);
	}

	async #foldedForward(index: number, parameters: FoldParameters): Promise<Finding> {
		const operator = forwardOperator(this.#models.own, index);
		const partners = operator === undefined ? undefined : this.#partners.of(operator);
		const read = partners && (await this.#partners.read(partners));
		const weights = read?.ok ? read.value : undefined;
		const forward = weights ? foldForward(weights.own, weights.original, parameters) : undefined;
		if (!partners || !weights || !forward) {
			return { verdict: cannotTell(this.#absence(index), 'unmatched'), into: null };
		}
		const verdict = await this.#judgeForward(weights, forward);
		const isWrong = verdict.status === 'match' && forward.isPadded;
		return { verdict: isWrong ? paddedForward(verdict, partners.into) : verdict, into: partners.into };
	}

	async #judgeForward(weights: ReadPartners, forward: ForwardFold): Promise<Verdict> {
		const { own, kept } = this.#models;
		const behind = own.targets.findIndex((target, index) => target?.operator === weights.own && !kept.has(index));
		if (behind >= 0) {
			// Layers behind the operator went into the same weights, so the comparison of the last layer covers all.
			return this.#folded(this.#lastOnOperator(behind), weights);
		}
		const target = directTarget(weights.own, forward.weights.layout);
		const reading = { ...weights, foundAdded: null, operators: [], parameters: noLayer(target.rows) };
		const verdict = judgeWeights({ ...reading, original: forward.weights }, target);
		if (verdict.status === 'match') {
			return verdict;
		}
		const without = judgeWeights(reading, target);
		return without.status === 'match' ? vanished(verdict, weights.into) : verdict;
	}

	#absence(index: number): string {
		const { own } = this.#models;
		const target = own.targets[index];
		if (target) {
			return `No operator of the deployed model has the shape and place of ${target.operator.name}, which feeds this layer, and the layer itself is gone.`;
		}
		const source = own.layers[index].source?.opType ?? "the model's input";
		return `The layer is gone from the deployed model, and ${source} in front of it is no operator that it could have been folded into.`;
	}
}

function describeOperator({ name, node, weight, bias }: LinearOperator): FoldedInto {
	return { name, op: node.opType, weight, bias: bias || null };
}
