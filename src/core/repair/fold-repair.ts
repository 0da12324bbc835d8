import type { BatchNormLayer } from '../batchnorm/layer.js';
import type { ComparedFiles } from '../folding/compare/compare.js';
import { exchangedPlaces } from '../folding/compare/structure-checks.js';
import { type LinearOperator, weightIdentity } from '../folding/operators/linear.js';
import type { OperatorPair } from '../folding/pairing/pairing.js';
import { GraphEditor } from '../folding/rewrite/graph-editor.js';
import { ConstantResolver } from '../onnx/graph/constants.js';
import type { TensorAccess } from '../onnx/tensor/tensor.js';
import type { Edit } from '../onnx/write/edit.js';
import { CAUSES } from '../report/causes.js';
import type { Comparison, LayerComparison } from '../report/comparison/comparison.js';
import type { RepairedPart, UnrepairedPart } from '../report/repair-result.js';
import { failure, type Result, success } from '../result.js';
import { asClause } from '../text/sentences.js';
import { ConstantWriter } from './constant-writer.js';
import { switchLayer } from './inference-plan.js';
import { repairKept } from './kept-repair.js';
import { type RepairTools, RIGHT_ALREADY, repairOperator } from './operator-repair.js';

/** The changes to a deployed model that put its wrong layers right. */
export interface FoldRepairPlan {
	/** Edits of the deployed file. */
	readonly edits: readonly Edit[];
	readonly repaired: readonly RepairedPart[];
	readonly unrepaired: readonly UnrepairedPart[];
}

/**
 * Plans the repair of every layer that the comparison calls a mismatch: folded back or forward, alone or in a chain, or
 * kept. Computes the right values from the original in float64. Rounds them once to the deployed type, or quantizes
 * them on the grid that the deployed model states. Elements within rounding of the right value keep their bytes.
 * @param access reads the deployed model
 * @param excluded reasons to leave layers as they are, by their names
 * @throws {OnnxError} when a file cannot be read any more.
 */
export async function planFoldRepair(
	{ comparison, models }: Pick<ComparedFiles, 'comparison' | 'models'>,
	access: TensorAccess,
	excluded: ReadonlyMap<string, string> = new Map(),
): Promise<FoldRepairPlan> {
	const editor = new GraphEditor(models.deployed.model, access.source);
	const tools: RepairTools = { models, editor, writer: new ConstantWriter(editor, access) };
	const planner = new RepairPlanner(tools, new ConstantResolver(access));
	const repaired: RepairedPart[] = [];
	const unrepaired: UnrepairedPart[] = [];
	for (const [index, compared] of comparison.layers.entries()) {
		if (isSettled(compared, comparison)) {
			continue;
		}
		const layer = models.original.layers[index];
		const reason = excluded.get(layer.name);
		const outcome = reason === undefined ? await planner.repair(layer, compared) : failure(reason);
		const into = models.kept.has(layer) ? undefined : compared.into;
		const part = { name: layer.name, op: into?.op ?? 'BatchNormalization' };
		if (outcome.ok) {
			const cause = compared.cause ? CAUSES[compared.cause].title : 'another value';
			repaired.push({ ...part, change: `${outcome.value} (was: ${cause})` });
		} else {
			unrepaired.push({ ...part, reason: outcome.reason });
		}
	}
	for (const { name } of comparison.operators ?? []) {
		const outcome = await planner.repairOther(name);
		const part = { name, op: outcome.op };
		if (outcome.result.ok) {
			repaired.push({ ...part, change: outcome.result.value });
		} else {
			unrepaired.push({ ...part, reason: outcome.result.reason });
		}
	}
	return { edits: repaired.length > 0 ? await editor.finish() : [], repaired, unrepaired };
}

/** True for a right layer. If the outputs agree, also for a layer without verdict: it shows nothing to put right. */
export function isSettled({ status }: LayerComparison, { outputs }: Pick<Comparison, 'outputs'>): boolean {
	return status === 'match' || status === 'kept' || (status !== 'mismatch' && outputs?.status === 'match');
}

