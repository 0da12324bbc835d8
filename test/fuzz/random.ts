/** Seeded random numbers (mulberry32): the same seed gives the same mutations on every machine. */
export class Random {
	#state: number;

	constructor(seed: number) {
		this.#state = seed >>> 0;
	}

	/** Uniform in [0, 1). */
	next(): number {
		this.#state = (this.#state + 0x6d2b79f5) >>> 0;
		let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
		mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
		return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
	}

	/** Returns an integer from 0 to `below` - 1, or 0 if `below` is 0. */
	below(below: number): number {
		return Math.floor(this.next() * below);
	}

	pick<T>(items: readonly [T, ...T[]]): T;
	pick<T>(items: readonly T[]): T | undefined;
	pick<T>(items: readonly T[]): T | undefined {
		return items[this.below(items.length)];
	}

	chance(probability: number): boolean {
		return this.next() < probability;
	}
}
