import { commonRadius, type Positions, positionsOf, type Signature, signatures } from './context.js';
import { canFit, sampleFit, sampleLength, tellsApart } from './fit.js';
import { type ChannelLayout, channelCount, rowLength, sameLayout } from './layout.js';
import type { Network } from './network.js';
import { weightLayout } from './weights.js';

/** An original operator and the deployed one that took its place. */
export interface OperatorPair {
	readonly original: number;
	readonly deployed: number;
	/** |cos| between the beginnings of their rows; undefined: cannot be told. */
	readonly fit: number | undefined;
	/** How far around them the graphs look the same, in operators. */
	readonly radius: number;
	/** Other deployed operators that fit as well in every respect but their order. */
	readonly rivals: number;
}

export interface Pairing {
	/** By original operator. */
	readonly byOriginal: ReadonlyMap<number, OperatorPair>;
	/** By deployed operator. */
	readonly byDeployed: ReadonlyMap<number, OperatorPair>;
	/** Original operators that some deployed one has the shape of. */
	readonly comparable: number;
}

/** Rows that are multiples of each other up to rounding, to float16 at the coarsest. */
const EXACT_WEIGHTS = 1 - 1e-6;
/** The same after rounding to 8 bits, or after a little more training. */
const SAME_WEIGHTS = 0.99;
/** Random rows of a few dozen elements stay far below this, retrained or noisy ones far above. */
const RELATED_WEIGHTS = 0.7;

interface Candidate {
	readonly original: number;
	readonly deployed: number;
	readonly fit: number | undefined;
	/** 3 and 2: the same weights, exactly or nearly; 1: related, or nothing can be said; 0: other weights. */
	readonly grade: number;
	readonly radius: number;
	/** Distance between their ranks among operators of this signature. */
	readonly displacement: number;
}

/**
 * Pairs the linear operators of two models. Names do not matter, since exporters renumber them; order alone does not,
 * since optimizers reorder branches. Only operators of one shape can be a pair; among these weights that are multiples of
 * each other decide, then the surroundings in the graph, then the order.
 */
export async function pairOperators(original: Network, deployed: Network): Promise<Pairing> {
	const given = [await signatures(original), await signatures(deployed)];
	const [own, other] = positionsOf([original, deployed], given);
	const groups = groupBySignature(given[0], given[1]);
	const pairs: OperatorPair[] = [];
	let comparable = 0;
	for (const group of groups) {
		comparable += group.originals.length;
		const candidates = await candidatesOf(group, { original, deployed, own, other });
		pairs.push(...assign(candidates));
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

async function candidatesOf({ originals, deployeds }: Group, models: Models): Promise<Candidate[]> {
	const { original, deployed, own, other } = models;
	// A single pair of this shape needs no fit to be found, and reading it twice is saved.
	const isForced = originals.length === 1 && deployeds.length === 1;
	const a = isForced ? [] : await samples(original, originals);
	const b = isForced ? [] : await samples(deployed, deployeds);
	const scale = deployeds.length / originals.length;
	return originals.flatMap((i, rank) =>
		deployeds.map((j, otherRank) => {
			const fit = isForced ? undefined : fitOf(a[rank], b[otherRank]);
			return {
				original: i,
				deployed: j,
				fit,
				grade: gradeOf(fit, a[rank]?.layout),
				radius: commonRadius(own, i, other, j),
				displacement: Math.abs(rank * scale - otherRank),
			};
		}),
	);
}

function gradeOf(fit: number | undefined, layout: ChannelLayout | undefined): number {
	if (fit === undefined || !layout) {
		return 1;
	}
	if (fit >= EXACT_WEIGHTS) {
		return 3;
	}
	if (!tellsApart(layout)) {
		return 1;
	}
	return fit >= SAME_WEIGHTS ? 2 : fit >= RELATED_WEIGHTS ? 1 : 0;
}

/** Matrices are read whole up to this: one of a pair may be stored transposed. */
const WHOLE = 1 << 22;

interface Sample {
	readonly data: Float32Array | Float64Array;
	readonly layout: ChannelLayout;
}

async function samples({ operators, weights }: Network, indices: readonly number[]): Promise<(Sample | undefined)[]> {
	const result: (Sample | undefined)[] = [];
	for (const index of indices) {
		const operator = operators[index];
		const dims = await weights.dims(operator);
		const layout = dims && weightLayout(operator, dims);
		const count = layout && (dims.length === 2 ? WHOLE : sampleLength(layout));
		const data = layout && canFit(layout) ? await weights.sample(operator, count ?? 0) : undefined;
		result.push(data && layout && { data, layout });
	}
	return result;
}

function fitOf(a: Sample | undefined, b: Sample | undefined): number | undefined {
	if (!a || !b) {
		return undefined;
	}
	if (sameLayout(a.layout, b.layout)) {
		return sampleFit(a.data, b.data, a.layout);
	}
	// Gemm with transB against MatMul: whole tensors are small enough to be turned.
	const isWhole = [a, b].every(({ data, layout }) => data.length === channelCount(layout) * rowLength(layout));
	return isWhole
		? sampleFit(inRows(a), inRows(b), {
				groups: 1,
				outer: 1,
				perGroup: channelCount(a.layout),
				inner: rowLength(a.layout),
			})
		: undefined;
}

function inRows({ data, layout }: Sample): ArrayLike<number> {
	const length = rowLength(layout);
	const { outer, perGroup, inner } = layout;
	const rows = new Float64Array(data.length);
	data.forEach((value, index) => {
		const run = Math.floor(index / inner);
		const row = Math.floor(run / (perGroup * outer)) * perGroup + (run % perGroup);
		rows[row * length + (Math.floor(run / perGroup) % outer) * inner + (index % inner)] = value;
	});
	return rows;
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
