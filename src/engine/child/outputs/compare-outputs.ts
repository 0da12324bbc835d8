import type { Comparison, OutputComparison } from '../../../core/report/comparison.js';
import type { CompareOptions, Stage } from '../../../protocol/host-engine.js';
import type { InspectPorts } from '../inspect.js';
import type { ModelFile } from '../model/model-file.js';
import { coarsestRounding, computesInIntegers } from '../model/roundoff.js';
import { type Runtime, RuntimeError, type RuntimeSession } from '../runtime/runtime.js';
import { InputError } from '../tensors/errors.js';
import { type LayerTensors, layerTensors } from './layer-tensors.js';
import { convert, loadSession, type ModelFeeds, runSeeded, type Tensors } from './model-session.js';
import { type Difference, differenceOf, type Probes, perturb, spreadOf } from './output-difference.js';

/** Runs of the original on slightly different inputs, which show how far rounding moves its outputs. */
const PROBES = 3;

export type OutputPorts = Pick<InspectPorts, 'runtime' | 'emit'>;

export interface OutputPair {
	readonly own: ModelFile;
	readonly other: ModelFile;
	readonly comparison: Comparison;
}

/** The deployed model does not run where the original does; the message is one sentence. */
export class DeployedRunError extends RuntimeError {}

/**
 * Runs both models on the same seeded input and compares their outputs.
 *
 * A bound over a whole network that is derived layer by layer grows beyond all use. What rounding can do to *this* network
 * on *this* input is measured instead (J. Vignes, "Discrete stochastic arithmetic for validating results of numerical
 * software", 2004): the original runs again on inputs that differ by a few units roundoff, and a fold, which rounds every
 * weight once more, may move the outputs by a small multiple of what those runs show.
 * @throws {RuntimeError | InputError} when either does not run; {@link DeployedRunError} when only the deployed does not.
 */
export async function compareOutputs(
	pair: OutputPair,
	options: Pick<CompareOptions, 'batch' | 'seed'>,
	ports: OutputPorts,
): Promise<OutputComparison> {
	const start = performance.now();
	const runtime = ports.runtime();
	const progress = (stage: Stage) => ports.emit({ type: 'progress', stage, done: 0, total: 1 });
	const names = pair.own.model.graph.outputs.map(({ name }) => name);
	const otherNames = pair.other.model.graph.outputs.map(({ name }) => name);
	if (names.length !== otherNames.length) {
		throw new InputError(`The models have different numbers of outputs: ${names.length} and ${otherNames.length}.`);
	}
	progress('loading');
	const original = await runOriginal(pair, names, options, { runtime, progress });
	const deployed = await runDeployed(pair.other, otherNames, original.feeds, runtime);
	const rounding = coarsestRounding([pair.own, pair.other], pair.comparison);
	const differences = names.map((name, i) =>
		differenceOf(original.tensors.get(name), deployed.get(otherNames[i] ?? ''), original.probes.get(name), rounding),
	);
	const worst = differences.reduce((a, b) => (b.ratio > a.ratio ? b : a), {
		ratio: -1,
		maxAbs: 0,
		maxRel: 0,
		bound: 0,
	});
	const { problem } = worst;
	if (problem !== undefined) {
		return withoutNumbers(problem, { runtime: runtime.version, inputs: original.feeds.summary });
	}
	const common = {
		maxAbs: Math.max(...differences.map(({ maxAbs }) => maxAbs)),
		maxRel: Math.max(...differences.map(({ maxRel }) => maxRel)),
		bound: worst.bound,
		runtime: runtime.version,
		inputs: original.feeds.summary,
		milliseconds: performance.now() - start,
	};
	return verdict(worst, common, pair, { names, original, runtime, rounding });
}

type Numbers = Omit<OutputComparison, 'status'>;

async function verdict(
	worst: Difference,
	numbers: Numbers,
	pair: OutputPair,
	context: PartContext,
): Promise<OutputComparison> {
	if (worst.ratio <= 1) {
		return { ...numbers, status: 'match' };
	}
	if (computesInIntegers(pair.other)) {
		const reason = `The deployed model computes in 8 bits: on random input its outputs differ by up to ${percent(numbers.maxRel)}, which says nothing about the fold.`;
		return { ...numbers, status: 'skipped', reason };
	}
	const firstLayer = await firstParting(pair, context).catch(() => undefined);
	return { ...numbers, status: 'mismatch', ...(firstLayer === undefined ? {} : { firstLayer }) };
}

