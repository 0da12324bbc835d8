import { product } from '../numbers/arrays.js';
import { isConstant } from '../onnx/graph/constants.js';
import type { Scope } from '../onnx/graph/scope.js';
import type { Node } from '../onnx/model.js';
import type { Finding } from '../report/types.js';
import { float32Number } from '../text/numbers.js';
import { joinWords } from '../text/sentences.js';
import { keepsValues } from './chain.js';
import { epsilonFindings } from './health.js';
import type { BatchNormLayer, EpsilonPlace, Parameter } from './layer.js';
import { describeAxes, resolveAxes } from './normalized-axes.js';
import { GraphPattern, MAX_WRAPPERS } from './pattern.js';
import { type LayerContext, placeOf } from './place.js';
import { squeezed, unsqueezed } from './statistics-layout.js';
import { type MovedConstant, StatisticsPattern } from './statistics-pattern.js';
import { ViewPattern } from './view-pattern.js';

/** Axis of the channels where no constant shows another. */
const DEFAULT_CHANNEL_AXIS = 1;

/**
 * Returns the normalization whose division, or last operator of x * s + t, is `node`, if a graph writes it by hand with the statistics of its own data:
 * (x - mean) / sqrt(variance + epsilon), then scale and shift. ReduceMean computes mean and variance over any axes. The
 * division may be Div, or Mul by a Reciprocal or a power. The same result written as x * s + t counts, too.
 */
export async function findHandBuilt(
	scope: Scope,
	node: Node,
	context: LayerContext,
): Promise<BatchNormLayer | undefined> {
	const core = await new StatisticsPattern(scope, context).core(node);
	// Standardized weights are constants, not a normalization of data.
	if (!core || isConstant(scope, core.x)) {
		return undefined;
	}
	const scales = new ScalePattern(scope, context);
	const inside = core.gamma && (await scales.parameter(core.gamma, core.x));
	const offset = core.beta && (await scales.parameter(core.beta, core.x));
	if ((core.gamma && !inside) || (core.beta && !offset)) {
		return undefined;
	}
	const { gamma, beta, last } = offset
		? { gamma: inside ?? absent(1), beta: offset, last: node }
		: await scales.behind(node, inside);
	const place = placeOf(scope, last, core.x, context.shapes);
	const views = new PlacePattern(scope, context);
	const regrouped = await views.regrouped(core.x);
	const rank = place.inputShape?.length;
	const ownAxis = axisOf([gamma, beta], rank);
	const reduced = rank === undefined || regrouped ? undefined : resolveAxes(core.axes, rank);
	const seen = reduced && (await views.viewOf(core.x, reduced, ownAxis));
	const channelAxis = ownAxis ?? seen?.channelAxis ?? DEFAULT_CHANNEL_AXIS;
	const size = place.inputShape?.[channelAxis];
	const computed: Parameter = { ...absent(null), problem: 'Mean and variance are computed from the data.' };
	return {
		...place,
		name: last.name || place.output || `${last.opType}_${last.index}`,
		kind: 'handbuilt',
		handBuilt: {
			axes: core.axes,
			variance: core.variance,
			place: core.place,
			...(core.unbiased !== undefined && { unbiased: core.unbiased }),
			...(regrouped && { regrouped }),
			...(seen && { view: seen.view }),
		},
		epsilon: core.epsilon,
		momentum: 0,
		mode: 'training',
		axes: 'channel',
		channelAxis,
		channels: isCount(size) ? size : Math.max(...[gamma, beta].map(({ values }) => values?.length ?? 0)),
		gamma,
		beta,
		mean: computed,
		variance: computed,
	};
}

/** True for a size that is known, and small enough to count with: a file may declare any. */
function isCount(size: number | string | null | undefined): size is number {
	return Number.isSafeInteger(size) && Number(size) >= 0;
}

