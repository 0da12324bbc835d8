import { type ChannelLayout, channelCount, rowLength, sameLayout } from '../operators/layout.js';
import { weightLayout } from '../operators/weights.js';
import type { Network } from '../targets/network.js';
import { type ClosePair, closePairs } from './close-pairs.js';
import { commonRadius, type Positions, positionsOf, type Signature, signatures } from './neighborhood.js';
import { canFit, type Directions, directionsOf, fitOf, sampleLength, tellsApart } from './row-directions.js';

/** An original operator and the deployed operator that replaced it. */
export interface OperatorPair {
	readonly original: number;
	readonly deployed: number;
	/** Median |cos| between the beginnings of their rows; undefined if unknown. */
	readonly fit: number | undefined;
	/** Radius, in operators, of equal surroundings in the graphs. */
	readonly radius: number;
	/** Deployed operators that fit equally well except for their order. */
	readonly rivals: number;
}

export interface Pairing {
	/** Pairs by index of the original operator. */
	readonly byOriginal: ReadonlyMap<number, OperatorPair>;
	/** Pairs by index of the deployed operator. */
	readonly byDeployed: ReadonlyMap<number, OperatorPair>;
	/** Number of original operators with the shape of a deployed operator. */
	readonly comparable: number;
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
	readonly original: number;
	readonly deployed: number;
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
export async function pairOperators(original: Network, deployed: Network): Promise<Pairing> {
	const given = [await signatures(original), await signatures(deployed)];
	const [own, other] = positionsOf([original, deployed], given);
	const groups = groupBySignature(given[0], given[1]);
	const pairs: OperatorPair[] = [];
	let comparable = 0;
	for (const group of groups) {
		comparable += group.originals.length;
		pairs.push(...(await pairGroup(group, { original, deployed, own, other })));
	}
	return {
		byOriginal: new Map(pairs.map((pair) => [pair.original, pair])),
		byDeployed: new Map(pairs.map((pair) => [pair.deployed, pair])),
		comparable,
	};
}

interface Group {
	readonly originals: readonly number[];
	readonly deployeds: readonly number[];
}

function groupBySignature(
	original: readonly (Signature | undefined)[],
	deployed: readonly (Signature | undefined)[],
): Group[] {
	const indices = (list: readonly (Signature | undefined)[], wanted: Signature) =>
		Array.from(list.keys()).filter((index) => list[index] === wanted);
	const shared = new Set(original.filter((signature) => signature !== undefined && deployed.includes(signature)));
	return [...shared].flatMap((signature) =>
		signature === undefined
			? []
			: [{ originals: indices(original, signature), deployeds: indices(deployed, signature) }],
	);
}

interface Models {
	readonly original: Network;
	readonly deployed: Network;
	readonly own: Positions;
	readonly other: Positions;
}

/** Pairs operators with the same weights first, so that the remaining operators choose among the remaining partners. */
async function pairGroup(group: Group, models: Models): Promise<OperatorPair[]> {
	const { originals, deployeds } = group;
	if (originals.length === 1 && deployeds.length === 1) {
		// A single pair of this shape needs no fit, which saves reading its weights twice.
		return assign([candidateOf({ a: 0, b: 0, fit: undefined }, undefined, group, models)]);
	}
	const [a, b] = await samplesOf(group, models);
	const pairs: OperatorPair[] = [];
	for (const least of [EXACT_WEIGHTS, SAME_WEIGHTS, 0]) {
		const taken = new Set(pairs.map(({ original }) => original));
		const takenThere = new Set(pairs.map(({ deployed }) => deployed));
		const free: Free = {
			a: a.map((sample, rank) => (taken.has(originals[rank]) ? null : sample)),
			b: b.map((sample, rank) => (takenThere.has(deployeds[rank]) ? null : sample)),
		};
		const candidates = (least === 0 ? everyPair(free) : closePairs(...comparable(free), least))
			.map((pair) => candidateOf(pair, a[pair.a]?.layout, group, models))
			.filter(({ grade }) => least === 0 || grade >= SAME_GRADE);
		pairs.push(...assign(candidates));
	}
	return pairs;
}

/**
 * Samples of the weights of a group's operators: undefined without a sample, null once the operator has its partner.
 */
interface Free {
	readonly a: readonly (Sample | undefined | null)[];
	readonly b: readonly (Sample | undefined | null)[];
}

type FittingPair = Pick<ClosePair, 'a' | 'b'> & Pick<Candidate, 'fit'>;

function everyPair({ a, b }: Free): FittingPair[] {
	return a.flatMap((sample, rank) =>
		sample === null
			? []
			: b.flatMap((other, otherRank) =>
					other === null ? [] : [{ a: rank, b: otherRank, fit: sampleFit(sample, other) }],
				),
	);
}

/** True for samples with corresponding elements at the same positions, which is the usual case. */
function comparable({ a, b }: Free) {
	const like = [...a, ...b].find((sample) => sample);
	const directions = (samples: Free['a']) =>
		samples.map((sample) => (sample && like && areComparable(sample, like) ? sample.directions : undefined));
	return [directions(a), directions(b)] as const;
}

function candidateOf(
	{ a, b, fit }: FittingPair,
	layout: ChannelLayout | undefined,
	{ originals, deployeds }: Group,
	{ own, other }: Models,
): Candidate {
	const [original, deployed] = [originals[a], deployeds[b]];
	return {
		original,
		deployed,
		fit,
		grade: gradeOf(fit, layout),
		radius: commonRadius(own, original, other, deployed),
		displacement: Math.abs((a * deployeds.length) / originals.length - b),
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

/** Maximum number of elements up to which a matrix that may be stored transposed is read whole. */
const WHOLE = 1 << 22;

interface Sample {
	readonly directions: Directions;
	/** Layout of the whole tensor. */
	readonly layout: ChannelLayout;
	/** True if the sample is the whole tensor, row by row, in either orientation. */
	readonly isWhole: boolean;
}

/**
 * Reads the beginnings of the weights of both models' operators, or the whole weights if they are not all stored in one
 * orientation.
 */
async function samplesOf({ originals, deployeds }: Group, { original, deployed }: Models) {
	const a = await layoutsOf(original, originals);
	const b = await layoutsOf(deployed, deployeds);
	const [first, ...others] = [...a, ...b].filter((layout) => layout !== undefined);
	const isMixed = others.some((layout) => !sameLayout(layout, first));
	return [await read(original, originals, a, isMixed), await read(deployed, deployeds, b, isMixed)] as const;
}

async function layoutsOf({ operators, weights }: Network, indices: readonly number[]) {
	const layouts: (ChannelLayout | undefined)[] = [];
	for (const index of indices) {
		const dims = await weights.dims(operators[index]);
		layouts.push(dims && weightLayout(operators[index], dims));
	}
	return layouts;
}

async function read(
	{ operators, weights }: Network,
	indices: readonly number[],
	layouts: readonly (ChannelLayout | undefined)[],
	isMixed: boolean,
): Promise<(Sample | undefined)[]> {
	const samples: (Sample | undefined)[] = [];
	for (const [position, index] of indices.entries()) {
		const layout = layouts[position];
		const elements = layout ? channelCount(layout) * rowLength(layout) : 0;
		const isWhole = isMixed && elements <= WHOLE;
		const count = isWhole || !layout ? elements : sampleLength(layout);
		const data = layout && canFit(layout) ? await weights.sample(operators[index], count) : undefined;
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

/** The best candidates first; each operator is used once. */
function assign(candidates: readonly Candidate[]): OperatorPair[] {
	const ranked = [...candidates].sort(compare);
	const byOriginal = new Map<number, Candidate[]>();
	for (const candidate of candidates) {
		const own = byOriginal.get(candidate.original) ?? [];
		own.push(candidate);
		byOriginal.set(candidate.original, own);
	}
	const usedOriginals = new Set<number>();
	const usedDeployeds = new Set<number>();
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
