import type { Checkpoint } from '../../formats/checkpoint.js';
import { biasOf, isOperatorWeight } from '../../formats/layers/front.js';
import { buildModel, type OperatorReading, operatorName } from '../../formats/model/build.js';
import type { CheckpointTensor } from '../../formats/tensor.js';
import type { FloatType } from '../../numbers/float-formats.js';
import type { TensorAccess } from '../../onnx/tensor/tensor.js';
import { channelCount, relayout, rowLength, sameLayout } from '../operators/layout.js';
import type { LinearOperator } from '../operators/linear.js';
import { measureRows } from '../operators/measure.js';
import type { OperatorWeights } from '../operators/weights.js';
import { type OperatorPair, pairOperators } from '../pairing/pairing.js';
import { type Network, readNetwork } from '../targets/network.js';

/** A checkpoint's weight and the deployed operator with its rows. */
export interface PairedWeight {
	readonly reading: OperatorReading;
	readonly pair: Omit<OperatorPair, 'original'>;
	/** Least-squares ratio of each deployed row to the checkpoint's row, shape (output channels); NaN if unknown. */
	readonly ratio: Float64Array;
	/** Part of each deployed row that is no multiple of the checkpoint's row, from 0 to 1, shape (output channels). */
	readonly residual: Float64Array;
	/** Element types of the deployed weight and of the checkpoint's. */
	readonly stored: FloatType;
	readonly source: FloatType;
	/** Values of a row. */
	readonly rowLength: number;
}

/** Weights of a checkpoint, read as operators. */
export interface CheckpointWeights {
	readonly paired: readonly PairedWeight[];
	/** Weights without a counterpart in the deployed model. */
	readonly unpaired: readonly OperatorReading[];
}

/**
 * Pairs the weights of a checkpoint with deployed operators of the same shape, by the directions of their rows, then by
 * order. The deployed operator decides between convolution and transposed convolution, and on the groups. A checkpoint
 * states neither.
 */
export async function pairWeights(
	checkpoint: Checkpoint,
	access: TensorAccess,
	deployed: Network,
): Promise<CheckpointWeights> {
	const shapes = await deployedShapes(deployed);
	const weights = listWeights(checkpoint);
	const readings = weights.flatMap((weight) => readingsOf(weight, shapes));
	const trial = await readNetwork(buildModel(checkpoint, [], readings.map(renamed)), access);
	const { byOriginal } = await pairOperators(trial, deployed, { windows: false });
	const named = operatorsByWeight(deployed);
	const candidates: PairedWeight[] = [];
	for (const [index, reading] of readings.entries()) {
		const original = trial.operators[index];
		const namesake = named.get(reading.weight.name) ?? named.get(withoutPrefix(reading.weight.name, checkpoint));
		const pairs = original ? [byOriginal.get(original), namesake && namesakePair(original, namesake)] : [];
		for (const pair of pairs) {
			const measured = pair && (await measure(reading, pair, trial, deployed));
			if (measured) {
				candidates.push(measured);
			}
		}
	}
	const best = assign(candidates, (candidate) => named.get(candidate.reading.weight.name) === candidate.pair.deployed);
	const unpaired = weights.filter(({ weight }) => !best.has(weight)).map((weight) => plainReading(weight));
	return { paired: [...best.values()], unpaired };
}

/** A weight with its bias, not yet read as an operator. */
type BareWeight = Pick<OperatorReading, 'weight'> & { readonly biasFor: (channels: number) => OperatorReading['bias'] };

function listWeights({ tensors }: Checkpoint): readonly BareWeight[] {
	const byName = new Map(tensors.map((tensor) => [tensor.name, tensor]));
	return tensors.filter(isOperatorWeight).map((weight) => ({
		weight,
		biasFor: (channels) => biasOf(operatorName(weight), channels, byName),
	}));
}

/** Groups of the deployed transposed convolutions of each weight shape, and the shapes of the convolutions. */
interface DeployedShapes {
	readonly convolutions: ReadonlyMap<string, number>;
	readonly transposed: ReadonlyMap<string, ReadonlySet<number>>;
}

async function deployedShapes({ operators, weights }: Network): Promise<DeployedShapes> {
	const convolutions = new Map<string, number>();
	const transposed = new Map<string, Set<number>>();
	for (const operator of operators) {
		const key = String((await weights.dims(operator)) ?? '');
		if (operator.kind === 'Conv') {
			convolutions.set(key, operator.group);
		} else if (operator.kind === 'ConvTranspose') {
			transposed.set(key, (transposed.get(key) ?? new Set()).add(operator.group));
		}
	}
	return { convolutions, transposed };
}

