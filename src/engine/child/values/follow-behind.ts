import { Arrivals, type ValueGraph, type ValueMatch } from '../../../core/folding/values/arrival.js';
import type { ValueTensor } from '../../../core/folding/values/difference.js';
import { ValuePairing, type ValuePairingOptions } from '../../../core/folding/values/value-pairing.js';
import { LINEAR_TYPES } from '../../../core/onnx/graph/linear-types.js';
import { joinWords } from '../../../core/text/sentences.js';
import type { NodeNet } from '../model/node-net.js';
import type { OpenedModel } from '../model/opened-model.js';
import { loadPart } from '../model/partial-session.js';
import { requiredInputs } from '../model/required-inputs.js';
import { feedsFor } from '../outputs/deployed-feeds.js';
import { perturb } from '../outputs/probe.js';
import { type CaptureSource, capture } from '../run/capture.js';
import type { RunContext } from '../run/run-events.js';
import type { Runtime } from '../runtime/runtime.js';
import type { RuntimeTensor, Tensors } from '../tensors/tensor.js';
import { isKernelType } from '../tensors/tensor-size.js';
import type { PairDims } from './run-both.js';
import { TensorSource } from './tensor-source.js';
import { valuesOf } from './values-of.js';

/** What follows the models behind the place where they part. */
export interface FollowedPair {
	readonly original: OpenedModel;
	readonly deployed: OpenedModel;
	readonly net: NodeNet;
	readonly graph: ValueGraph;
	/** Inputs of the original. */
	readonly feeds: Tensors;
	readonly dims: PairDims;
}

export interface FollowOptions extends ValuePairingOptions {
	readonly runtime: Runtime;
	readonly unitRoundoff: number;
	readonly context: RunContext;
	readonly probeSeeds: readonly number[];
}

/** Values behind the first difference that the original computes from the deployed model's own. */
export interface FollowedValues {
	readonly arrivals: Arrivals;
	/** Sentence: the deployed tensors that the original was fed with. */
	readonly reason: string;
	/** Original tensors behind those that were fed. */
	readonly behind: ReadonlySet<string>;
}

/** Pairs of an original and a deployed tensor that are tried in all. */
const MAX_ATTEMPTS = 12;
/** Tensors behind a difference, and deployed tensors for each, that are tried. */
const MAX_TENSORS = 4;
const MAX_CANDIDATES = 3;

/**
 * Feeds the original with the deployed model's own values behind each difference, so that layers behind it are judged as
 * well. A deployed tensor takes the place of an original one if both models then compute the same behind an operator with
 * weights; values that stay different show nothing, because the place might be another one.
 * @param wanted tensors whose values are sought
 * @throws {RuntimeError}
 */
export async function followBehind(
	pair: FollowedPair,
	wanted: readonly string[],
	options: FollowOptions,
): Promise<FollowedValues | undefined> {
	const source = new TensorSource(pair.deployed, options.runtime);
	try {
		return await followFrom(
			{ ...pair, source, deployedFeeds: feedsFor(requiredInputs(pair.deployed.model), pair.feeds) },
			wanted,
			options,
		);
	} finally {
		await source.dispose();
	}
}

interface OpenPair extends FollowedPair {
	readonly source: TensorSource;
	readonly deployedFeeds: Tensors;
}

async function followFrom(
	pair: OpenPair,
	wanted: readonly string[],
	options: FollowOptions,
): Promise<FollowedValues | undefined> {
	const fed = new Map<string, string>();
	const behind = new Set<string>();
	let { matches } = pair.graph;
	let arrivals = new Arrivals(pair.graph);
	let attempts = 0;
	for (;;) {
		const sought = wanted.filter((name) => arrivals.of(name) === 'lost');
		const found = await nextPlace(pair, { arrivals, matches, fed, sought }, async (candidate) => {
			attempts++;
			return attempts > MAX_ATTEMPTS ? undefined : tryPlace(pair, fed, candidate, options);
		});
		if (!found) {
			break;
		}
		fed.set(found.original, found.deployed);
		for (const name of found.downstream) {
			behind.add(name);
		}
		const rest = [...matches].filter(([name]) => !behind.has(name));
		matches = new Map([...rest, ...found.matches]);
		arrivals = new Arrivals({ ...pair.graph, matches });
	}
	if (fed.size === 0) {
		return undefined;
	}
	const names = [...new Set(fed.values())];
	const reason = `The models part in front of the layer. Fed with the deployed model's own values of ${joinWords(names)}, the original computes the same.`;
	return { arrivals, reason, behind };
}

interface Candidate {
	readonly original: string;
	readonly deployed: string;
}

interface FoundPlace extends Candidate {
	readonly matches: ReadonlyMap<string, ValueMatch>;
	/** Original tensors computed from the fed one. */
	readonly downstream: readonly string[];
}

interface Search {
	readonly arrivals: Arrivals;
	readonly matches: ReadonlyMap<string, ValueMatch>;
	readonly fed: ReadonlyMap<string, string>;
	/** Lost tensors whose values are sought. */
	readonly sought: readonly string[];
}

