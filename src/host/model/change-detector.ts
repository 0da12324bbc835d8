/** Longer than the gap between the writes of one save, short enough to feel immediate. */
const QUIET_MILLISECONDS = 300;

export interface ChangeDetectorOptions {
	/**
	 * Describes the files as they are now, the model first: equal descriptions (of time and size) mean that nothing
	 * changed, undefined that the file is gone. Must not reject.
	 */
	readonly describe: () => PromiseLike<readonly (string | undefined)[]>;
	readonly onChange: (change: 'changed' | 'deleted') => void;
}

/**
 * Turns a burst of file events into at most one change, told when it is over. File watchers report more than happened:
 * several events a write, attribute changes, and deletion followed by creation for a save through a temporary file.
 */
export class ChangeDetector {
	readonly #options: ChangeDetectorOptions;
	#known: readonly (string | undefined)[] = [];
	#timer: NodeJS.Timeout | undefined;
	#disposed = false;

	constructor(options: ChangeDetectorOptions) {
		this.#options = options;
	}

	/** Takes the files as they are now as known. Call it before reading them: a write meanwhile then counts as a change. */
	async remember(): Promise<void> {
		this.#known = await this.#options.describe();
	}

	/** Takes files that are described only since then as known, and leaves what was known of the others. */
	async extend(): Promise<void> {
		const now = await this.#options.describe();
		this.#known = [...this.#known, ...now.slice(this.#known.length)];
	}

	/** Something may have happened to the files. */
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
		// An event may come before `extend`: a file without an earlier state is no change.
		const changed = now.some((file, index) => index < this.#known.length && file !== this.#known[index]);
		this.#known = now;
		if (changed && !this.#disposed) {
			this.#options.onChange(now[0] === undefined ? 'deleted' : 'changed');
		}
	}
}
