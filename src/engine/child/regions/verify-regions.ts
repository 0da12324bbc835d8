import type { FoldRegion } from '../../../core/folding/rewrite/fold-region.js';
import { FLOAT_FORMATS } from '../../../core/numbers/float-formats.js';
import { ShapeInference } from '../../../core/onnx/graph/infer.js';
import { failure, type Result, success } from '../../../core/result.js';
import { loadBytes } from '../model/load-model.js';
import type { OpenedModel } from '../model/opened-model.js';
import { perturb } from '../outputs/probe.js';
import { type Runtime, RuntimeError, type RuntimeSession } from '../runtime/runtime.js';
import { fillElements } from '../tensors/elements.js';
import { InputError } from '../tensors/errors.js';
import { numbersOf } from '../tensors/numbers.js';
import { seededRandom } from '../tensors/random.js';
import type { RuntimeTensor } from '../tensors/tensor.js';
import { type ChannelSpread, excess, spreadByChannel } from './channel-spread.js';
import { regionBytes, type ScopesByPath, scopesByPath } from './region-model.js';
import { inputRank, inputShapes } from './region-shapes.js';

/** Verdict on a folded region. */
export type RegionVerdict =
	/** The outputs agree on every input. `ratio`: largest error in units of its bound. */
	| { readonly status: 'match'; readonly ratio: number }
	| { readonly status: 'mismatch'; readonly ratio: number }
	/** The region could not be run; the reason is a sentence. */
	| { readonly status: 'unverified'; readonly reason: string };

/** Original and folded model with inputs from an original run. */
export interface FoldedPair {
	readonly original: OpenedModel;
	readonly deployed: OpenedModel;
	/** Captured tensors of the original's main graph, by name. */
	readonly captured: ReadonlyMap<string, RuntimeTensor>;
}

/** Perturbed runs of the original. */
const PROBES = 3;

/**
 * Runs every folded region by itself, before and after the fold, on the same random inputs, and compares the outputs
 * channel by channel. No other part of the network takes part: a branch that is not taken, a random operator or a NaN
 * elsewhere hides no error here. Each region gets two inputs: normal numbers, and numbers so large that products and
 * constant terms weigh the same. A region with a shape that only the file declares also gets the captured tensor, which
 * proves the number of dimensions.
 * @returns verdicts in the order of `regions`
 */
export async function verifyRegions(
	pair: FoldedPair,
	regions: readonly FoldRegion[],
	runtime: Runtime,
	seed: number,
): Promise<readonly RegionVerdict[]> {
	const verifier = new RegionVerifier(pair, runtime, seed);
	const verdicts: RegionVerdict[] = [];
	for (const region of regions) {
		verdicts.push(await verifier.verify(region));
	}
	return verdicts;
}

class RegionVerifier {
	readonly #pair: FoldedPair;
	readonly #runtime: Runtime;
	readonly #seed: number;
	readonly #shapes = new ShapeInference(new Map(), 'inputs');
	readonly #originalScopes: ScopesByPath;
	readonly #deployedScopes: ScopesByPath;

	constructor(pair: FoldedPair, runtime: Runtime, seed: number) {
		this.#pair = pair;
		this.#runtime = runtime;
		this.#seed = seed;
		this.#originalScopes = scopesByPath(pair.original.model);
		this.#deployedScopes = scopesByPath(pair.deployed.model);
	}

