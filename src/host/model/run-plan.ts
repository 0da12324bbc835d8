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

/** How a model is to be run, as far as its user has said so. */
export interface RunPlan {
	/** Files and folders to feed, chosen in dialogs of VS Code: a page never names one. */
	readonly files: readonly InputFile[];
	readonly choices: RunChoices;
}

/** Nothing was said: seeded random values, and the settings in force. */
export const NO_PLAN: RunPlan = { files: [], choices: {} };

/** Settings that stand behind what a plan leaves open; the memory in megabytes. */
export type RunDefaults = RunForm['defaults'];

/** @returns the plan without what this model has no place for: it may have changed since. */
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

/** What the engine is told. */
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
		// A budget that somebody chose is kept strictly, which takes time: the engine knows the default itself.
		...(memoryBudget * MEGABYTE !== DEFAULT_MEMORY_BUDGET && { memoryBudget: memoryBudget * MEGABYTE }),
		...rest,
		...(dimensions && { dimensions: Object.fromEntries(dimensions.map(({ name, size }) => [name, size])) }),
	};
}

/** What a page shows of a plan. */
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

/** The plan with other files for one of the inputs. */
export function withFiles(plan: RunPlan, input: string, paths: readonly string[]): RunPlan {
	const others = plan.files.filter((file) => file.input !== undefined && file.input !== input);
	return { ...plan, files: [...others, ...paths.map((path) => ({ input, path }))] };
}

/** Reads a stored plan, which another version may have written; what it does not understand is left out. */
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
