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
import type { LayerValues } from './layer-values.js';

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
	/** The operator that the checkpoint's weight was read as, to measure it again. */
	readonly trial: LinearOperator;
	/** Layer that was folded forward into the operator, in front of its rows' own scale. */
	readonly behind?: LayerValues;
	/** Set for a further deployed operator with the rows of a weight that has one: the weight as the file has it. */
	readonly copyOf?: CheckpointTensor;
}

/** Constants of both operators of a pair, in one layout. */
export interface PairedValues {
	readonly original: OperatorWeights;
	/** In the layout of `original`. */
	readonly deployed: Float32Array | Float64Array;
	/** Shape (output channels); null without a bias. */
	readonly deployedBias: Float64Array | null;
	readonly stored: FloatType;
	/** True if the deployed constants are on a grid. */
	readonly isQuantized: boolean;
}

/** Measures deployed rows against the rows of an original weight. */
export function measurePair({ original, deployed, stored }: PairedValues): Pick<PairedWeight, 'ratio' | 'residual'> {
	const { layout, weight } = original;
	const { ratio, residual } = measureRows({
		deployed,
		original: weight,
		layout,
		scale: new Float64Array(channelCount(layout)).fill(1),
		dtype: stored,
		relative: 0,
		absolute: new Float64Array(channelCount(layout)),
	});
	return { ratio, residual };
}

/** Weights of a checkpoint, read as operators. */
export interface CheckpointWeights {
	readonly paired: readonly PairedWeight[];
	/** Weights without a counterpart in the deployed model. */
	readonly unpaired: readonly OperatorReading[];
	/** Reads the constants of an operator of the checkpoint and a deployed one; undefined if they do not correspond. */
	readonly read: (original: LinearOperator, deployed: LinearOperator) => Promise<PairedValues | undefined>;
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
	const read: CheckpointWeights['read'] = (original, found) => readValues([trial, original], [deployed, found]);
	const candidates: PairedWeight[] = [];
	for (const [index, reading] of readings.entries()) {
		const original = trial.operators[index];
		const namesake = named.get(reading.weight.name) ?? named.get(withoutPrefix(reading.weight.name, checkpoint));
		const pairs = original ? [byOriginal.get(original), namesake && namesakePair(original, namesake)] : [];
		for (const pair of pairs) {
			const measured = pair && (await measure(reading, pair, read));
			if (measured) {
				candidates.push(measured);
			}
		}
	}
	const best = assign(candidates, (candidate) => named.get(candidate.reading.weight.name) === candidate.pair.deployed);
	const unpaired = weights.filter(({ weight }) => !best.has(weight)).map((weight) => plainReading(weight));
	const copies = await findCopies([...best.values()], deployed, read);
	return { paired: [...best.values(), ...copies], unpaired, read };
}

/** Mean residual of a row up to which a deployed operator is a copy of another: quantization to 8 bits stays below. */
const COPIED = 0.05;

/**
 * Finds deployed operators that are copies of paired ones: a convolution that a model applies several times, with another
 * layer each time, has its rows in an operator each.
 */
async function findCopies(
	paired: readonly PairedWeight[],
	deployed: Network,
	read: CheckpointWeights['read'],
): Promise<readonly PairedWeight[]> {
	const used = new Set(paired.map(({ pair }) => pair.deployed));
	const weightNames = new Set(Array.from(used, ({ weight }) => weight));
	const byShape = new Map<string, PairedWeight[]>();
	for (const weight of paired.filter(({ rowLength }) => rowLength > 1)) {
		const shape = String(await deployed.weights.dims(weight.pair.deployed));
		byShape.set(shape, [...(byShape.get(shape) ?? []), weight]);
	}
	const copies: PairedWeight[] = [];
	for (const operator of deployed.operators) {
		const alike =
			used.has(operator) || weightNames.has(operator.weight)
				? []
				: (byShape.get(String(await deployed.weights.dims(operator))) ?? []).filter(isLike(operator));
		let closest: PairedWeight | undefined;
		for (const weight of alike) {
			const { reading, trial } = weight;
			const found = await measure(reading, namesakePair(trial, operator), read);
			if (found && meanResidual(found) <= Math.min(COPIED, closest ? meanResidual(closest) : COPIED)) {
				closest = { ...found, reading: copiedReading(reading, copies.length), copyOf: reading.weight };
			}
		}
		copies.push(...(closest ? [closest] : []));
	}
	return copies;
}

const isLike =
	({ kind, group }: LinearOperator) =>
	({ pair }: PairedWeight): boolean =>
		pair.deployed.kind === kind && pair.deployed.group === group;

/** Gives a copy of an operator a name of its own. */
function copiedReading(reading: OperatorReading, index: number): OperatorReading {
	const { name } = reading.weight;
	const tail = name.slice(operatorName(reading.weight).length);
	return { ...reading, weight: { ...reading.weight, name: `${operatorName(reading.weight)}:copy${index}${tail}` } };
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
	read: CheckpointWeights['read'],
): Promise<PairedWeight | undefined> {
	const values = await read(pair.original, pair.deployed);
	if (!values) {
		return undefined;
	}
	const { fit, radius, rivals } = pair;
	return {
		reading,
		pair: { deployed: pair.deployed, fit, radius, rivals },
		...measurePair(values),
		stored: values.stored,
		source: values.original.stored,
		rowLength: rowLength(values.original.layout),
		trial: pair.original,
	};
}

async function readValues(
	[trial, original]: readonly [Network, LinearOperator],
	[deployed, found]: readonly [Network, LinearOperator],
): Promise<PairedValues | undefined> {
	const ours = await trial.weights.read(original);
	const theirs = await deployed.weights.read(found);
	if (!ours.ok || !theirs.ok || !haveSameRows(ours.value, theirs.value)) {
		return undefined;
	}
	const { layout, weight, bias, stored, grid } = theirs.value;
	const isSame = sameLayout(ours.value.layout, layout);
	return {
		original: ours.value,
		deployed: isSame ? weight : relayout(weight, layout, ours.value.layout),
		deployedBias: bias,
		stored,
		isQuantized: grid !== undefined,
	};
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
