import type { PreparedLayer } from '../check/prepare-layer.js';
import type { OptimizationLevel } from '../runtime/runtime.js';
import type { RuntimeTensor } from '../tensors/tensor.js';
import type { Known, StagePorts } from './capture.js';

/** What running a model asks of its surroundings. */
export interface RunPorts extends Omit<StagePorts, 'check'> {
	/**
	 * Takes a layer's tensors.
	 * @param alone why the runtime gives no output to compare with; undefined: it does
	 */
	readonly check: (
		index: number,
		tensors: ReadonlyMap<string, RuntimeTensor>,
		alone?: string,
	) => Promise<PreparedLayer | undefined>;
	/** Takes the reason, one sentence, why this run does not reach a layer; `cause`: it leads past the layer. */
	readonly unreached: (index: number, reason: string, cause?: 'not-taken') => void;
	/** Takes what is to be said of a layer beside its verdict: one sentence. */
	readonly remark: (index: number, text: string) => void;
	/** Computes a layer's output, in the type of its input. */
	readonly recompute: (prepared: PreparedLayer) => RuntimeTensor;
}

/** A way to run a model for its layers' sake. */
export interface ModelRun {
	/** Level at which the runtime took it. */
	readonly level: OptimizationLevel;
	/** Layers that it does not reach, each with the reason in one sentence. */
	readonly unreached: ReadonlyMap<number, string>;
	/** What the user should know about how it ran: one sentence. */
	readonly remark: string | undefined;
	/**
	 * Runs it once, on known inputs.
	 * @throws {RuntimeError}
	 */
	run(known: Known, ports: RunPorts): Promise<void>;
	/** Gives back what is kept from one run to the next. */
	dispose(): Promise<void>;
}
