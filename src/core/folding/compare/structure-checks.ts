import type { BatchNormLayer } from '../../batchnorm/layer.js';
import type { PlacementCause } from '../../report/causes.js';
import type { LayerComparison } from '../../report/comparison/comparison.js';
import { expectedFold } from '../operators/expected.js';
import { layerParameters } from '../operators/layer-parameters.js';
import { type LinearOperator, weightIdentity } from '../operators/linear.js';
import type { OperatorPair } from '../pairing/pairing.js';
import type { MatchedNetworks } from '../pairing/partners.js';
import type { Network } from '../targets/network.js';
import { functionsBetween } from './functions-between.js';
import { areParallel } from './operator-copies.js';

/** A fault in the place of a layer, which its parameters do not show. */
interface Misplacement {
	readonly cause: PlacementCause;
	readonly confidence: number;
	readonly evidence: string;
}

/** Statuses of layers with parameters that arrived. */
const ARRIVED: ReadonlySet<string> = new Set(['match', 'kept']);

/**
 * Returns the layers with faults in the graph, although the parameters arrived: a layer in training mode, two exchanged
 * layers, a layer on the other side of an activation, or a fold that changed another reader's tensor.
 * @param layers of the original, by layer index
 */
export function checkStructure(models: MatchedNetworks, layers: readonly LayerComparison[]): LayerComparison[] {
	const exchanged = exchangedOperators(models);
	const sharers = operatorsSharingWeights(models);
	const folds = foldsByWeight(models);
	return layers.map((compared, index) => {
		const layer = models.original.layers[index];
		const training = trainingMode(layer, models);
		if (training && compared.status !== 'unmatched') {
			return asMismatch(compared, training);
		}
		if (compared.status === 'mismatch') {
			const overwritten = overwrittenWeight(layer, models, folds);
			return overwritten ? asMismatch({ ...compared, causes: [] }, overwritten) : compared;
		}
		if (!ARRIVED.has(compared.status)) {
			return compared;
		}
		const fault =
			movedAcross(layer, models) ??
			exchangedWith(layer, models, exchanged) ??
			otherReader(layer, compared, models) ??
			sharedWeight(layer, compared, { models, sharers });
		return fault ? asMismatch(compared, fault) : compared;
	});
}

function asMismatch(layer: LayerComparison, { cause, confidence, evidence }: Misplacement): LayerComparison {
	const causes = [cause, ...(layer.status === 'mismatch' ? layer.causes : []).filter((code) => code !== 'unknown')];
	return { ...layer, status: 'mismatch', cause, causes, confidence, evidence: `${evidence} ${layer.evidence}` };
}

function trainingMode(layer: BatchNormLayer, { kept }: MatchedNetworks): Misplacement | undefined {
	const keptAs = kept.get(layer);
	if (keptAs?.mode === 'training' && layer.mode === 'inference') {
		const evidence = `In the deployed model ${keptAs.name} is in training mode: it computes with the statistics of each batch instead of the running ones.`;
		return { cause: 'training-mode', confidence: 1, evidence };
	}
	if (layer.mode === 'training' && keptAs?.mode !== 'training') {
		const evidence =
			'The original is in training mode here: it computes with the statistics of each batch, and the deployed model with the running ones.';
		return { cause: 'training-mode', confidence: 1, evidence };
	}
	return undefined;
}

/** Finds a kept layer with other functions between it and its operator. */
function movedAcross(layer: BatchNormLayer, { kept, original, deployed }: MatchedNetworks): Misplacement | undefined {
	const keptAs = kept.get(layer);
	if (!keptAs) {
		return undefined;
	}
	const [before, after] = [functionsBetween(layer, original), functionsBetween(keptAs, deployed)];
	if (!before || !after || before.join() === after.join() || (before.length > 0 && after.length > 0)) {
		return undefined;
	}
	const [moved] = [...before, ...after];
	const where = before.length > 0 ? ['behind', 'in front of'] : ['in front of', 'behind'];
	const evidence = `The layer stood ${where[0]} the ${moved} and stands ${where[1]} it now: ${moved} does not commute with scale and shift.`;
	return { cause: 'folded-across-activation', confidence: 0.95, evidence };
}

/** Finds a fold into an operator with other readers in the original. */
function otherReader(
	layer: BatchNormLayer,
	{ status }: LayerComparison,
	{ original, pairing, deployed }: MatchedNetworks,
): Misplacement | undefined {
	const target = original.targets.get(layer);
	const pair = target && pairing.byOriginal.get(target.operator);
	if (!pair || status === 'kept' || target.path.length + target.earlier.length > 0) {
		return undefined;
	}
	const others = otherReaders(target.operator, layer);
	const readers = readersOf(pair.deployed);
	// A correct fold leaves the other readers a copy of the operator.
	const hasCopy = deployed.operators.some(
		(operator) => !pairing.byDeployed.has(operator) && areParallel(operator, pair.deployed, deployed),
	);
	if (others.length === 0 || readers < 2 || hasCopy) {
		return undefined;
	}
	const evidence = `The layer was folded into ${pair.deployed.name}, but ${others.join(' and ')} read${others.length === 1 ? 's' : ''} the output of ${target.operator.name} without the layer (several-consumers) and now get${others.length === 1 ? 's' : ''} other values.`;
	return { cause: 'several-consumers', confidence: 0.95, evidence };
}