/** Repairs layers. An operator that holds several layers is repaired once. */
class RepairPlanner {
	readonly #tools: RepairTools;
	readonly #constants: ConstantResolver;
	readonly #done = new Map<LinearOperator, Result<string>>();
	#places: ReadonlyMap<LinearOperator, OperatorPair> | undefined;

	constructor(tools: RepairTools, constants: ConstantResolver) {
		this.#tools = tools;
		this.#constants = constants;
	}

	/** Returns the change as a clause, or a clause that gives the reason why there is none. */
	repair(layer: BatchNormLayer, compared: LayerComparison): Promise<Result<string>> | Result<string> {
		const { models } = this.#tools;
		if (compared.status !== 'mismatch') {
			return failure(asClause(compared.evidence));
		}
		if (layer.mode === 'training') {
			return failure('the original is in training mode itself: repair the original first');
		}
		const keptAs = models.kept.get(layer);
		switch (compared.cause) {
			case 'layers-exchanged':
				return this.#putBack(layer, compared);
			case 'folded-across-activation':
				return keptAs
					? failure('it stands on the other side of an activation now: export the model again')
					: this.#undoAcross(layer, compared);
			case 'several-consumers':
				return failure(
					`another node reads ${compared.into?.name ?? 'its operator'} and needs the values without the layer, so no weights are right for both: fold the original again`,
				);
			case 'shared-weight':
				return this.#repairSharers(layer, compared);
		}
		if (keptAs) {
			return this.#repairKept(layer, keptAs, compared);
		}
		const target = models.original.targets.get(layer);
		const pair = target && models.pairing.byOriginal.get(target.operator);
		return pair ? this.#repairOperator(pair, compared) : this.#repairForward(layer, compared);
	}

	/** Writes the constants of an exchanged layer and its operator into their own place. */
	async #putBack(layer: BatchNormLayer, compared: LayerComparison): Promise<Result<string>> {
		const { original, kept, pairing } = this.#tools.models;
		const operator = original.targets.get(layer)?.operator;
		this.#places ??= exchangedPlaces(this.#tools.models);
		const place = operator && this.#places.get(operator);
		if (!place) {
			return failure('its place in the deployed model is not known');
		}
		const pair = { ...place, original: operator };
		const measured = { ...compared, perChannel: NOT_MEASURED };
		const there = original.layers.find((each) => original.targets.get(each)?.operator === place.original);
		const keptThere = there && kept.get(there);
		if ((keptThere !== undefined) !== kept.has(layer) || !pairing.byDeployed.has(place.deployed)) {
			return failure('only one of the exchanged layers is still a layer');
		}
		const constants = await this.#repairOperator(pair, measured);
		const parameters = keptThere ? await repairKept(this.#tools, layer, keptThere) : success('');
		if (!parameters.ok || !constants.ok) {
			return parameters.ok ? constants : parameters;
		}
		return success([parameters.value, constants.value].filter((change) => change !== '').join(', '));
	}

