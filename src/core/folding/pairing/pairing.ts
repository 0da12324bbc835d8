import { type ChannelLayout, channelCount, rowLength, sameLayout } from '../operators/layout.js';
import type { LinearOperator } from '../operators/linear.js';
import { weightLayout } from '../operators/weight-layout.js';
import type { Network } from '../targets/network.js';
import { type ClosePair, closePairs } from './close-pairs.js';
import { nearPlaces } from './near-places.js';
import {
	commonRadius,
	type Positions,
	positionsOf,
	readSignatures,
	type Signature,
	type SignatureOptions,
	type Signatures,
} from './neighborhood.js';
import { canFit, type Directions, directionsOf, fitOf, sampleLength, tellsApart } from './row-directions.js';

/** An original operator and the deployed operator that replaced it. */
export interface OperatorPair {
	readonly original: LinearOperator;
	readonly deployed: LinearOperator;
	/** Median |cos| between the beginnings of their rows; undefined if unknown. */
	readonly fit: number | undefined;
	/** Radius, in operators, of equal surroundings in the graphs. */
	readonly radius: number;
	/** Deployed operators that fit equally well except for their order. */
	readonly rivals: number;
}

export interface Pairing {
	readonly byOriginal: ReadonlyMap<LinearOperator, OperatorPair>;
	readonly byDeployed: ReadonlyMap<LinearOperator, OperatorPair>;
	/** Number of original operators that have the shape of a deployed operator. */
	readonly comparable: number;
	/** Deployed operators without a partner that have the constants of an original with several readers. */
	readonly plainCopies?: ReadonlySet<LinearOperator>;
}

/** Rows that are multiples of each other up to rounding, to float16 at the coarsest. */
const EXACT_WEIGHTS = 1 - 1e-6;
/** Minimum fit of weights quantized to 8 bits or slightly retrained. */
const SAME_WEIGHTS = 0.99;
/**
 * Fit above which weights count as related. Random rows of a few dozen elements stay far below, retrained or noisy rows
 * far above.
 */
const RELATED_WEIGHTS = 0.7;

const EXACT_GRADE = 3;
const SAME_GRADE = 2;

interface Candidate {
	readonly original: LinearOperator;
	readonly deployed: LinearOperator;
	readonly fit: number | undefined;
	/**
	 * Quality of the pair. 3 and 2: the same weights, exactly or nearly; 1: related weights, or unknown; 0: other
	 * weights.
	 */
	readonly grade: number;
	readonly radius: number;
	/** Distance between their ranks among operators of this signature. */
	readonly displacement: number;
}

/**
 * Pairs the linear operators of two models. Names do not count, because exporters renumber them. Order alone does not
 * count, because optimizers reorder branches. Only operators of the same shape form a pair; among these, weights that are
 * multiples of each other decide, then the surroundings in the graph, then the order.
 */
export async function pairOperators(
	original: Network,
	deployed: Network,
	options?: SignatureOptions,
): Promise<Pairing> {
	const signatures = [await readSignatures(original, options), await readSignatures(deployed, options)] as const;
	const [originalPositions, deployedPositions] = positionsOf([original, deployed], signatures);
	const models = { original, deployed, positions: { original: originalPositions, deployed: deployedPositions } };
	const groups = groupBySignature(...signatures);
	const pairs: OperatorPair[] = [];
	let comparable = 0;
	for (const group of groups) {
		comparable += group.originals.length;
		pairs.push(...(await pairGroup(group, models)));
	}
	return {
		byOriginal: new Map(pairs.map((pair) => [pair.original, pair])),
		byDeployed: new Map(pairs.map((pair) => [pair.deployed, pair])),
		comparable,
	};
}

/** Operators with the same signature, in graph order. */
interface Group {
	readonly originals: readonly LinearOperator[];
	readonly deployeds: readonly LinearOperator[];
}

function groupBySignature(originals: Signatures, deployeds: Signatures): Group[] {
	const others = bySignature(deployeds);
	return Array.from(bySignature(originals)).flatMap(([signature, operators]) => {
		const partners = others.get(signature);
		return partners ? [{ originals: operators, deployeds: partners }] : [];
	});
}

