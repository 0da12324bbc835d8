import type { SkippedRecompute } from '../../../core/report/types.js';
import type { OptimizationLevel } from '../runtime/runtime.js';
import type { RuntimeTensor, Tensors } from '../tensors/tensor.js';
import type { CaptureMemory } from './capture-memory.js';
import type { Stopwatch } from './stopwatch.js';

/** Inputs of a run. */
export interface Known {
	readonly tensors: Tensors;
	/** Symbolic dimension -> size. */
	readonly symbols: ReadonlyMap<string, number>;
}

/** What all parts of a run share. */
export interface RunContext {
	readonly memory: CaptureMemory;
	/** Bytes that captured tensors may take at a time. */
	readonly budget: number;
	/** Bytes that a group of tensors may take if not all fit at a time; `budget` by default. */
	readonly groupBudget?: number;
	readonly watch: Stopwatch;
}

/** A result of a run. `index` is a layer index. */
export type RunEvent =
	| CapturedLayers
	/** The run misses a layer. `cause` "not-taken": in another branch. */
	| { readonly type: 'unreached'; readonly index: number; readonly why: Pick<SkippedRecompute, 'reason' | 'cause'> }
	/** A sentence to stand beside the layer's verdict. */
	| { readonly type: 'remark'; readonly index: number; readonly text: string };

/** Layers with the tensors that they need. */
export interface CapturedLayers {
	readonly type: 'layers';
	readonly layers: readonly CapturedLayer[];
	/** Valid until the next event is asked for. */
	readonly tensors: Tensors;
}

export interface CapturedLayer {
	/** Layer index. */
	readonly index: number;
	/** Present if the runtime cannot compute the layer's output. */
	readonly alone?: AloneLayer;
}

/** A layer whose output only a recomputation gives. */
export interface AloneLayer {
	/** Sentence: why the runtime cannot compute the output. */
	readonly reason: string;
	/** Gives the recomputed output, in the type of the input, to the rest of the run. */
	readonly provideOutput: (output: RuntimeTensor) => void;
}

/** Events in the order in which they happen. The run goes on only when the next event is asked for. */
export type RunEvents = AsyncGenerator<RunEvent, void, undefined>;

/** Runs the bodies inside a graph, or the graph. */
export interface Run {
	/**
	 * Runs once, on known inputs.
	 * @throws {RuntimeError}
	 */
	run(known: Known, context: RunContext): RunEvents;
	/** Releases sessions that are kept between runs. */
	dispose(): Promise<void>;
}

/** A way to run a model in order to capture the tensors of its layers. */
export interface ModelRun extends Run {
	/** Level at which the runtime took the model. */
	readonly level: OptimizationLevel;
	/** Layer index -> sentence why the run does not reach the layer. */
	readonly unreached: ReadonlyMap<number, string>;
	/** A sentence for the user about the way the model ran. */
	readonly remark: string | undefined;
}