/** Returns the names of nodes and outputs that read an operator, without layers. */
function otherReaders({ scope, output }: LinearOperator, { node }: BatchNormLayer): string[] {
	const nodes = scope.consumers(output).filter((reader) => reader !== node && reader.opType !== 'BatchNormalization');
	return [
		...nodes.map(({ opType, name }) => (name === '' ? opType : `${opType} ${name}`)),
		...(scope.isOutput(output) ? [`output ${output}`] : []),
	];
}

function readersOf({ scope, output }: LinearOperator): number {
	return scope.consumers(output).length + (scope.isOutput(output) ? 1 : 0);
}

/** Returns the original operators without a layer behind them, by `weightIdentity`. */
function operatorsSharingWeights({ original }: MatchedNetworks): ReadonlyMap<unknown, readonly LinearOperator[]> {
	const layered = new Set(Array.from(original.targets.values(), ({ operator }) => operator));
	const byWeight = new Map<unknown, LinearOperator[]>();
	for (const operator of original.operators.filter((operator) => !layered.has(operator))) {
		const weight = weightIdentity(operator);
		const sharing = byWeight.get(weight) ?? [];
		sharing.push(operator);
		byWeight.set(weight, sharing);
	}
	return byWeight;
}

interface Sharing {
	readonly models: MatchedNetworks;
	/** See {@link operatorsSharingWeights}. */
	readonly sharers: ReadonlyMap<unknown, readonly LinearOperator[]>;
}

/** Finds a fold into a weight that another operator without the layer uses, too. */
function sharedWeight(
	layer: BatchNormLayer,
	{ status }: LayerComparison,
	{ models: { original, pairing }, sharers }: Sharing,
): Misplacement | undefined {
	const target = original.targets.get(layer);
	const pair = target && pairing.byOriginal.get(target.operator);
	if (!pair || status === 'kept') {
		return undefined;
	}
	const deployedWeight = weightIdentity(pair.deployed);
	const sharing = sharers.get(weightIdentity(target.operator))?.find((operator) => {
		const other = pairing.byOriginal.get(operator)?.deployed;
		return other && weightIdentity(other) === deployedWeight;
	});
	if (!sharing) {
		return undefined;
	}
	const evidence = `The layer was folded into the weight ${pair.deployed.weight}, which ${sharing.name} shares: it has no such layer, and its output is wrong now.`;
	return { cause: 'shared-weight', confidence: 0.95, evidence };
}

/** A layer that was folded into an operator. */
interface FoldedLayer {
	readonly name: string;
	readonly pair: OperatorPair;
	/** Scales of the layer, one per channel. */
	readonly scales: Float64Array;
}

/**
 * Folded layers by `weightIdentity` of their operator in the original, and then in the deployed model; see
 * {@link addFold}.
 */
type FoldsByWeight = ReadonlyMap<unknown, ReadonlyMap<unknown, readonly FoldedLayer[]>>;

/** Groups the folded layers by the weight of their operator before and after the fold. */
function foldsByWeight(models: MatchedNetworks): FoldsByWeight {
	const byBefore = new Map<unknown, Map<unknown, FoldedLayer[]>>();
	for (const layer of models.original.layers) {
		const fold = foldOf(layer, models);
		if (fold) {
			const [before, after] = [weightIdentity(fold.pair.original), weightIdentity(fold.pair.deployed)];
			const byAfter = byBefore.get(before) ?? new Map<unknown, FoldedLayer[]>();
			const folds = byAfter.get(after) ?? [];
			addFold(folds, fold);
			byBefore.set(before, byAfter.set(after, folds));
		}
	}
	return byBefore;
}

/** Number of folds with one operator, and with one set of scales, that are kept. */
const MAX_ALIKE = 2;
/** Number of folds of which one has another operator and other scales than any given fold, if two were kept of each kind. */
const MAX_SHARING = 2 * MAX_ALIKE + 1;

/** Adds a fold, unless the list shows already if any fold has another operator and other scales than a given one. */
function addFold(folds: FoldedLayer[], fold: FoldedLayer): void {
	const ofOperator = folds.filter(({ pair }) => pair.original === fold.pair.original);
	const ofScales = folds.filter(({ scales }) => areSimilar(scales, fold.scales));
	const isKnown = ofOperator.some((each) => ofScales.includes(each));
	if (!isKnown && folds.length < MAX_SHARING && ofOperator.length < MAX_ALIKE && ofScales.length < MAX_ALIKE) {
		folds.push(fold);
	}
}