function bySignature(signatures: Signatures): ReadonlyMap<Signature, readonly LinearOperator[]> {
	const groups = new Map<Signature, LinearOperator[]>();
	for (const [operator, signature] of signatures) {
		const group = groups.get(signature) ?? [];
		group.push(operator);
		groups.set(signature, group);
	}
	return groups;
}

interface Models {
	readonly original: Network;
	readonly deployed: Network;
	readonly positions: { readonly original: Positions; readonly deployed: Positions };
}

/** Pairs equal weights first. The remaining operators then have fewer candidates. */
async function pairGroup(group: Group, models: Models): Promise<OperatorPair[]> {
	const { originals, deployeds } = group;
	if (originals.length === 1 && deployeds.length === 1) {
		// A single pair of this shape needs no fit, which saves reading its weights twice.
		return assign([candidateOf({ originalRank: 0, deployedRank: 0, fit: undefined }, undefined, group, models)]);
	}
	const samples = await samplesOf(group, models);
	const pairs: OperatorPair[] = [];
	for (const least of [EXACT_WEIGHTS, SAME_WEIGHTS, 0]) {
		const pairedOriginals = new Set(pairs.map(({ original }) => original));
		const pairedDeployeds = new Set(pairs.map(({ deployed }) => deployed));
		const free: Samples = {
			originals: samples.originals.map((sample, rank) => (pairedOriginals.has(originals[rank]) ? null : sample)),
			deployeds: samples.deployeds.map((sample, rank) => (pairedDeployeds.has(deployeds[rank]) ? null : sample)),
		};
		const candidates = (least === 0 ? listPairs(free) : closePairs(...comparableDirections(free), least))
			.map((pair) => candidateOf(pair, samples.originals[pair.originalRank]?.layout, group, models))
			.filter(({ grade }) => least === 0 || grade >= SAME_GRADE);
		pairs.push(...assign(candidates));
	}
	return pairs;
}

/**
 * Samples of the weights of a group's operators: undefined without a sample, null once the operator has its partner.
 */
interface Samples {
	/** Samples in the order of the group's operators. */
	readonly originals: readonly (Sample | undefined | null)[];
	readonly deployeds: readonly (Sample | undefined | null)[];
}

type FittingPair = Pick<ClosePair, 'originalRank' | 'deployedRank'> & Pick<Candidate, 'fit'>;

function listPairs({ originals, deployeds }: Samples): FittingPair[] {
	const pairs: FittingPair[] = [];
	const freeRanks = deployeds.flatMap((deployed, rank) => (deployed === null ? [] : [rank]));
	const placesNear = nearPlaces(originals.length, freeRanks.length);
	for (const [originalRank, original] of originals.entries()) {
		if (original === null) {
			continue;
		}
		const { first, end } = placesNear(originalRank);
		for (const deployedRank of freeRanks.slice(first, end)) {
			const deployed = deployeds[deployedRank] ?? undefined;
			pairs.push({ originalRank, deployedRank, fit: sampleFit(original, deployed) });
		}
	}
	return pairs;
}

/** Returns the directions of the samples with corresponding elements, usually of all. */
function comparableDirections({ originals, deployeds }: Samples) {
	const like = [...originals, ...deployeds].find((sample) => sample);
	const directions = (samples: Samples['originals']) =>
		samples.map((sample) => (sample && like && areComparable(sample, like) ? sample.directions : undefined));
	return [directions(originals), directions(deployeds)] as const;
}

function candidateOf(
	{ originalRank, deployedRank, fit }: FittingPair,
	layout: ChannelLayout | undefined,
	{ originals, deployeds }: Group,
	{ positions }: Models,
): Candidate {
	const [original, deployed] = [originals[originalRank], deployeds[deployedRank]];
	return {
		original,
		deployed,
		fit,
		grade: gradeOf(fit, layout),
		radius: commonRadius(positions, original, deployed),
		displacement: Math.abs((originalRank * deployeds.length) / originals.length - deployedRank),
	};
}

function gradeOf(fit: number | undefined, layout: ChannelLayout | undefined): number {
	if (fit === undefined || !layout) {
		return 1;
	}
	if (fit >= EXACT_WEIGHTS) {
		return EXACT_GRADE;
	}
	if (!tellsApart(layout)) {
		return 1;
	}
	return fit >= SAME_WEIGHTS ? SAME_GRADE : fit >= RELATED_WEIGHTS ? 1 : 0;
}