	async verify(region: FoldRegion): Promise<RegionVerdict> {
		const captured = region.path === '' ? this.#pair.captured.get(region.input) : undefined;
		if (region.evidence !== 'inferred' && !captured) {
			return { status: 'unverified', reason: 'No run shows the shape of its input.' };
		}
		const rank = captured?.dims.length ?? inputRank(region, this.#shapes);
		if (rank === undefined) {
			return { status: 'unverified', reason: 'The number of dimensions of its input is not known.' };
		}
		const sessions: RuntimeSession[] = [];
		try {
			const original = await this.#load(this.#pair.original, this.#originalScopes, { ...region, rank });
			const deployed = await this.#load(this.#pair.deployed, this.#deployedScopes, { ...region, rank });
			for (const loaded of [original, deployed]) {
				if (!loaded.ok) {
					return { status: 'unverified', reason: loaded.reason };
				}
				sessions.push(loaded.value);
			}
			const [before, after] = sessions;
			return await this.#compare(region, { before, after, captured });
		} catch (error) {
			if (error instanceof RuntimeError || error instanceof InputError) {
				return { status: 'unverified', reason: error.message };
			}
			throw error;
		} finally {
			await Promise.all(sessions.map((session) => session.release()));
		}
	}

	async #load(
		file: OpenedModel,
		scopes: ScopesByPath,
		region: FoldRegion & { readonly rank: number },
	): Promise<Result<RuntimeSession>> {
		const bytes = await regionBytes(file, scopes, region);
		return bytes.ok ? success(await loadBytes(file, bytes.value, this.#runtime)) : failure(bytes.reason);
	}

	async #compare(region: FoldRegion, run: RegionRun): Promise<RegionVerdict> {
		const first = await this.#firstInput(region, run);
		let ratio = 0;
		const inputs = [
			first,
			this.#random(region, first.dims, region.inputScale),
			...(run.captured ? [run.captured] : []),
		];
		for (const input of inputs) {
			const next = await measure(region, run, input);
			if (next === undefined) {
				return { status: 'unverified', reason: 'Its output is not finite on random input.' };
			}
			ratio = Math.max(ratio, next);
		}
		return { status: ratio <= 1 ? 'match' : 'mismatch', ratio };
	}

	/** Returns a random input that the original region takes. @throws {RuntimeError} if it takes none */
	async #firstInput(region: FoldRegion, { before, captured }: RegionRun): Promise<RuntimeTensor> {
		let failed: unknown = new InputError('No input shape fits it.');
		for (const shape of captured ? [captured.dims] : inputShapes(region, this.#shapes)) {
			const input = this.#random(region, shape, 1);
			try {
				await before.run(new Map([[region.input, input]]), [region.output]);
				return input;
			} catch (error) {
				failed = error;
			}
		}
		throw failed;
	}

	#random({ dtype, input }: FoldRegion, dims: readonly number[], scale: number): RuntimeTensor {
		const random = seededRandom(this.#seed);
		const length = dims.reduce((count, size) => count * size, 1);
		return { type: dtype, dims, data: fillElements(dtype, length, () => scale * random.normal(), input) };
	}
}

interface RegionRun {
	readonly before: RuntimeSession;
	readonly after: RuntimeSession;
	readonly captured: RuntimeTensor | undefined;
}

/** Returns the largest difference in units of its bound; undefined if no output is finite. */
async function measure(
	region: FoldRegion,
	{ before, after }: RegionRun,
	input: RuntimeTensor,
): Promise<number | undefined> {
	const { unitRoundoff } = FLOAT_FORMATS[region.dtype];
	const run = async (session: RuntimeSession, x: RuntimeTensor) => {
		const outputs = await session.run(new Map([[region.input, x]]), [region.output]);
		return outputs.get(region.output);
	};
	const [expected, found] = [await run(before, input), await run(after, input)];
	if (!expected || !found || expected.dims.join() !== found.dims.join()) {
		return Number.POSITIVE_INFINITY;
	}
	const differences = spreadByChannel(expected, found, region);
	const probes: (ChannelSpread | undefined)[] = [];
	for (let probe = 1; probe <= PROBES; probe++) {
		const moved = perturb(new Map([[region.input, input]]), unitRoundoff, probe).get(region.input);
		const output = moved && (await run(before, moved));
		if (output) {
			probes.push(spreadByChannel(expected, output, region));
		}
	}
	if (!numbersOf(expected).some(Number.isFinite)) {
		return undefined;
	}
	return differences ? excess(differences, probes, { region, unitRoundoff }) : Number.POSITIVE_INFINITY;
}
