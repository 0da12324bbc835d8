import type { BatchNormLayer } from '../../../core/batchnorm/layer.js';
import { type FoldCase, foldCase } from '../../../core/folding/diagnosis/observed/fold-case.js';
import { biasBounds, expectedFold, foldTolerance } from '../../../core/folding/operators/expected.js';
import { layerParameters } from '../../../core/folding/operators/layer-parameters.js';
import { channelCount, forEachRun, rowLength } from '../../../core/folding/operators/layout.js';
import { type LinearOperator, linearOperator } from '../../../core/folding/operators/linear.js';
import { WeightReader } from '../../../core/folding/operators/weights.js';
import { type FoldNetwork, readFoldNetwork } from '../../../core/folding/targets/network.js';
import { Scope } from '../../../core/onnx/graph/scope.js';
import { nodesInOrder } from '../../../core/onnx/graph/traverse.js';
import type { Node } from '../../../core/onnx/model.js';
import type { OpenedModel } from '../model/opened-model.js';

/** State of a layer in the optimized model. */
export type Fused =
	/** Not merged, or merged without a tensor to compare. */
	| { readonly kind: 'none' }
	/** Merged into `operator` with the values of a correct fold. */
	| { readonly kind: 'right'; readonly operator: Node }
	/** Merged with other values, or into an operator with weights that do not show the values. */
	| { readonly kind: 'doubtful'; readonly operator: Node };

/**
 * Compares the parameters that the runtime has fused with our own fold. Finds fused operators by name: they take the
 * layer's output name, or keep their own if an operator stands between.
 */
export class FusedWeights {
	readonly #original: FoldNetwork;
	readonly #scope: Scope;
	readonly #operators: ReadonlyMap<string, LinearOperator>;
	readonly #weights: WeightReader;

	private constructor(original: FoldNetwork, optimized: OpenedModel) {
		this.#original = original;
		this.#scope = Scope.ofModel(optimized.model);
		this.#weights = new WeightReader(optimized.access);
		this.#operators = new Map(
			[...nodesInOrder(optimized.model)].flatMap((place, index) => {
				const operator = linearOperator(place, index);
				return operator ? [[operator.output, operator] as const] : [];
			}),
		);
	}

	/** @throws {OnnxError} */
	static async read(
		original: Pick<OpenedModel, 'model' | 'layers' | 'access'>,
		optimized: OpenedModel,
	): Promise<FusedWeights> {
		return new FusedWeights(await readFoldNetwork(original), optimized);
	}

	/** @param layer of the original's own list. @throws {OnnxError} */
	async judge(layer: BatchNormLayer): Promise<Fused> {
		const writer = layer.graphPath === '' ? this.#scope.producer(layer.output) : undefined;
		if (!writer || writer.opType === layer.node.opType) {
			return { kind: 'none' };
		}
		const operator = this.#operatorOf(layer);
		if (!operator) {
			return { kind: 'doubtful', operator: writer };
		}
		return { kind: (await this.#isRight(layer, operator)) ? 'right' : 'doubtful', operator: operator.node };
	}

	/** Returns the optimized model's operator that absorbed the layer. */
	#operatorOf(layer: BatchNormLayer): LinearOperator | undefined {
		const target = this.#original.targets.get(layer);
		return this.#operators.get(layer.output) ?? (target && this.#operators.get(target.operator.output));
	}

	async #isRight(layer: BatchNormLayer, deployedOperator: LinearOperator): Promise<boolean> {
		const target = this.#original.targets.get(layer);
		const parameters = layerParameters(layer);
		if (!target || !parameters.ok) {
			return false;
		}
		const original = await this.#original.weights.read(target.operator);
		const deployed = await this.#weights.read(deployedOperator);
		if (!original.ok || !deployed.ok) {
			return false;
		}
		const fold = foldCase({
			target,
			parameters: parameters.value,
			originalWeights: original.value,
			deployedWeights: deployed.value,
			deployedOperator,
			deployedAddition: null,
		});
		return fold.ok && isRightFold(fold.value);
	}
}

/** Elements compared per row: a fusion treats a row alike. */
const SAMPLES = 16;

/** Compares bias and weights with a correct fold, up to the rounding of their stored type. */
function isRightFold({ original, deployed, parameters, stored }: FoldCase): boolean {
	const { scale, bias } = expectedFold(original.bias, parameters);
	const tolerance = foldTolerance(stored);
	const allowed = biasBounds(tolerance, original.bias, parameters, scale);
	if (!bias.every((value, row) => isNear(deployed.bias?.[row] ?? 0, value, allowed[row]))) {
		return false;
	}
	const { layout } = original;
	const perRun = Math.max(1, Math.ceil((SAMPLES * layout.inner) / rowLength(layout)));
	const seen = new Uint32Array(channelCount(layout));
	let isRight = true;
	forEachRun(layout, (row, start) => {
		for (let k = 0; k < perRun && k < layout.inner && seen[row] < SAMPLES; k++) {
			const expected = original.weight[start + k] * scale[row];
			const bound = tolerance.weightRelative * Math.abs(expected) + tolerance.weightAbsolute;
			isRight &&= isNear(deployed.weight[start + k], expected, bound);
			seen[row]++;
		}
	});
	return isRight;
}

/** Accepts a correct value that is not finite if the runtime stores the same value. */
function isNear(found: number, expected: number, allowed: number): boolean {
	return Math.abs(found - expected) <= allowed || Object.is(found, Math.fround(expected));
}
