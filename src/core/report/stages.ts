/** Stages of an engine's task -> words for progress displays. */
export const STAGES = {
	opening: 'Reading the model',
	comparing: 'Comparing weights and biases',
	writing: 'Writing the folded model',
	loading: 'Loading the model into the runtime',
	running: 'Running the model',
	collecting: 'Collecting statistics',
	verifying: 'Recomputing the layers',
	pairing: 'Comparing the values inside both models',
} as const;

export type Stage = keyof typeof STAGES;

/** Returns the words for a stage. A stage of a later version gets its name. */
export function stageWords(stage: string): string {
	const words: Readonly<Record<string, string>> = STAGES;
	return Object.hasOwn(words, stage) ? words[stage] : stage;
}
