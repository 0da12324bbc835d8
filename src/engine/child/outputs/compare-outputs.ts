import type { Comparison } from '../../../core/report/comparison/comparison.js';
import type { OutputComparison, OutputDifferences } from '../../../core/report/output-comparison.js';
import type { Stage } from '../../../core/report/stages.js';
import { joinWords } from '../../../core/text/sentences.js';
import type { CompareOptions } from '../../../protocol/host-engine.js';
import { runWithGuessedSizes } from '../inputs/guessed-sizes.js';
import { type Feeds, planInputs } from '../inputs/inputs.js';
import { withImpliedSizes } from '../model/guessed-sizes.js';
import { loadModel } from '../model/load-model.js';
import type { OpenedModel } from '../model/opened-model.js';
import { randomNode } from '../model/random-node.js';
import { coarsestRounding, computesInIntegers } from '../model/roundoff.js';
import { type Runtime, RuntimeError, type RuntimeSession } from '../runtime/runtime.js';
import { InputError } from '../tensors/errors.js';
import type { Tensors } from '../tensors/tensor.js';
import { feedsFor } from './deployed-feeds.js';
import { findOutputPairs } from './layer-outputs.js';
import { type Difference, differenceOf, spreadOf } from './output-difference.js';
import { PROBE_SEEDS, type Probes } from './probe.js';
import { largestProbes, type ProbedRun, probeFurther, probeSession } from './probe-original.js';
import { resolutionOf } from './resolution.js';

export interface OutputContext {
	readonly runtime: Runtime;
	/** Called when a stage begins. */
	readonly progress: (stage: Stage) => void;
	/** Loads a model, and may observe its runs; by default loads it unoptimized. */
	readonly load?: LoadSession;
	/** Seeds of runs on perturbed inputs that precede the deployed model's run; one by default. */
	readonly probes?: readonly number[];
}

const FIRST_PROBES: readonly number[] = PROBE_SEEDS.slice(0, 1);

/** Loads a model for its own outputs. @throws {RuntimeError} */
export type LoadSession = (model: OpenedModel) => Promise<RuntimeSession>;

/** Two models with compared files. */
export interface ModelPair {
	readonly original: OpenedModel;
	readonly deployed: OpenedModel;
	/** Verdicts on layers; without them, no first difference is sought. */
	readonly comparison: Pick<Comparison, 'layers'>;
}

/** Choice of the inputs. */
export type RunOptions = Omit<CompareOptions, 'run'>;

/** Comparison of outputs, and the inputs that the original ran on. */
export interface OutputRun {
	readonly outputs: OutputComparison;
	readonly feeds: Tensors;
	/** Name of the first output of the original that differs by more than rounding explains. */
	readonly firstWrong?: string | undefined;
}

/** The deployed model does not run where the original does; the message is a sentence. */
export class DeployedRunError extends RuntimeError {}

/**
 * Runs both models on the same seeded input and compares their outputs.
 *
 * A bound derived layer by layer grows beyond use over a whole network. Instead, the effect of rounding in *this* network
 * on *this* input is measured (J. Vignes, "Discrete stochastic arithmetic for validating results of numerical software",
 * 2004): the original runs again on inputs, and with constants, that differ by a few units roundoff. A fold rounds every
 * weight once more, so it may move the outputs by a small multiple of the change in these runs. Further runs can only raise
 * the bound, so outputs within the bound of the first runs need no others.
 * @throws {RuntimeError | InputError} if either does not run; {@link DeployedRunError} if only the deployed model does not.
 */
export async function compareOutputs(pair: ModelPair, options: RunOptions, context: OutputContext): Promise<OutputRun> {
	const start = performance.now();
	const { runtime, progress, probes: known = FIRST_PROBES } = context;
	const [names, deployedNames] = [pair.original, pair.deployed].map(({ model }) =>
		model.graph.outputs.map(({ name }) => name),
	);
	if (names.length !== deployedNames.length) {
		throw new InputError(`The models have different numbers of outputs: ${names.length} and ${deployedNames.length}.`);
	}
	progress('loading');
	const original = await runOriginal(pair, names, options, context);
	const load = context.load ?? plainLoad(runtime);
	const deployed = await runDeployed(pair.deployed, deployedNames, original.feeds, load);
	const { unitRoundoff } = original;
	const differencesBy = (probes: Probes) =>
		names.map((name, i) =>
			differenceOf(original.tensors.get(name), deployed.get(deployedNames[i] ?? ''), {
				probe: probes.get(name),
				unitRoundoff,
				resolution: resolutionOf(pair.original.model, name),
			}),
		);
	const first = differencesBy(original.probes);
	const isDecided = first.every(({ ratio, problem }) => ratio <= 1 || problem !== undefined);
	const all = isDecided
		? first
		: differencesBy(largestProbes([original.probes, await probeFurther(pair.original, original, { runtime, known })]));
	const { feeds } = original;
	const run = { runtime: runtime.version, inputs: original.summary };
	const failed = all.find(({ problem }) => problem !== undefined && problem !== 'not-finite');
	if (failed?.problem !== undefined) {
		return { outputs: { ...run, status: 'mismatch', reason: failed.problem }, feeds };
	}
	const excluded = names.flatMap((name, i) => {
		const reason = original.unsteady.has(name) ? 'is random' : all[i]?.problem ? 'is not finite' : undefined;
		return reason === undefined ? [] : [`"${name}" ${reason}`];
	});
	const differences = all.filter(({ problem }, i) => problem === undefined && !original.unsteady.has(names[i] ?? ''));
	if (differences.length === 0) {
		return { outputs: { ...run, status: 'skipped', reason: nothingToCompare(original, pair.original) }, feeds };
	}
	const isWrong = (difference: Difference) => differences.includes(difference) && difference.ratio > 1;
	const worst = differences.reduce((a, b) => (b.ratio > a.ratio ? b : a));
	const numbers = {
		maxAbs: Math.max(...differences.map(({ maxAbs }) => maxAbs)),
		maxRel: Math.max(...differences.map(({ maxRel }) => maxRel)),
		bound: worst.bound,
		boundRatio: worst.ratio,
		snrDb: Math.min(...differences.map(({ snrDb }) => snrDb)),
		runtime: runtime.version,
		inputs: original.summary,
		milliseconds: performance.now() - start,
	};
	const outputs = await judge(worst, numbers, pair, { original, runtime });
	if (outputs.status !== 'match' || excluded.length === 0) {
		const firstWrong = outputs.status === 'mismatch' ? names[all.findIndex(isWrong)] : undefined;
		return { outputs, feeds, ...(firstWrong !== undefined && { firstWrong }) };
	}
	const reason = `The other outputs agree, but ${joinWords(excluded)} on this input, so there is no comparison of all.`;
	return { outputs: { ...numbers, status: 'skipped', reason }, feeds };
}