/** Returns the finding that names a hand-built normalization with its axes, and findings about its epsilon. */
export function handBuiltFindings(layer: BatchNormLayer): Finding[] {
	const { handBuilt, inputShape, epsilon } = layer;
	if (!handBuilt) {
		return [];
	}
	const reduced = inputShape && resolveAxes(handBuilt.axes, inputShape.length);
	const isWithinImages = handBuilt.regrouped !== undefined && 'instances' in handBuilt.regrouped;
	const { view } = handBuilt;
	const isOfBatch = view
		? view.isOfBatch
		: !isWithinImages && (reduced?.includes(0) ?? (handBuilt.axes === null || handBuilt.axes.includes(0)));
	const source = isOfBatch
		? 'of the batch, so that its output for an image depends on the other images'
		: 'of its own data';
	const divisor = handBuilt.unbiased === undefined ? '' : ' The variance is divided by the number of values minus 1.';
	const message = `A normalization written by hand: it normalizes ${describeHandBuilt(layer)}, ${EPSILON_WORDS[handBuilt.place](float32Number(epsilon))} and the mean and variance ${source}.${divisor}`;
	// A least value that is negative has no effect.
	const isAdded = handBuilt.place === 'inside' || handBuilt.place === 'beside';
	return [
		...(isAdded ? epsilonFindings(epsilon) : []),
		{ code: 'hand-built', severity: 'info', channels: [], message },
	];
}

/** Clauses that state epsilon, "with epsilon …". */
const EPSILON_WORDS: Readonly<Record<EpsilonPlace, (epsilon: string) => string>> = {
	inside: (epsilon) => `with epsilon ${epsilon}`,
	beside: (epsilon) => `with epsilon ${epsilon}, added to the deviation and not to the variance,`,
	floor: (epsilon) => `with a variance of at least ${epsilon}`,
	'floor-beside': (epsilon) => `with a deviation of at least ${epsilon}`,
};

/** Returns the axes of a hand-built layer in words: "over N, H and W (…)"; the numbers alone if the rank is unknown. */
function describeHandBuilt({ handBuilt, inputShape, channelAxis }: BatchNormLayer): string {
	const axes = handBuilt?.axes ?? null;
	const rank = inputShape?.length;
	const reduced = rank === undefined ? undefined : resolveAxes(axes, rank);
	const view = handBuilt?.view;
	if (view?.axes) {
		return describeAxes(view.axes, ` in front of the ${view.opType}`);
	}
	if (view) {
		const parts = view.isOfBatch ? 'groups of images' : 'parts of an axis';
		return `over ${listed(reduced ?? axes)} behind a ${view.opType}, which makes ${parts}`;
	}
	if (rank !== undefined && reduced) {
		return describeAxes({ reduced, rank, channelAxis, regrouped: handBuilt?.regrouped });
	}
	return `over ${listed(axes)}`;
}

function listed(axes: readonly number[] | null): string {
	return axes === null ? 'all axes' : `${axes.length === 1 ? 'axis' : 'axes'} ${joinWords(axes.map(String))}`;
}

/** Finds the places of elements, which no cast changes. */
class PlacePattern extends ViewPattern {
	protected override hasNoEffect(node: Node): boolean {
		return this.isOp(node, 'Cast') || super.hasNoEffect(node);
	}
}

/** Finds the constant scale and shift behind a division. */
class ScalePattern extends GraphPattern {
	/**
	 * Follows the constant scale and shift behind the division while each is the only reader.
	 * @param inside gamma, if the division contains it
	 */
	async behind(
		division: Node,
		inside: Parameter | undefined,
	): Promise<{ gamma: Parameter; beta: Parameter; last: Node }> {
		const scaled = inside ? undefined : await this.#step(division, ['Mul']);
		const shifted = await this.#step(scaled?.node ?? division, ['Add', 'Sub']);
		const beta = shifted?.node.opType === 'Sub' ? negated(shifted.constant) : shifted?.constant;
		return {
			gamma: inside ?? scaled?.constant ?? absent(1),
			beta: beta ?? absent(0),
			last: shifted?.node ?? scaled?.node ?? division,
		};
	}

