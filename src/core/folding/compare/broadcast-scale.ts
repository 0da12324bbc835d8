import type { BatchNormLayer } from '../../batchnorm/layer.js';
import { product } from '../../numbers/arrays.js';
import type { LinearOperator } from '../operators/linear.js';
import type { OperatorWeights } from '../operators/weights.js';
import type { MatchedNetworks } from '../pairing/partners.js';
import { cannotTell, type Verdict } from './judge-fold.js';

/** Largest relative rounding error of an element, with room for another epsilon. */
const MAX_ERROR = 1e-3;

/**
 * Finds a weight that a scale of all channels was multiplied with along an axis of size 1, which changed the weight's
 * shape.
 */
export async function judgeBroadcast(
	layer: BatchNormLayer,
	scale: Float64Array,
	{ original, deployed, pairing }: MatchedNetworks,
): Promise<{ readonly verdict: Verdict; readonly operator: LinearOperator } | undefined> {
	const source = original.targets.get(layer)?.operator;
	const weights = source && (await original.weights.read(source));
	if (!source || !weights?.ok) {
		return undefined;
	}
	const candidates = deployed.operators.filter(({ kind }) => kind === source.kind);
	for (const operator of candidates.filter((each) => !pairing.byDeployed.has(each))) {
		const dims = await deployed.weights.dims(operator);
		const axis = dims && broadcastAxis(weights.value.dims, dims, scale.length);
		const found = axis === undefined ? undefined : await deployed.weights.sample(operator, product(dims ?? []));
		if (dims && axis !== undefined && found && isOuterProduct(weights.value, found, { axis, scale })) {
			const evidence = `The weight of ${operator.name} has the shape [${dims.join(', ')}] where [${weights.value.dims.join(', ')}] belongs: the scale of ${scale.length} channels was broadcast along axis ${axis}, which has size 1.`;
			const verdict: Verdict = {
				...cannotTell(evidence),
				status: 'mismatch',
				cause: 'wrong-axis',
				causes: ['wrong-axis'],
				confidence: 0.99,
				details: { 'wrong-axis': { axis } },
			};
			return { verdict, operator };
		}
	}
	return undefined;
}

/** Returns the only axis in which the shapes differ, if it has size 1 in `from` and a size per channel in `to`. */
function broadcastAxis(from: readonly number[], to: readonly number[], channels: number): number | undefined {
	const different = from.flatMap((size, axis) => (size === to[axis] ? [] : [axis]));
	const [axis, ...others] = different;
	const isOnly = from.length === to.length && axis !== undefined && others.length === 0;
	return isOnly && from[axis] === 1 && to[axis] === channels ? axis : undefined;
}

function isOuterProduct(
	{ weight, dims }: Pick<OperatorWeights, 'weight' | 'dims'>,
	found: Float32Array | Float64Array,
	{ axis, scale }: { readonly axis: number; readonly scale: Float64Array },
): boolean {
	const inner = product(dims.slice(axis + 1));
	return found.every((value, index) => {
		const channel = Math.floor(index / inner) % scale.length;
		const outer = Math.floor(index / (inner * scale.length));
		const expected = weight[outer * inner + (index % inner)] * scale[channel];
		return Math.abs(value - expected) <= MAX_ERROR * Math.abs(expected);
	});
}
