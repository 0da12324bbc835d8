/** Numbers of a sum for which there is room at first. Sums of terms of similar size need two or three. */
const CAPACITY = 4;

/**
 * Array of exact sums of float64 numbers. Neither order nor grouping of the terms matters. Each sum is kept as numbers
 * that do not overlap, in ascending magnitude (Shewchuk 1997, as in Python's `math.fsum`). Terms must be finite.
 */
export class ExactSums {
	/** Room for the numbers of one sum. */
	#capacity = CAPACITY;
	/** Numbers of sum `k` from position `k * capacity` on. */
	#partials: Float64Array;
	/** How many numbers each sum has. */
	readonly #sizes: Uint16Array;
	/** A sum that {@link terms} leaves at zero. */
	#rest: ExactSums | undefined;

	/** @param length number of sums */
	constructor(length: number) {
		this.#partials = new Float64Array(length * CAPACITY);
		this.#sizes = new Uint16Array(length);
	}

	get length(): number {
		return this.#sizes.length;
	}

	/** Adds a number to sum `k`. */
	add(k: number, term: number): void {
		const start = k * this.#capacity;
		const end = start + this.#sizes[k];
		const partials = this.#partials;
		let x = term;
		let kept = start;
		for (let i = start; i < end; i++) {
			const y = partials[i];
			const sum = x + y;
			const low = Math.abs(x) < Math.abs(y) ? x - (sum - y) : y - (sum - x);
			if (low !== 0) {
				partials[kept++] = low;
			}
			x = sum;
		}
		if (x === 0) {
			this.#sizes[k] = kept - start;
		} else if (kept < start + this.#capacity) {
			partials[kept] = x;
			this.#sizes[k] = kept - start + 1;
		} else {
			this.#grow();
			this.#partials[k * this.#capacity + kept - start] = x;
			this.#sizes[k] += 1;
		}
	}

	/** Doubles the room for the numbers of each sum. */
	#grow(): void {
		const [old, capacity] = [this.#partials, this.#capacity];
		this.#capacity = 2 * capacity;
		this.#partials = new Float64Array(2 * old.length);
		for (let k = 0; k < this.length; k++) {
			this.#partials.set(old.subarray(k * capacity, (k + 1) * capacity), k * this.#capacity);
		}
	}

	/** Returns the numbers of sum `k`, in ascending magnitude. */
	#numbers(k: number): Float64Array {
		const start = k * this.#capacity;
		return this.#partials.subarray(start, start + this.#sizes[k]);
	}

	/** Adds a product to sum `k`, exactly unless it is out of the range of float64. */
	addProduct(k: number, a: number, b: number): void {
		const product = a * b;
		const [aHigh, bHigh] = [highHalf(a), highHalf(b)];
		const [aLow, bLow] = [a - aHigh, b - bHigh];
		this.add(k, product);
		this.add(k, aLow * bLow - (product - aHigh * bHigh - aLow * bHigh - aHigh * bLow));
	}

	/** Returns sum `k`, rounded once to nearest, ties to even. */
	value(k: number): number {
		const partials = this.#numbers(k);
		let i = partials.length - 1;
		let high = partials[i] ?? 0;
		let low = 0;
		while (i > 0) {
			const x = high;
			const y = partials[--i];
			high = x + y;
			low = y - (high - x);
			if (low !== 0) {
				break;
			}
		}
		// A tie that the next partial decides in the other direction.
		const next = i > 0 ? partials[i - 1] : 0;
		if (low !== 0 && Math.sign(low) === Math.sign(next)) {
			const moved = high + 2 * low;
			if (2 * low === moved - high) {
				return moved;
			}
		}
		return high;
	}

	/**
	 * Returns numbers with sum `k` as their exact sum: its rounded value, the rounded rest, and so on. Equal sums give
	 * equal numbers.
	 */
	terms(k: number): readonly number[] {
		this.#rest ??= new ExactSums(1);
		const rest = this.#rest;
		for (const partial of this.#numbers(k)) {
			rest.add(0, partial);
		}
		const terms: number[] = [];
		for (let value = rest.value(0); value !== 0; value = rest.value(0)) {
			terms.push(value);
			rest.add(0, -value);
		}
		return terms;
	}
}

/** Returns the upper 26 bits of a number (Veltkamp), so that products of halves are exact. */
function highHalf(value: number): number {
	const scaled = value * 134_217_729;
	return scaled - (scaled - value);
}