/** Returns the first pair of tensors behind the first difference that `attempt` accepts. */
async function nextPlace(
	{ net, dims }: FollowedPair,
	{ arrivals, matches, fed, sought }: Search,
	attempt: (candidate: Candidate) => Promise<FoundPlace | undefined>,
): Promise<FoundPlace | undefined> {
	if (sought.length === 0) {
		return undefined;
	}
	const ancestors = new Set(net.ancestors(sought, new Set(fed.keys())).flatMap(({ outputs }) => outputs));
	const lost = [...dims.original.keys()].filter(
		(name) => ancestors.has(name) && !fed.has(name) && arrivals.of(name) === 'lost',
	);
	const taken = new Set([...Array.from(matches.values(), ({ deployed }) => deployed), ...fed.values()]);
	for (const original of lost.slice(0, MAX_TENSORS)) {
		const size = dims.original.get(original);
		const free = [...dims.deployed].filter(([name, other]) => !taken.has(name) && size && sameSizes(size, other));
		for (const [deployed] of free.slice(0, MAX_CANDIDATES)) {
			const found = await attempt({ original, deployed });
			if (found) {
				return found;
			}
		}
	}
	return undefined;
}

const sameSizes = (a: readonly number[], b: readonly number[]): boolean =>
	a.length === b.length && a.every((size, axis) => size === b[axis]);

async function tryPlace(
	pair: OpenPair,
	fed: ReadonlyMap<string, string>,
	candidate: Candidate,
	options: FollowOptions,
): Promise<FoundPlace | undefined> {
	const { net, dims, source: deployed, deployedFeeds, feeds } = pair;
	const { context, probeSeeds, unitRoundoff } = options;
	const places = new Map([...fed, [candidate.original, candidate.deployed]]);
	const values = await deployed.capture([...places.values()], deployedFeeds, context);
	const given = new Map(feeds);
	for (const [original, name] of places) {
		const tensor = values.get(name);
		if (!tensor) {
			return undefined;
		}
		given.set(original, tensor);
	}
	const downstream = tensorsBehind(net, [...dims.original.keys()], candidate.original).filter(
		(name) => !places.has(name),
	);
	const pairing = new ValuePairing(options);
	const source = partSource(pair, given, options.runtime);
	const visit = (tensors: Tensors, visitor: (name: string, tensor: ValueTensor) => void) =>
		visitPart(source, downstream, tensors, { context, visitor });
	await visit(given, (name, tensor) => pairing.addOriginal(name, tensor));
	for (const seed of probeSeeds) {
		await visit(perturb(given, unitRoundoff, seed), (name, tensor) => pairing.addProbe(name, tensor));
	}
	await deployed.visit(deployedFeeds, context, (name, tensor) => pairing.addDeployed(name, valuesOf(tensor)));
	const { matches } = pairing;
	return showsPlace(net, downstream, matches) ? { ...candidate, matches, downstream } : undefined;
}

/** True if an operator with weights gives the same in both models. */
function showsPlace(net: NodeNet, downstream: readonly string[], matches: ReadonlyMap<string, ValueMatch>): boolean {
	const weighted = new Set<string>();
	for (const name of downstream) {
		const node = net.writer(name);
		// Equal results of an operator with weights show that it was fed with the right tensor.
		const isBehind =
			node && (LINEAR_TYPES.has(node.opType) || [...net.reads(node)].some((input) => weighted.has(input)));
		if (isBehind) {
			weighted.add(name);
			if (matches.has(name)) {
				return true;
			}
		}
	}
	return false;
}

/** Returns the tensors that nodes compute from a tensor. @param names in graph order */
function tensorsBehind(net: NodeNet, names: readonly string[], tensor: string): string[] {
	const behind = new Set([tensor]);
	for (const node of net.order) {
		if ([...net.reads(node)].some((name) => behind.has(name))) {
			for (const output of node.outputs) {
				behind.add(output);
			}
		}
	}
	behind.delete(tensor);
	return names.filter((name) => behind.has(name));
}

/** Loads parts of the original that begin at given tensors. */
function partSource({ original, net }: FollowedPair, known: Tensors, runtime: Runtime): CaptureSource {
	const declared = new Map(requiredInputs(original.model).map(({ name, type }) => [name, { type }]));
	const given = new Map([
		...declared,
		...[...known].flatMap(([name, { type, dims }]) => (declared.has(name) ? [] : [[name, { type, dims }] as const])),
	]);
	const load = (part: { readonly outputs: readonly string[]; readonly shapes?: readonly string[] }) => {
		const nodes = net.ancestors([...part.outputs, ...(part.shapes ?? [])], new Set(given.keys()));
		return loadPart(original, { ...part, nodes, given }, runtime, { frugal: true });
	};
	return {
		usesRuntimeMemory: true,
		load: (outputs) => load({ outputs }),
		finish: (session) => session.release(),
		loadPart: (outputs) => load({ outputs }),
		loadShapes: (shapes) => load({ outputs: [], shapes }),
	};
}

async function visitPart(
	source: CaptureSource,
	names: readonly string[],
	tensors: Tensors,
	{ context, visitor }: { readonly context: RunContext; readonly visitor: (name: string, tensor: ValueTensor) => void },
): Promise<void> {
	const captures = names.map((name) => ({ consumer: name, tensors: [name] }));
	const known = { tensors, symbols: new Map<string, number>() };
	for await (const group of capture(source, captures, known, context)) {
		for (const name of group.consumers) {
			const tensor: RuntimeTensor | undefined = group.tensors.get(name);
			if (tensor && isKernelType(tensor.type)) {
				visitor(name, valuesOf(tensor));
			}
		}
	}
}
