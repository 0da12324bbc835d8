import type { Comparison } from '../../../core/report/comparison.js';
import type { OutputComparison, OutputDifferences } from '../../../core/report/output-comparison.js';
import type { Stage } from '../../../core/report/stages.js';
import type { CompareOptions } from '../../../protocol/host-engine.js';
import { runWithGuessedSizes } from '../inputs/guessed-sizes.js';
import { type Feeds, planInputs } from '../inputs/inputs.js';
import { loadModel } from '../model/load-model.js';
import type { OpenedModel } from '../model/opened-model.js';
import { coarsestRounding, computesInIntegers } from '../model/roundoff.js';
import { type Runtime, RuntimeError, type RuntimeSession } from '../runtime/runtime.js';
import { InputError } from '../tensors/errors.js';
import type { Tensors } from '../tensors/tensor.js';
import { feedsFor } from './deployed-feeds.js';
import { findOutputPairs } from './layer-outputs.js';
import { type Difference, differenceOf } from './output-difference.js';
import { type Probes, probeRounding } from './probe.js';

export interface OutputContext {
	readonly runtime: Runtime;
	/** Called when a stage begins. */
	readonly progress: (stage: Stage) => void;
}

/** Two models whose files have been compared. */
export interface ModelPair {
	readonly original: OpenedModel;
	readonly deployed: OpenedModel;
	/** Verdicts on the layers; without them no first difference is looked for. */
	readonly comparison: Pick<Comparison, 'layers'>;
}

/** Choice of the inputs. */
export type RunOptions = Omit<CompareOptions, 'run'>;

/** Comparison of outputs, and the inputs that the original ran on. */
export interface OutputRun {
	readonly outputs: OutputComparison;
	readonly feeds: Tensors;
}

/** The deployed model does not run where the original does; the message is a sentence. */
export class DeployedRunError extends RuntimeError {}

/**
 * Runs both models on the same seeded input and compares their outputs.
 *
 * A bound derived layer by layer grows beyond use over a whole network. Instead, the effect of rounding in *this* network
 * on *this* input is measured (J. Vignes, "Discrete stochastic arithmetic for validating results of numerical software",
 * 2004): the original runs again on inputs that differ by a few units roundoff. A fold rounds every weight once more, so it
 * may move the outputs by a small multiple of the change in these runs.
 * @throws {RuntimeError | InputError} if either does not run; {@link DeployedRunError} if only the deployed model does not.
 */
export async function compareOutputs(pair: ModelPair, options: RunOptions, context: OutputContext): Promise<OutputRun> {
	const start = performance.now();
	const { runtime, progress } = context;
	const [names, deployedNames] = [pair.original, pair.deployed].map(({ model }) =>
		model.graph.outputs.map(({ name }) => name),
	);
	if (names.length !== deployedNames.length) {
		throw new InputError(`The models have different numbers of outputs: ${names.length} and ${deployedNames.length}.`);
	}
	progress('loading');
	const original = await runOriginal(pair, names, options, context);
	const deployed = await runDeployed(pair.deployed, deployedNames, original.feeds, runtime);
	const unitRoundoff = unitRoundoffOf(pair);
	const differences = names.map((name, i) =>
		differenceOf(original.tensors.get(name), deployed.get(deployedNames[i] ?? ''), {
			probe: original.probes.get(name),
			unitRoundoff,
		}),
	);
	const worst = differences.reduce((a, b) => (b.ratio > a.ratio ? b : a), {
		ratio: -1,
		maxAbs: 0,
		maxRel: 0,
		bound: 0,
	});
	const { problem } = worst;
	const feeds = original.feeds.tensors;
	if (problem !== undefined) {
		return { outputs: withoutNumbers(problem, { runtime: runtime.version, inputs: original.feeds.summary }), feeds };
	}
	const numbers = {
		maxAbs: Math.max(...differences.map(({ maxAbs }) => maxAbs)),
		maxRel: Math.max(...differences.map(({ maxRel }) => maxRel)),
		bound: worst.bound,
		runtime: runtime.version,
		inputs: original.feeds.summary,
		milliseconds: performance.now() - start,
	};
	return { outputs: await judge(worst, numbers, pair, { original, runtime }), feeds };
}

type Run = Pick<OutputComparison, 'runtime' | 'inputs' | 'milliseconds'>;
type Numbers = Run & OutputDifferences;

interface OriginalRun {
	readonly feeds: Feeds;
	readonly tensors: Tensors;
	readonly probes: Probes;
}

