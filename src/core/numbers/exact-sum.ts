/**
 * Array of exact sums of float64 numbers. Neither order nor grouping of the terms matters. Each sum is kept as numbers
 * that do not overlap, in ascending magnitude (Shewchuk 1997, as in Python's `math.fsum`). Terms must be finite.
 */
export class ExactSums {
	readonly #partials: number[][];

	/** @param length number of sums */
	constructor(length: number) {
		this.#partials = Array.from({ length }, () => []);
	}

	get length(): number {
		return this.#partials.length;
	}

	/** Adds a number to sum `k`. */
	add(k: number, term: number): void {
		const partials = this.#partials[k];
		let x = term;
		let kept = 0;
		for (let i = 0; i < partials.length; i++) {
			const y = partials[i];
			const sum = x + y;
			const low = Math.abs(x) < Math.abs(y) ? x - (sum - y) : y - (sum - x);
			if (low !== 0) {
				partials[kept++] = low;
			}
			x = sum;
		}
		partials.length = kept;
		if (x !== 0) {
			partials.push(x);
		}
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
		const partials = this.#partials[k];
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
		const rest = new ExactSums(1);
		for (const partial of this.#partials[k]) {
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
