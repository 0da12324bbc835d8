import {
	DEFAULT_MEMORY_BUDGET,
	MEGABYTE,
	openDimensions,
	parseRunChoices,
	type RunChoices,
	type RunForm,
	type RunnableInput,
} from '../../core/report/run-choices.js';
import type { InputFile, InspectOptions } from '../../protocol/host-engine.js';

/** The user's choices for running a model. */
export interface RunPlan {
	/** Input files and folders. The user picks them in VS Code's dialogs; a page never sends a path. */
	readonly files: readonly InputFile[];
	readonly choices: RunChoices;
}

/** Plan without choices: seeded random input and the current settings. */
export const NO_PLAN: RunPlan = { files: [], choices: {} };

/** Defaults for values that a plan omits; memory budget in MB. */
export type RunDefaults = RunForm['defaults'];

/** @returns The plan without inputs and dimensions that this model lacks; the file may have changed. */
export function fitPlan({ files, choices }: RunPlan, inputs: readonly RunnableInput[]): RunPlan {
	const open = new Set(openDimensions(inputs));
	const dimensions = choices.dimensions?.filter(({ name }) => open.has(name)) ?? [];
	const { dimensions: _, ...rest } = choices;
	return {
		files: files.filter(({ input }) =>
			input === undefined ? inputs.length === 1 : inputs.some(({ name }) => name === input),
		),
		choices: dimensions.length > 0 ? { ...rest, dimensions } : rest,
	};
}

/** Returns the engine's options for a plan. */
export function runOptions(
	{ files, choices }: RunPlan,
	{ batch, seed, memoryBudget }: RunDefaults,
): Omit<InspectOptions, 'thresholds' | 'drift'> {
	const { dimensions, ...rest } = choices;
	return {
		run: true,
		inputs: files,
		batch,
		seed,
		// Passes only a budget that the user chose, because the engine then keeps it strictly, which costs time.
		...(memoryBudget * MEGABYTE !== DEFAULT_MEMORY_BUDGET && { memoryBudget: memoryBudget * MEGABYTE }),
		...rest,
		...(dimensions && { dimensions: Object.fromEntries(dimensions.map(({ name, size }) => [name, size])) }),
	};
}

/** Returns the form that a page shows for a plan. */
export function runForm(
	plan: RunPlan,
	inputs: readonly RunnableInput[],
	{ defaults, trusted }: Pick<RunForm, 'defaults' | 'trusted'>,
): RunForm {
	const { files, choices } = fitPlan(plan, inputs);
	return {
		inputs: inputs.map((input) => ({
			...input,
			files: files.filter((file) => file.input === undefined || file.input === input.name).map(({ path }) => path),
		})),
		dimensions: openDimensions(inputs),
		choices,
		defaults,
		trusted,
	};
}

/** Returns the plan with other files for an input. */
export function withFiles(plan: RunPlan, input: string, paths: readonly string[]): RunPlan {
	const others = plan.files.filter((file) => file.input !== undefined && file.input !== input);
	return { ...plan, files: [...others, ...paths.map((path) => ({ input, path }))] };
}

/** Parses a stored plan. Drops unknown parts of other versions. */
export function parseRunPlan(value: unknown): RunPlan {
	const { files, choices } = (typeof value === 'object' && value !== null ? value : {}) as Record<string, unknown>;
	return {
		files: Array.isArray(files) && files.every(isInputFile) ? files : [],
		choices: parseRunChoices(choices) ?? {},
	};
}

function isInputFile(value: unknown): value is InputFile {
	const { input, path } = (typeof value === 'object' && value !== null ? value : {}) as Record<string, unknown>;
	return (input === undefined || typeof input === 'string') && typeof path === 'string';
}
