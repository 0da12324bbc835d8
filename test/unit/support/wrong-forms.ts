/** Deployments with a fault in the place of a layer: every weight that is folded is folded correctly. */
import { type Block, layerOf, pick, rowsOf, scaleRows, WIDTH, weightOf } from './deployed-forms.js';

/** Convolutions of one shape in a row, with the deployed ones in another order. */
function exchanged(order: readonly number[]): Block {
	return ({ random, from, to }, [x, y]) => {
		const blocks = order.map(() => ({ weight: weightOf(random, WIDTH, WIDTH, 3), layer: layerOf(random, WIDTH) }));
		const original = blocks.reduce(
			(at, { weight, layer }) => from.relu(from.batchNorm(from.conv(at, weight), layer)),
			x,
		);
		const deployed = order.reduce((at, index) => {
			const { weight, layer } = blocks[index];
			return to.relu(to.conv(at, scaleRows(weight, layer.scale), layer.shift));
		}, y);
		return [original, deployed];
	};
}

function inTraining(isOriginal: boolean): Block {
	return ({ random, from, to }, [x, y]) => {
		const weight = weightOf(random, WIDTH, WIDTH, 3);
		const layer = layerOf(random, WIDTH);
		return [
			from.relu(from.batchNorm(from.conv(x, weight), layer, isOriginal)),
			to.relu(to.batchNorm(to.conv(y, weight), layer, !isOriginal)),
		];
	};
}

export const WRONG_FORMS = {
	'training mode in the deployed model': { cause: 'training-mode', block: inTraining(false) },
	'training mode in the original': { cause: 'training-mode', block: inTraining(true) },
	'training mode in the original of a folded layer': {
		cause: 'training-mode',
		block: ({ random, from, to }, [x, y]) => {
			const weight = weightOf(random, WIDTH, WIDTH, 3);
			const layer = layerOf(random, WIDTH);
			return [
				from.relu(from.batchNorm(from.conv(x, weight), layer, true)),
				to.relu(to.conv(y, scaleRows(weight, layer.scale), layer.shift)),
			];
		},
	},
	'two layers exchanged': { cause: 'layers-exchanged', block: exchanged([2, 1, 0]) },
	'two neighboring layers exchanged': { cause: 'layers-exchanged', block: exchanged([0, 2, 1, 3]) },
	'layer folded across an activation': {
		cause: 'folded-across-activation',
		block: ({ random, from, to }, [x, y]) => {
			const weight = weightOf(random, WIDTH, WIDTH, 3);
			const layer = layerOf(random, WIDTH);
			return [
				from.relu(from.batchNorm(from.relu(from.conv(x, weight)), layer)),
				to.relu(to.relu(to.conv(y, scaleRows(weight, layer.scale), layer.shift))),
			];
		},
	},
	'layer moved in front of an activation': {
		cause: 'folded-across-activation',
		block: ({ random, from, to }, [x, y]) => {
			const weight = weightOf(random, WIDTH, WIDTH, 3);
			const layer = layerOf(random, WIDTH);
			return [from.batchNorm(from.relu(from.conv(x, weight)), layer), to.relu(to.batchNorm(to.conv(y, weight), layer))];
		},
	},
	'layer folded across x sigmoid(x)': {
		cause: 'folded-across-activation',
		block: ({ random, from, to }, [x, y]) => {
			const weight = weightOf(random, WIDTH, WIDTH, 3);
			const layer = layerOf(random, WIDTH);
			const next = weightOf(random, WIDTH, WIDTH, 3);
			const nextLayer = layerOf(random, WIDTH);
			const [a, b] = [from.conv(x, weight), to.conv(y, scaleRows(weight, layer.scale), layer.shift)];
			const swish = from.batchNorm(from.node('Mul', [a, from.node('Sigmoid', [a])]), layer);
			return [
				from.relu(from.batchNorm(from.conv(swish, next), nextLayer)),
				to.relu(
					to.conv(to.node('Mul', [b, to.node('Sigmoid', [b])]), scaleRows(next, nextLayer.scale), nextLayer.shift),
				),
			];
		},
	},
	'channels of one layer in another order': {
		cause: 'channels-permuted',
		block: ({ random, from, to }, [x, y]) => {
			const weight = weightOf(random, WIDTH, WIDTH, 3);
			const layer = layerOf(random, WIDTH);
			const turned = Array.from({ length: WIDTH }, (_, row) => (row + 2) % WIDTH);
			return [
				from.relu(from.batchNorm(from.conv(x, weight), layer)),
				to.relu(to.conv(y, rowsOf(scaleRows(weight, layer.scale), turned), pick(layer.shift, turned))),
			];
		},
	},
	'fold into an operator with another reader': {
		cause: 'several-consumers',
		block: ({ random, from, to }, [x, y]) => {
			const weight = weightOf(random, WIDTH, WIDTH, 3);
			const layer = layerOf(random, WIDTH);
			const shared = from.conv(x, weight);
			const folded = to.conv(y, scaleRows(weight, layer.scale), layer.shift);
			return [
				from.node('Add', [from.relu(from.batchNorm(shared, layer)), from.node('Tanh', [shared])]),
				to.node('Add', [to.relu(folded), to.node('Tanh', [folded])]),
			];
		},
	},
	'fold into a weight of two operators': {
		cause: 'shared-weight',
		block: ({ random, from, to }, [x, y]) => {
			const weight = weightOf(random, WIDTH, WIDTH, 1);
			const layer = layerOf(random, WIDTH);
			const names = [
				from.tensor(weight.dims, weight.values),
				to.tensor(weight.dims, scaleRows(weight, layer.scale).values),
			];
			const bias = to.tensor([WIDTH], layer.shift);
			return [
				from.node('Add', [
					from.relu(from.batchNorm(from.node('Conv', [x, names[0]]), layer)),
					from.node('Conv', [from.node('Tanh', [x]), names[0]]),
				]),
				to.node('Add', [
					to.relu(to.node('Conv', [y, names[1], bias])),
					to.node('Conv', [to.node('Tanh', [y]), names[1]]),
				]),
			];
		},
	},
	'layers with two scales folded into one weight': {
		cause: 'shared-weight',
		block: ({ random, from, to }, [x, y]) => {
			const weight = weightOf(random, WIDTH, WIDTH, 1);
			const [common, other] = [layerOf(random, WIDTH), layerOf(random, WIDTH)];
			const original = from.tensor(weight.dims, weight.values);
			const folded = to.tensor(weight.dims, scaleRows(weight, other.scale).values);
			// The first two layers have the same scales, and the weight carries the third's.
			const branches = (['Tanh', 'Sigmoid', 'Relu'] as const).map((function_, index) => {
				const layer = index < 2 ? common : other;
				const [a, b] = [from.node(function_, [x]), to.node(function_, [y])];
				const bias = to.tensor([WIDTH], layer.shift);
				return [
					from.relu(from.batchNorm(from.node('Conv', [a, original]), layer)),
					to.relu(to.node('Conv', [b, folded, bias])),
				];
			});
			const [left, right] = [from, to].map((writer, side) =>
				branches.map((branch) => branch[side]).reduce((sum, branch) => writer.node('Add', [sum, branch])),
			);
			return [left, right];
		},
	},
} as const satisfies Readonly<Record<string, { readonly cause: string; readonly block: Block }>>;