function foldOf(layer: BatchNormLayer, { original, pairing, kept }: MatchedNetworks): FoldedLayer | undefined {
	const target = original.targets.get(layer);
	const pair = target && !kept.has(layer) ? pairing.byOriginal.get(target.operator) : undefined;
	return pair && { name: layer.name, pair, scales: scalesOf(layer) };
}

/** Finds a wrong fold into a weight that another layer with other scales was folded into as well. */
function overwrittenWeight(
	layer: BatchNormLayer,
	models: MatchedNetworks,
	folds: FoldsByWeight,
): Misplacement | undefined {
	const own = foldOf(layer, models);
	if (!own) {
		return undefined;
	}
	const { pair, scales } = own;
	const sharing = folds.get(weightIdentity(pair.original))?.get(weightIdentity(pair.deployed)) ?? [];
	const other = sharing.find((each) => each.pair.original !== pair.original && !areSimilar(each.scales, scales));
	if (!other) {
		return undefined;
	}
	const evidence = `The weight ${pair.deployed.weight} is shared: ${other.name} was folded into it, too, and one weight cannot carry the scales of both layers.`;
	return { cause: 'shared-weight', confidence: 0.95, evidence };
}

function scalesOf(layer: BatchNormLayer): Float64Array {
	const parameters = layerParameters(layer);
	return parameters.ok ? expectedFold(null, parameters.value).scale : new Float64Array(0);
}

/** Relative difference of scales that a weight in float32 carries alike. */
const SAME_SCALE = 1e-6;

function areSimilar(a: Float64Array, b: Float64Array): boolean {
	return a.length === b.length && a.every((value, row) => Math.abs(value - b[row]) <= SAME_SCALE * Math.abs(value));
}

/** Finds operators with exchanged weights: original operator -> the operator that has its place now. */
function exchangedOperators({ original, deployed, pairing }: MatchedNetworks): Map<LinearOperator, LinearOperator> {
	const behind = [operatorsBehind(original), operatorsBehind(deployed)];
	const displaced = original.operators.filter((operator) => {
		const partner = pairing.byOriginal.get(operator)?.deployed;
		const mapped = (operators: ReadonlySet<LinearOperator> | undefined) =>
			[...(operators ?? [])].map((each) => pairing.byOriginal.get(each)?.deployed);
		return (
			partner !== undefined &&
			areDisjoint(mapped(original.before.get(operator)), deployed.before.get(partner), pairing) &&
			areDisjoint(mapped(behind[0].get(operator)), behind[1].get(partner), pairing)
		);
	});
	const exchanged = new Map<LinearOperator, LinearOperator>();
	const rank = (operator: LinearOperator) => pairing.byOriginal.get(operator)?.deployed.index ?? -1;
	const ranks = displaced.map(rank).sort((a, b) => a - b);
	const places = new Map(ranks.map((at, place) => [at, displaced[place]]));
	for (const operator of displaced) {
		// The displaced operator that stood at the rank where this operator is now.
		const other = places.get(rank(operator));
		if (other && other !== operator) {
			exchanged.set(operator, other);
		}
	}
	return exchanged;
}

/** Returns the place that an original operator has in the deployed model, if another operator's weights stand there. */
export function exchangedPlaces(models: MatchedNetworks): ReadonlyMap<LinearOperator, OperatorPair> {
	const { byOriginal } = models.pairing;
	const places = new Map<LinearOperator, OperatorPair>();
	for (const [operator, other] of exchangedOperators(models)) {
		const pair = byOriginal.get(operator);
		if (pair) {
			places.set(other, pair);
		}
	}
	return places;
}

function operatorsBehind({ operators, before }: Network): Map<LinearOperator, Set<LinearOperator>> {
	const behind = new Map(operators.map((operator) => [operator, new Set<LinearOperator>()]));
	for (const [operator, sources] of before) {
		for (const source of sources) {
			behind.get(source)?.add(operator);
		}
	}
	return behind;
}

/** True if two surroundings share no operator, and all their operators are paired. */
function areDisjoint(
	mapped: readonly (LinearOperator | undefined)[],
	actual: ReadonlySet<LinearOperator> | undefined = new Set(),
	{ byDeployed }: MatchedNetworks['pairing'],
): boolean {
	const areKnown =
		mapped.every((operator) => operator !== undefined) && [...actual].every((each) => byDeployed.has(each));
	const isEmpty = mapped.length === 0 && actual.size === 0;
	return areKnown && !isEmpty && mapped.every((operator) => operator === undefined || !actual.has(operator));
}

function exchangedWith(
	layer: BatchNormLayer,
	{ original, pairing }: MatchedNetworks,
	exchanged: ReadonlyMap<LinearOperator, LinearOperator>,
): Misplacement | undefined {
	const operator = original.targets.get(layer)?.operator;
	const other = operator && exchanged.get(operator);
	const into = operator && pairing.byOriginal.get(operator)?.deployed;
	if (!other || !into) {
		return undefined;
	}
	const evidence = `The weights of ${operator.name} stand at the place of ${other.name}, in ${into.name}: layers of one shape were exchanged.`;
	return { cause: 'layers-exchanged', confidence: 0.95, evidence };
}