function withoutNumbers(problem: string, run: Numbers): OutputComparison {
	return problem === 'not-finite'
		? {
				...run,
				status: 'skipped',
				reason: 'The original gives no finite outputs on this random input, so there is nothing to compare.',
			}
		: { ...run, status: 'mismatch', reason: problem };
}

const percent = (share = 0): string => `${(100 * share).toPrecision(2)} %`;

interface OriginalRun {
	readonly feeds: ModelFeeds;
	readonly tensors: Tensors;
	readonly probes: Probes;
}

async function runOriginal(
	{ own, other, comparison }: OutputPair,
	names: readonly string[],
	options: Pick<CompareOptions, 'batch' | 'seed'>,
	{ runtime, progress }: { readonly runtime: Runtime; readonly progress: (stage: Stage) => void },
): Promise<OriginalRun> {
	const session = await loadSession(own, [], runtime);
	try {
		progress('running');
		const { feeds, tensors } = await runSeeded(session, names, options);
		const rounding = coarsestRounding([own, other], comparison);
		return { feeds, tensors, probes: await probe(session, names, { feeds, tensors, rounding }) };
	} finally {
		await session.release();
	}
}

/** How far each tensor moves when the inputs differ by a few units roundoff. */
async function probe(
	session: RuntimeSession,
	names: readonly string[],
	{ feeds, tensors, rounding }: { readonly feeds: ModelFeeds; readonly tensors: Tensors; readonly rounding: number },
): Promise<Probes> {
	const probes = new Map<string, number>();
	for (let seed = 1; seed <= PROBES; seed++) {
		const moved = await session.run(perturb(feeds.tensors, rounding, seed), names);
		for (const name of names) {
			const spread = spreadOf(tensors.get(name), moved.get(name));
			probes.set(name, Math.max(probes.get(name) ?? 0, spread));
		}
	}
	return probes;
}

async function runDeployed(
	other: ModelFile,
	names: readonly string[],
	feeds: ModelFeeds,
	runtime: Runtime,
	captured: readonly string[] = [],
): Promise<Tensors> {
	let session: RuntimeSession;
	try {
		session = await loadSession(other, captured, runtime);
	} catch (error) {
		throw new DeployedRunError(`${other.model.path} does not run: ${(error as Error).message}`);
	}
	try {
		return await session.run(feedsFor(session, feeds), names);
	} catch (error) {
		if (error instanceof InputError) {
			throw error;
		}
		throw new DeployedRunError(`${other.model.path} does not run: ${(error as Error).message}`);
	} finally {
		await session.release();
	}
}

/** The same values for the deployed model: by name, else by position; converted where it takes another type. */
function feedsFor(session: RuntimeSession, { tensors }: ModelFeeds): Tensors {
	const given = [...tensors];
	if (session.inputs.length !== given.length) {
		throw new InputError(`The models take different inputs: ${given.length} and ${session.inputs.length} of them.`);
	}
	const named = session.inputs.every(({ name }) => tensors.has(name));
	return new Map(
		session.inputs.map(({ name, type }, i) => {
			const tensor = named ? tensors.get(name) : given[i]?.[1];
			if (!tensor) {
				throw new InputError(`The models take different inputs: nothing fits "${name}".`);
			}
			return [name, convert(tensor, type, `Input "${name}"`)];
		}),
	);
}

interface PartContext {
	readonly names: readonly string[];
	readonly original: OriginalRun;
	readonly runtime: Runtime;
	readonly rounding: number;
}

/** Runs both again with the layers' outputs captured: the first that differs by more than rounding is where they part. */
async function firstParting(
	pair: OutputPair,
	{ original, runtime, rounding }: PartContext,
): Promise<string | undefined> {
	const places: readonly LayerTensors[] = layerTensors(pair);
	const own = places.map(({ original: name }) => name);
	const session = await loadSession(pair.own, own, runtime);
	let tensors: Tensors;
	let probes: Probes;
	try {
		tensors = await session.run(original.feeds.tensors, own);
		probes = await probe(session, own, { feeds: original.feeds, tensors, rounding });
	} finally {
		await session.release();
	}
	const others = places.map(({ deployed }) => deployed);
	const found = await runDeployed(pair.other, others, original.feeds, runtime, others);
	return places.find(({ original: name, deployed }) => {
		const difference = differenceOf(tensors.get(name), found.get(deployed), probes.get(name), rounding);
		return difference.ratio > 1 && difference.problem === undefined;
	})?.layer;
}