	async #step(from: Node, operators: readonly string[]): Promise<{ node: Node; constant: Parameter } | undefined> {
		let output = from.outputs[0] ?? '';
		for (let wrapper = 0; wrapper < MAX_WRAPPERS; wrapper++) {
			const [node, ...others] = this.scope.consumers(output);
			if (!node || others.length > 0 || this.scope.isOutput(output)) {
				return undefined;
			}
			if (!keepsValues(this.scope, node, this.context)) {
				return operators.includes(node.opType) && node.domain === '' ? this.#constantStep(node, output) : undefined;
			}
			output = node.outputs[0] ?? '';
		}
		return undefined;
	}

	async #constantStep(node: Node, x: string): Promise<{ node: Node; constant: Parameter } | undefined> {
		const [a = '', b = ''] = node.inputs;
		if (node.opType === 'Sub' && a !== x) {
			return undefined;
		}
		const constant = await this.parameter({ name: a === x ? b : a, reshapes: [] }, x);
		return constant && { node, constant };
	}

	/** Reads a constant that broadcasts against x; undefined if it is not constant, or of a higher rank. */
	async parameter({ name, reshapes }: MovedConstant, x: string): Promise<Parameter | undefined> {
		const constant = await this.context.parameters.read(this.scope, name);
		const dims = await this.#movedDims(constant.dims, reshapes);
		const rank = this.context.shapes.of(this.scope, x).shape?.length;
		return dims && constant.values && (rank === undefined || dims.length <= rank) ? { ...constant, dims } : undefined;
	}

	/** Returns the shape of a constant behind operators that move its dimensions. */
	async #movedDims(from: readonly number[], reshapes: readonly Node[]): Promise<readonly number[] | undefined> {
		let dims: readonly number[] | undefined = from;
		for (const node of reshapes) {
			const target: readonly number[] | undefined = await this.integers(node, 'axes');
			if (!target || !dims) {
				return undefined;
			}
			dims =
				node.opType === 'Reshape'
					? reshapedDims(dims, target)
					: node.opType === 'Squeeze'
						? squeezed(
								dims.map((dim) => (dim === 1 ? null : dim)),
								target,
							)?.map((dim) => dim ?? 1)
						: unsqueezed(dims, target)?.map((dim) => dim ?? 1);
		}
		return dims;
	}
}

/** Returns the shape behind a Reshape to `target`, in which a size may be -1; undefined for a size of 0. */
function reshapedDims(dims: readonly number[], target: readonly number[]): readonly number[] | undefined {
	const given = product(target.filter((size) => size !== -1));
	const left = product(dims) / given;
	return given > 0 && Number.isSafeInteger(left) ? target.map((size) => (size === -1 ? left : size)) : undefined;
}

/** Returns the axis along which all constants with several values lie; undefined if there is no such axis. */
function axisOf(constants: readonly Parameter[], rank: number | undefined): number | undefined {
	const axes = constants.flatMap(({ dims }) => {
		const at = dims.findIndex((dim) => dim !== 1);
		const isVector = at >= 0 && dims.every((dim, axis) => axis === at || dim === 1);
		return dims.every((dim) => dim === 1) ? [] : [isVector && rank !== undefined ? at + rank - dims.length : undefined];
	});
	return axes.every((axis) => axis === axes[0]) ? axes[0] : undefined;
}

/** Returns the parameter of an absent scale or shift. @param value null: unknown */
function absent(value: number | null): Parameter {
	const values = value === null ? null : Float64Array.of(value);
	return { name: '', origin: { kind: 'missing' }, values, dims: [], dtype: 'undefined' };
}

function negated(parameter: Parameter): Parameter {
	return { ...parameter, values: parameter.values?.map((value) => -value) ?? null };
}