function readingsOf(bare: BareWeight, { convolutions, transposed }: DeployedShapes): readonly OperatorReading[] {
	const { weight, biasFor } = bare;
	const key = String(weight.dims);
	if (weight.dims.length === 2) {
		return [plainReading(bare)];
	}
	const group = convolutions.get(key);
	const [, second = 1] = weight.dims;
	return [
		...(group === undefined ? [] : [{ ...plainReading(bare), group }]),
		...Array.from(transposed.get(key) ?? [], (groups): OperatorReading => {
			return { weight, bias: biasFor(second * groups), opType: 'ConvTranspose', group: groups };
		}),
	];
}

/** Reads a weight by its rank alone. */
function plainReading({ weight, biasFor }: BareWeight): OperatorReading {
	const [first = 1] = weight.dims;
	return { weight, bias: biasFor(first), opType: weight.dims.length === 2 ? 'Gemm' : 'Conv', group: 1 };
}

/** Gives each reading of a weight a node of its own. */
function renamed(reading: OperatorReading, index: number): OperatorReading {
	return { ...reading, weight: { ...reading.weight, name: `${index}.${reading.weight.name}` }, bias: undefined };
}

async function measure(
	reading: OperatorReading,
	pair: OperatorPair,
	trial: Network,
	deployed: Network,
): Promise<PairedWeight | undefined> {
	const original = await trial.weights.read(pair.original);
	const found = await deployed.weights.read(pair.deployed);
	const { fit, radius, rivals } = pair;
	const common = { reading, pair: { deployed: pair.deployed, fit, radius, rivals } };
	if (!original.ok || !found.ok || !haveSameRows(original.value, found.value)) {
		return undefined;
	}
	const { layout, weight, stored: source } = original.value;
	const { ratio, residual } = measureRows({
		deployed: sameLayout(layout, found.value.layout)
			? found.value.weight
			: relayout(found.value.weight, found.value.layout, layout),
		original: weight,
		layout,
		scale: new Float64Array(channelCount(layout)).fill(1),
		dtype: found.value.stored,
		relative: 0,
		absolute: new Float64Array(channelCount(layout)),
	});
	return { ...common, ratio, residual, stored: found.value.stored, source, rowLength: rowLength(layout) };
}

function haveSameRows({ layout: a }: OperatorWeights, { layout: b }: OperatorWeights): boolean {
	return channelCount(a) === channelCount(b) && rowLength(a) === rowLength(b);
}

/** Mean residual below which the rows are the checkpoint's, with any scale. */
const RELATED = 0.5;

/** Gives each weight an operator: rows that fit come first, then names, then the pairing by shape and order. */
function assign(
	candidates: readonly PairedWeight[],
	isNamesake: (candidate: PairedWeight) => boolean,
): ReadonlyMap<CheckpointTensor, PairedWeight> {
	const ranked = candidates
		.map((candidate) => ({
			candidate,
			residual: Math.min(meanResidual(candidate), RELATED),
			named: isNamesake(candidate),
		}))
		.sort((a, b) => a.residual - b.residual || Number(b.named) - Number(a.named));
	const best = new Map<CheckpointTensor, PairedWeight>();
	const used = new Set<LinearOperator>();
	for (const { candidate } of ranked) {
		const { weight } = candidate.reading;
		if (!best.has(weight) && !used.has(candidate.pair.deployed)) {
			best.set(weight, candidate);
			used.add(candidate.pair.deployed);
		}
	}
	return best;
}

/** Returns the deployed operators by the names of their weights, which the dynamo exporter of PyTorch keeps. */
function operatorsByWeight({ operators }: Network): ReadonlyMap<string, LinearOperator> {
	return new Map(operators.map((operator) => [operator.weight, operator]));
}

const withoutPrefix = (name: string, { prefix }: Checkpoint): string => name.slice(prefix.length);

function namesakePair(original: LinearOperator, deployed: LinearOperator): OperatorPair {
	return { original, deployed, fit: undefined, radius: 0, rivals: 0 };
}

/** Mean of the known residuals; 1 if none is known. */
export function meanResidual({ residual }: Pick<PairedWeight, 'residual'>): number {
	const known = residual.filter((value) => !Number.isNaN(value));
	return known.length > 0 ? known.reduce((sum, value) => sum + value, 0) / known.length : 1;
}
