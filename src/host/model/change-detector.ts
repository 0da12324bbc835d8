/** Quiet time after the last file event, in ms. Exceeds the gaps between the writes of a save. */
const QUIET_MILLISECONDS = 300;

export interface ChangeDetectorOptions {
	/**
	 * Returns a description (time and size) of each file, the model first; undefined for a missing file. Equal
	 * descriptions mean an unchanged file. Must not reject.
	 */
	readonly describe: () => PromiseLike<readonly (string | undefined)[]>;
	readonly onChange: (change: 'changed' | 'deleted') => void;
}

/**
 * Turns a burst of file events into at most one change, reported when the burst is over. A single write causes several
 * events. A change of attributes causes events, too, and a save through a temporary file a deletion and a creation.
 */
export class ChangeDetector {
	readonly #options: ChangeDetectorOptions;
	#known: readonly (string | undefined)[] = [];
	#timer: NodeJS.Timeout | undefined;
	#disposed = false;

	constructor(options: ChangeDetectorOptions) {
		this.#options = options;
	}

	/**
	 * Stores the current state of the files. Call it before reading them, so that a write during the read counts as a
	 * change.
	 */
	async remember(): Promise<void> {
		this.#known = await this.#options.describe();
	}

	/** Stores the state of files added since {@link remember}; keeps the stored state of the other files. */
	async extend(): Promise<void> {
		const now = await this.#options.describe();
		this.#known = [...this.#known, ...now.slice(this.#known.length)];
	}

	/** Schedules a look at the files. */
	poke(): void {
		clearTimeout(this.#timer);
		if (!this.#disposed) {
			this.#timer = setTimeout(() => void this.#compare(), QUIET_MILLISECONDS);
		}
	}

	dispose(): void {
		this.#disposed = true;
		clearTimeout(this.#timer);
	}

	async #compare(): Promise<void> {
		const now = await this.#options.describe();
		// An event may come before `extend`. A file without an earlier state does not count as changed.
		const changed = now.some((file, index) => index < this.#known.length && file !== this.#known[index]);
		this.#known = now;
		if (changed && !this.#disposed) {
			this.#options.onChange(now[0] === undefined ? 'deleted' : 'changed');
		}
	}
}
