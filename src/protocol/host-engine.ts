import type { StructureOptions } from '../core/inspection/structure-report.js';
import type { Comparison } from '../core/report/comparison/comparison.js';
import type { FoldResult } from '../core/report/fold-result.js';
import type { ReestimationResult } from '../core/report/reestimation.js';
import type { RepairResult } from '../core/report/repair-result.js';
import type { ColorOrder, Distribution, Normalization } from '../core/report/run-choices.js';
import type { Stage } from '../core/report/stages.js';
import type { StatisticsMode, StatisticsReport } from '../core/report/statistics.js';
import type { Report } from '../core/report/types.js';
import type { ReportEvent } from '../core/report/update.js';

/** Messages between a parent (extension host, command line) and its engine. */

export interface ModelLocation {
	/** Absolute path, or with `bytes` a name for messages. */
	readonly path: string;
	/** The whole model, from a file system that the child cannot reach. External data is then unavailable. */
	readonly bytes?: Uint8Array;
}

/**
 * A file, or a folder of files, for a model input. `input` undefined means the model's only input. Several files for
 * the same input are its samples. They run in batches of the size that the input declares, or of
 * `InspectOptions.batch`.
 */
export interface InputFile {
	readonly input: string | undefined;
	readonly path: string;
}

export interface InspectOptions {
	/** false: structure, parameters and health only. */
	readonly run: boolean;
	readonly inputs: readonly InputFile[];
	/** Value for an unknown first dimension. */
	readonly batch: number;
	/** Sizes of unknown dimensions, by symbol ("height") or place ("input:2"). */
	readonly dimensions?: Readonly<Record<string, number>>;
	readonly seed: number;
	/** Distribution of random inputs: standard normal (default), or uniform in [0, 1]. */
	readonly random?: Distribution;
	/** Scaling of image files. Default: "imagenet" for three channels, else "0..1". Integer inputs take unscaled pixels. */
	readonly normalize?: Normalization;
	/** Order of the colors of an image with three channels. Default: "rgb". Does not change other files. */
	readonly colors?: ColorOrder;
	/** Maximum bytes of tensors captured in a run; default 512 MB. A model that needs more runs several times. */
	readonly memoryBudget?: number;
	/** Limits of the health findings; each missing limit has its default. */
	readonly thresholds?: StructureOptions['thresholds'];
	/** Limits of the finding `statistics-drift`; defaults: core/batchnorm/drift.ts. */
	readonly drift?: { readonly least?: number; readonly standardErrors?: number };
	/** Folder for each layer's recomputed output: <layer index>.npy, or <run>/<layer index>.npy for several runs. */
	readonly saveOutputs?: string;
	/** File that the parent will write. The task fails early if it is a file that the task reads. */
	readonly output?: string;
	/** false: skips the comparison with the runtime's default optimization level. */
	readonly compareOptimized?: boolean;
	/** Path of a scratch file. The engine removes it; the parent does if the engine was killed. */
	readonly temporary?: string;
}

export interface CompareOptions
	extends Pick<InspectOptions, 'batch' | 'dimensions' | 'seed' | 'random' | 'normalize' | 'colors' | 'memoryBudget'> {
	/** false: compares the parameters only, without running the models. */
	readonly run: boolean;
	/** Files for the original's inputs, which the deployed model gets, too. The first batch of them is run. */
	readonly inputs?: readonly InputFile[];
	/** File that the parent will write. The task fails early if it is a file that the task reads. */
	readonly output?: string;
}

export interface FoldOptions {
	/** Absolute path of the file to write, unlike the model's. */
	readonly output: string;
	/** Folder beside the output, made for the unfinished files. The parent removes it after the task. */
	readonly temporary: string;
	/** True to fold constants, too, that are only the defaults of graph inputs. Default: false. */
	readonly treatsInputsAsConstants?: boolean;
	/** Size of an unknown first dimension when the written model is verified. */
	readonly batch: number;
	readonly seed: number;
}

/** The same choices as for a fold. */
export type RepairOptions = FoldOptions;

export interface ReestimateOptions
	extends Pick<InspectOptions, 'inputs' | 'dimensions' | 'normalize' | 'colors' | 'memoryBudget'> {
	/** Samples of a batch; default: chosen by the engine. */
	readonly batch?: number;
	/** Default: `batch`. */
	readonly mode?: StatisticsMode;
	/** Statistics to write instead of collecting them; `inputs` then only verify them. */
	readonly statistics?: StatisticsReport;
	/** Absolute path of the model to write, unlike the model's; undefined: statistics only. */
	readonly output?: string;
	/** Folder, beside the output if there is one, made for unfinished files. The parent removes it after the task. */
	readonly temporary?: string;
}

/** Request and result type of each task. */
export interface EngineTasks {
	readonly inspect: {
		readonly request: { readonly model: ModelLocation; readonly options: InspectOptions };
		readonly result: Report;
	};
	readonly compare: {
		readonly request: {
			readonly original: ModelLocation;
			readonly deployed: ModelLocation;
			readonly options: CompareOptions;
		};
		readonly result: Comparison;
	};
	readonly fold: {
		readonly request: { readonly model: ModelLocation; readonly options: FoldOptions };
		readonly result: FoldResult;
	};
	readonly repair: {
		readonly request: {
			readonly model: ModelLocation;
			/** Source of the right values; without it, an inference model is made. */
			readonly original?: ModelLocation;
			readonly options: RepairOptions;
		};
		readonly result: RepairResult;
	};
	readonly reestimate: {
		readonly request: { readonly model: ModelLocation; readonly options: ReestimateOptions };
		readonly result: ReestimationResult;
	};
}

export type EngineTask = keyof EngineTasks;

export type EngineRequest = {
	[T in EngineTask]: { readonly type: T; readonly id: number } & EngineTasks[T]['request'];
}[EngineTask];

/** Makes a process load and compile all code that an inspection needs. Has no answer. */
export interface WarmUp {
	readonly type: 'warm-up';
}

export interface EngineFailure {
	/** Sentence that names the failure, the file and the reason. */
	readonly message: string;
	/** An OnnxErrorCode, or "cancelled", "crashed", "input", "internal". */
	readonly code: string;
}

/** Events of a request. A single `result` or `failure` ends it. */
export type EngineEvent =
	| {
			readonly type: 'progress';
			readonly id: number;
			readonly stage: Stage;
			/** Layers done of `total`, or 0 of 1 for an uncountable stage. */
			readonly done: number;
			readonly total: number;
	  }
	| (ReportEvent & { readonly id: number })
	/** Result of the task, typed by {@link EngineTasks}. */
	| { readonly type: 'result'; readonly id: number; readonly result: EngineTasks[EngineTask]['result'] }
	| { readonly type: 'failure'; readonly id: number; readonly failure: EngineFailure };