interface JudgeContext {
	readonly original: OriginalRun;
	readonly runtime: Runtime;
}

async function judge(
	worst: Difference,
	numbers: Numbers,
	pair: ModelPair,
	context: JudgeContext,
): Promise<OutputComparison> {
	if (worst.ratio <= 1) {
		return { ...numbers, status: 'match' };
	}
	if (computesInIntegers(pair.deployed)) {
		const reason = `The deployed model computes in 8 bits: on random input its outputs differ by up to ${percent(numbers.maxRel)}, which says nothing about the fold.`;
		return { ...numbers, status: 'skipped', reason };
	}
	const firstLayer = await findFirstDifference(pair, context).catch(() => undefined);
	return { ...numbers, status: 'mismatch', ...(firstLayer === undefined ? {} : { firstLayer }) };
}

function withoutNumbers(problem: string, run: Run): OutputComparison {
	return problem === 'not-finite'
		? {
				...run,
				status: 'skipped',
				reason: 'The original gives no finite outputs on this random input, so there is nothing to compare.',
			}
		: { ...run, status: 'mismatch', reason: problem };
}

const percent = (share: number): string => `${(100 * share).toPrecision(2)} %`;

function unitRoundoffOf({ original, deployed, comparison }: ModelPair): number {
	return coarsestRounding([original, deployed], comparison);
}

async function runOriginal(
	pair: ModelPair,
	names: readonly string[],
	options: RunOptions,
	{ runtime, progress }: OutputContext,
): Promise<OriginalRun> {
	const session = await loadModel(pair.original, runtime, { outputs: [] });
	try {
		progress('running');
		const plan = await planInputs(session.inputs, { ...options, files: options.inputs ?? [] });
		const [unfed] = plan.unfed.values();
		if (unfed !== undefined) {
			throw new InputError(unfed);
		}
		const run = await runWithGuessedSizes(plan, ({ tensors }) => session.run(tensors, names));
		const { feeds, result: tensors } = run;
		return { feeds, tensors, probes: await probeSession(session, { feeds: feeds.tensors, tensors }, pair) };
	} finally {
		await session.release();
	}
}

/** @param run inputs, and the tensors that the session computes from them */
function probeSession(
	session: RuntimeSession,
	run: { readonly feeds: Tensors; readonly tensors: Tensors },
	pair: ModelPair,
): Promise<Probes> {
	const names = [...run.tensors.keys()];
	return probeRounding((feeds) => session.run(feeds, names), { ...run, unitRoundoff: unitRoundoffOf(pair) });
}

/** @param outputs tensors to make outputs, beside the model's own */
async function runDeployed(
	deployed: OpenedModel,
	names: readonly string[],
	feeds: Feeds,
	runtime: Runtime,
	outputs: readonly string[] = [],
): Promise<Tensors> {
	const doesNotRun = (error: unknown) =>
		new DeployedRunError(`${deployed.model.path} does not run: ${(error as Error).message}`);
	const session = await loadModel(deployed, runtime, { outputs }).catch((error) => {
		throw doesNotRun(error);
	});
	try {
		return await session.run(feedsFor(session.inputs, feeds.tensors), names);
	} catch (error) {
		throw error instanceof InputError ? error : doesNotRun(error);
	} finally {
		await session.release();
	}
}

/**
 * Runs both models again with the outputs of layers captured.
 * @returns name of the first layer whose output differs by more than rounding; undefined if there is none
 */
async function findFirstDifference(pair: ModelPair, { original, runtime }: JudgeContext): Promise<string | undefined> {
	const layers = findOutputPairs(pair);
	const names = layers.map((layer) => layer.original);
	const session = await loadModel(pair.original, runtime, { outputs: names });
	const feeds = original.feeds.tensors;
	let tensors: Tensors;
	let probes: Probes;
	try {
		tensors = await session.run(feeds, names);
		probes = await probeSession(session, { feeds, tensors }, pair);
	} finally {
		await session.release();
	}
	const deployedNames = layers.map(({ deployed }) => deployed);
	const found = await runDeployed(pair.deployed, deployedNames, original.feeds, runtime, deployedNames);
	const unitRoundoff = unitRoundoffOf(pair);
	return layers.find(({ original: name, deployed }) => {
		const rounding = { probe: probes.get(name), unitRoundoff };
		const difference = differenceOf(tensors.get(name), found.get(deployed), rounding);
		return difference.ratio > 1 && difference.problem === undefined;
	})?.layer;
}
