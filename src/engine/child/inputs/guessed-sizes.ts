import { RuntimeError } from '../runtime/runtime.js';
import type { Feeds, InputPlan } from './inputs.js';

/**
 * Sizes tried for unknown dimensions, in this order, until the model runs. 1 is the cheapest, and enough for most
 * graphs. Convolutions without padding and fully connected heads need more, and image networks are made for 224.
 */
export const UNKNOWN_SIZES = [1, 64, 224] as const;

/** A run that succeeded. */
export interface GuessedRun<T> {
	readonly feeds: Feeds;
	/** Size given to unknown dimensions. */
	readonly unknownSize: number;
	readonly result: T;
}

/** Size that a model ran with, so that its next run does not fail with a smaller size first. */
const LEARNED = new WeakMap<object, number>();

/**
 * Calls `run` with the feeds of a plan's first run, for each guess of the unknown sizes in turn, until a call succeeds.
 * @param model remembers the guess that succeeded
 * @throws {RuntimeError | InputError} the first failure if no guess succeeds. A model that does not load is not tried again.
 */
export async function runWithGuessedSizes<T>(
	plan: InputPlan,
	run: (feeds: Feeds) => Promise<T>,
	model: object = plan,
): Promise<GuessedRun<T>> {
	let failure: unknown;
	const learned = LEARNED.get(model);
	const sizes = learned === undefined ? UNKNOWN_SIZES : [learned, ...UNKNOWN_SIZES.filter((size) => size !== learned)];
	for (const unknownSize of plan.guesses ? sizes : UNKNOWN_SIZES.slice(0, 1)) {
		const feeds = await plan.feeds(0, unknownSize);
		try {
			const result = await run(feeds);
			LEARNED.set(model, unknownSize);
			return { feeds, unknownSize, result };
		} catch (error) {
			failure ??= error;
			if (!(error instanceof RuntimeError) || error.phase === 'load') {
				break;
			}
		}
	}
	if (failure instanceof RuntimeError && failure.phase === 'run' && plan.guessed.length > 0) {
		const [first] = plan.guessed;
		const message = `${failure.message.replace(/\.$/, '')}. The model leaves sizes open (${plan.guessed.join(', ')}), and no guess runs; state them, for example with --dim ${first}=SIZE.`;
		throw new RuntimeError(message, 'run', failure.detail);
	}
	throw failure;
}