function nothingToCompare({ unsteady }: OriginalRun, { model }: OpenedModel): string {
	const random = unsteady.size > 0 ? randomNode(model) : undefined;
	return random
		? `The outputs are random, because of ${random.opType}${random.name && ` ${random.name}`}, so there is nothing to compare.`
		: 'The original gives no finite outputs on this random input, so there is nothing to compare.';
}

type Run = Pick<OutputComparison, 'runtime' | 'inputs' | 'milliseconds'>;
type Numbers = Run & OutputDifferences;

interface OriginalRun extends ProbedRun {
	/** Inputs, for the report. */
	readonly summary: Feeds['summary'];
	readonly probes: Probes;
	/** Outputs that differ from run to run. */
	readonly unsteady: ReadonlySet<string>;
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
		const reason =
			'The deployed model computes in integers with operators that are not known here, so they do not show whether the layers are right.';
		return { ...numbers, status: 'skipped', reason };
	}
	const firstLayer = await findFirstDifference(pair, context).catch(() => undefined);
	return { ...numbers, status: 'mismatch', ...(firstLayer === undefined ? {} : { firstLayer }) };
}

function unitRoundoffOf({ original, deployed, comparison }: ModelPair): number {
	return coarsestRounding([original, deployed], comparison);
}

async function runOriginal(
	pair: ModelPair,
	names: readonly string[],
	options: RunOptions,
	{ runtime, progress, load = plainLoad(runtime), probes: seeds = FIRST_PROBES }: OutputContext,
): Promise<OriginalRun> {
	const session = await load(pair.original);
	try {
		progress('running');
		const dimensions = await withImpliedSizes(pair.original, options.dimensions);
		const plan = await planInputs(session.inputs, { ...options, dimensions, files: options.inputs ?? [] });
		const [unfed] = plan.unfed.values();
		if (unfed !== undefined) {
			throw new InputError(unfed);
		}
		const run = await runWithGuessedSizes(plan, ({ tensors }) => session.run(tensors, names), pair.original.model);
		const { feeds, result: tensors } = run;
		const unsteady = new Set<string>();
		if (randomNode(pair.original.model)) {
			const again = await session.run(feeds.tensors, names);
			for (const name of names.filter((name) => spreadOf(tensors.get(name), again.get(name)) > 0)) {
				unsteady.add(name);
			}
		}
		const probed = { feeds: feeds.tensors, tensors, unitRoundoff: unitRoundoffOf(pair) };
		return { ...probed, summary: feeds.summary, unsteady, probes: await probeSession(session, probed, seeds) };
	} finally {
		await session.release();
	}
}

function plainLoad(runtime: Runtime): LoadSession {
	return (model) => loadModel(model, runtime, { outputs: [] });
}

/** @param names outputs of the session that `load` returns */
async function runDeployed(
	deployed: OpenedModel,
	names: readonly string[],
	feeds: Tensors,
	load: LoadSession,
): Promise<Tensors> {
	const doesNotRun = (error: unknown) =>
		new DeployedRunError(`${deployed.model.path} does not run: ${(error as Error).message}`);
	const session = await load(deployed).catch((error) => {
		throw doesNotRun(error);
	});
	try {
		return await session.run(feedsFor(session.inputs, feeds), names);
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
	const { feeds, unitRoundoff } = original;
	let tensors: Tensors;
	let probes: Probes;
	try {
		tensors = await session.run(feeds, names);
		probes = await probeSession(session, { feeds, tensors, unitRoundoff });
	} finally {
		await session.release();
	}
	const deployedNames = layers.map(({ deployed }) => deployed);
	const found = await runDeployed(pair.deployed, deployedNames, feeds, (model) =>
		loadModel(model, runtime, { outputs: deployedNames }),
	);
	return layers.find(({ original: name, deployed }) => {
		const rounding = { probe: probes.get(name), unitRoundoff };
		const difference = differenceOf(tensors.get(name), found.get(deployed), rounding);
		return difference.ratio > 1 && difference.problem === undefined;
	})?.layer;
}