	/** Takes a layer out of the operator in front of an activation, and folds it into the operator behind itself. */
	async #undoAcross(layer: BatchNormLayer, compared: LayerComparison): Promise<Result<string>> {
		const { pairing } = this.#tools.models;
		const front = [...pairing.byDeployed.values()].find(({ deployed }) => deployed.name === compared.into?.name);
		const measured = { ...compared, perChannel: NOT_MEASURED };
		const forward = await this.#repairForward(layer, measured);
		if (!front || !forward.ok) {
			return failure(
				'an activation stands between the layer and the operator that it was folded into, so no weights of this operator are right: fold the original again',
			);
		}
		const constants = await this.#repairOperator(front, measured);
		return constants.ok ? success(`${constants.value}, ${forward.value}`) : constants;
	}

	async #repairOperator(
		pair: OperatorPair,
		compared: Pick<LayerComparison, 'causes' | 'perChannel'>,
	): Promise<Result<string>> {
		const outcome = this.#done.get(pair.deployed) ?? (await repairOperator(this.#tools, pair, compared));
		this.#done.set(pair.deployed, outcome);
		return outcome;
	}

	/** Corrects a deployed operator without a layer. @param name of the deployed operator */
	async repairOther(name: string): Promise<{ readonly op: string; readonly result: Result<string> }> {
		const pairs = [...this.#tools.models.pairing.byDeployed.values()];
		const pair = pairs.find(({ deployed }) => deployed.name === name);
		return {
			op: pair?.deployed.node.opType ?? 'operator',
			result: pair
				? await this.#repairOperator(pair, { causes: [], perChannel: NOT_MEASURED })
				: failure('it has no counterpart in the original'),
		};
	}

	/** Corrects the mode and the parameters of a kept layer, and the operator in front of it. */
	async #repairKept(layer: BatchNormLayer, keptAs: BatchNormLayer, compared: LayerComparison): Promise<Result<string>> {
		const { models, editor } = this.#tools;
		const changes: string[] = [];
		if (keptAs.mode === 'training') {
			const verdict = await switchLayer(editor, this.#constants, { ...keptAs, layer: keptAs });
			if (verdict && 'reason' in verdict) {
				return failure(verdict.reason);
			}
			changes.push(verdict?.change ?? '');
		}
		const parameters = await repairKept(this.#tools, layer, keptAs);
		if (!parameters.ok) {
			return parameters;
		}
		const target = models.original.targets.get(layer);
		const pair = target && models.pairing.byOriginal.get(target.operator);
		const operator = pair && (await this.#repairOperator(pair, { ...compared, perChannel: NOT_MEASURED }));
		const all = [...changes, parameters.value, operator?.ok ? operator.value : ''].filter((change) => change !== '');
		return all.length > 0 ? success(all.join(', ')) : failure('its parameters are right by themselves');
	}

	/** Repairs the layer's operator and those without a layer that share its weight. Each gets a copy where it needs one. */
	async #repairSharers(layer: BatchNormLayer, compared: LayerComparison): Promise<Result<string>> {
		const { original, pairing } = this.#tools.models;
		const own = original.targets.get(layer)?.operator;
		const weight = own && weightIdentity(own);
		const layered = new Set(Array.from(original.targets.values(), ({ operator }) => operator));
		const sharers = original.operators.filter(
			(operator) => operator === own || (!layered.has(operator) && weightIdentity(operator) === weight),
		);
		const changes: string[] = [];
		for (const operator of sharers) {
			const pair = pairing.byOriginal.get(operator);
			const measured = operator === own ? compared : { ...compared, perChannel: NOT_MEASURED };
			const outcome = pair && (await this.#repairOperator(pair, measured));
			if (outcome?.ok) {
				changes.push(outcome.value);
			} else if (outcome && operator === own && outcome.reason !== RIGHT_ALREADY) {
				return outcome;
			}
		}
		return changes.length > 0
			? success(changes.join(', '))
			: failure('the other operators with its weight have no counterpart that can be corrected');
	}

	#repairForward(
		layer: BatchNormLayer,
		compared: Pick<LayerComparison, 'causes' | 'perChannel'>,
	): Promise<Result<string>> | Result<string> {
		const { original, pairing } = this.#tools.models;
		const operator = original.forwards.get(layer)?.operator;
		const pair = operator && pairing.byOriginal.get(operator);
		if (pair) {
			return this.#repairOperator(pair, compared);
		}
		const own = original.targets.get(layer)?.operator ?? operator;
		return failure(
			own
				? `${own.name}, which it folds into, has no counterpart of its shape in the deployed model`
				: 'it folds into no single operator of the original',
		);
	}
}

/** States that the comparison measured no errors of this operator's bias. */
const NOT_MEASURED = {
	weightRatio: new Float64Array(0),
	weightResidual: new Float64Array(0),
	biasError: new Float64Array(0),
};