/** Maximum elements of a matrix that is read whole, perhaps transposed. */
const MAX_WHOLE_ELEMENTS = 1 << 22;

interface Sample {
	readonly directions: Directions;
	/** Layout of the whole tensor. */
	readonly layout: ChannelLayout;
	/** True if the sample is the whole tensor, row by row, in either orientation. */
	readonly isWhole: boolean;
}

/**
 * Reads the beginnings of the weights of both models' operators. Reads the whole weights if their orientations differ.
 */
async function samplesOf({ originals, deployeds }: Group, { original, deployed }: Models) {
	const originalLayouts = await readLayouts(original, originals);
	const deployedLayouts = await readLayouts(deployed, deployeds);
	const [first, ...rest] = [...originalLayouts.values(), ...deployedLayouts.values()];
	const isMixed = rest.some((layout) => !sameLayout(layout, first));
	return {
		originals: await readSamples(original, originals, originalLayouts, isMixed),
		deployeds: await readSamples(deployed, deployeds, deployedLayouts, isMixed),
	};
}

async function readLayouts({ weights }: Network, operators: readonly LinearOperator[]) {
	const layouts = new Map<LinearOperator, ChannelLayout>();
	for (const operator of operators) {
		const dims = await weights.dims(operator);
		const layout = dims && weightLayout(operator, dims);
		if (layout) {
			layouts.set(operator, layout);
		}
	}
	return layouts;
}

async function readSamples(
	{ weights }: Network,
	operators: readonly LinearOperator[],
	layouts: ReadonlyMap<LinearOperator, ChannelLayout>,
	isMixed: boolean,
): Promise<(Sample | undefined)[]> {
	const samples: (Sample | undefined)[] = [];
	for (const operator of operators) {
		const layout = layouts.get(operator);
		const elements = layout ? channelCount(layout) * rowLength(layout) : 0;
		const isWhole = isMixed && elements <= MAX_WHOLE_ELEMENTS;
		const count = isWhole || !layout ? elements : sampleLength(layout);
		const data = layout && canFit(layout) ? await weights.sample(operator, count) : undefined;
		samples.push(data && layout && { directions: directionsOf(data.subarray(0, count), layout), layout, isWhole });
	}
	return samples;
}

function sampleFit(a: Sample | undefined, b: Sample | undefined): number | undefined {
	return a && b && areComparable(a, b) ? fitOf(a.directions, b.directions) : undefined;
}

/** True if elements at the same positions of two samples correspond. */
function areComparable(a: Sample, b: Sample): boolean {
	return a.isWhole ? b.isWhole : !b.isWhole && sameLayout(a.layout, b.layout);
}

/** Turns candidates into pairs, the best first. Each operator is used once. */
function assign(candidates: readonly Candidate[]): OperatorPair[] {
	const ranked = [...candidates].sort(compare);
	const byOriginal = new Map<LinearOperator, Candidate[]>();
	for (const candidate of candidates) {
		const candidatesOfOriginal = byOriginal.get(candidate.original) ?? [];
		candidatesOfOriginal.push(candidate);
		byOriginal.set(candidate.original, candidatesOfOriginal);
	}
	const usedOriginals = new Set<LinearOperator>();
	const usedDeployeds = new Set<LinearOperator>();
	const pairs: OperatorPair[] = [];
	for (const candidate of ranked) {
		const { original, deployed, fit, radius } = candidate;
		if (usedOriginals.has(original) || usedDeployeds.has(deployed)) {
			continue;
		}
		const rivals = (byOriginal.get(original) ?? []).filter(
			(rival) => rival.deployed !== deployed && isTie(rival, candidate),
		).length;
		usedOriginals.add(original);
		usedDeployeds.add(deployed);
		pairs.push({ original, deployed, fit, radius, rivals });
	}
	return pairs;
}

const compare = (a: Candidate, b: Candidate): number =>
	b.grade - a.grade || b.radius - a.radius || a.displacement - b.displacement;

const isTie = (a: Candidate, b: Candidate): boolean => a.grade === b.grade && a.radius === b.radius;
