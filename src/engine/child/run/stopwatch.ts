/** Parts of a run that are timed: loading models, running them, verifying layers, and judging their normalization. */
export type TimedPart = 'create' | 'run' | 'verify' | 'judge';

/** Adds up the time spent on each part of a run. */
export class Stopwatch {
	/** Part -> total time, in ms. */
	readonly milliseconds: Record<string, number> = {};

	/** Runs the work and adds its time, also on failure. */
	async time<T>(part: TimedPart, work: () => T | Promise<T>): Promise<T> {
		const start = performance.now();
		try {
			return await work();
		} finally {
			this.milliseconds[part] = (this.milliseconds[part] ?? 0) + performance.now() - start;
		}
	}
}
