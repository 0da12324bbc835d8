import type { StructureOptions } from '../core/inspection/structure-report.js';
import type { Comparison } from '../core/report/comparison.js';
import type { FoldResult } from '../core/report/fold-result.js';
import type { Distribution, Normalization } from '../core/report/run-choices.js';
import type { Stage } from '../core/report/stages.js';
import type { LayerReport, Report, RunSummary } from '../core/report/types.js';

/** Messages between a parent (extension host or command line) and the engine's child process. */

export interface ModelLocation {
	/** Absolute path, or what to call the model when `bytes` carries it. */
	readonly path: string;
	/** The whole model, for file systems that the child cannot reach. External data is then unavailable. */
	readonly bytes?: Uint8Array;
}

/**
 * A file to feed to a model input, or a folder of them; `input` undefined: the model's only input. Several files for one
 * input are its samples: run in batches of the size that the input declares, or of `InspectOptions.batch`.
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
	/** Sizes of other unknown dimensions, by symbol ("height") or by place ("input:2"). */
	readonly dimensions?: Readonly<Record<string, number>>;
	readonly seed: number;
	/** Distribution of made-up floating inputs: standard normal (default), or uniform between 0 and 1. */
	readonly random?: Distribution;
	/** Of image files; default "imagenet" for three channels, else "0..1"; integers inputs take the pixels as they are. */
	readonly normalize?: Normalization;
	/** Bytes of captured tensors to hold at a time; default 512 MB. Beyond it the model is run several times. */
	readonly memoryBudget?: number;
	/** Limits of the health findings that differ from the defaults. */
	readonly thresholds?: StructureOptions['thresholds'];
	/** Limits of the finding `statistics-drift` that differ from the defaults (core/batchnorm/drift.ts). */
	readonly drift?: { readonly least?: number; readonly standardErrors?: number };
	/** Folder to write each layer's recomputed output to, as <index>.npy; of several runs, as <run>/<index>.npy. */
	readonly saveOutputs?: string;
	/** false: nothing is compared with what the runtime computes at its default level of optimization. */
	readonly compareOptimized?: boolean;
	/** A file that the engine may write and removes; the parent sees to it when the engine cannot. */
	readonly temporary?: string;
}

export interface CompareOptions {
	/** false: the files are compared, nothing is run. */
	readonly run: boolean;
	/** Value for an unknown first dimension. */
	readonly batch: number;
	readonly seed: number;
}

export interface FoldOptions {
	/** Absolute path of the file to write; never that of the model itself. */
	readonly output: string;
	/** Where it is written and verified first, in the same folder. The parent removes it when the task fails. */
	readonly temporary: string;
	/** Value for an unknown first dimension of the run that verifies what was written. */
	readonly batch: number;
	readonly seed: number;
}

/** Something to do: what the parent says, and what it gets. */
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
}

export type EngineTask = keyof EngineTasks;

export type TaskRequest = {
	[T in EngineTask]: { readonly type: T; readonly id: number } & EngineTasks[T]['request'];
}[EngineTask];

export type EngineRequest = TaskRequest | { readonly type: 'shutdown' };

export interface EngineFailure {
	/** One sentence: what, which file, why. */
	readonly message: string;
	/** An OnnxErrorCode, or "cancelled", "crashed", "input", "internal". */
	readonly code: string;
}

/** Everything with an id belongs to the request of that id; exactly one of `result` and `failure` ends it. */
export type EngineEvent =
	| {
			readonly type: 'progress';
			readonly id: number;
			readonly stage: Stage;
			readonly done: number;
			readonly total: number;
	  }
	/** The structure, before anything is run; `run.status` is "pending". */
	| { readonly type: 'structure'; readonly id: number; readonly report: Report }
	/** The layer at `index` is complete. */
	| { readonly type: 'layer'; readonly id: number; readonly index: number; readonly layer: LayerReport }
	| { readonly type: 'run'; readonly id: number; readonly run: RunSummary }
	/** What the task gives, by {@link EngineTasks}. */
	| { readonly type: 'result'; readonly id: number; readonly result: EngineTasks[EngineTask]['result'] }
	| { readonly type: 'failure'; readonly id: number; readonly failure: EngineFailure };
