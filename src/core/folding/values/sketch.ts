/** Elements of a tensor, row-major. */
export type Elements = Float32Array | Float64Array;

/**
 * Sums over a tensor's elements that depend on neither layout nor channel order, nor on zeros added as padding. Tensors
 * with equal values have equal sketches.
 */
export interface Sketch {
	readonly elements: number;
	/** Sum of |x|. */
	readonly sumAbs: number;
	/** Sum of x^2. */
	readonly energy: number;
	/** Largest |x|; infinite if an element is not finite. */
	readonly largest: number;
	readonly isConstant: boolean;
}

/** Minimum number of elements of a tensor that is paired by its values. */
export const MIN_ELEMENTS = 8;

export function sketchOf(values: Elements): Sketch {
	const { length } = values;
	const last = length % 2 === 0 ? 0 : values[length - 1];
	// Two chains of additions run at the same time.
	let [sumAbs, otherSumAbs] = [Math.abs(last), 0];
	let [energy, otherEnergy] = [last * last, 0];
	let largest = sumAbs;
	for (let i = 0; i + 1 < length; i += 2) {
		const size = Math.abs(values[i]);
		const other = Math.abs(values[i + 1]);
		sumAbs += size;
		otherSumAbs += other;
		energy += size * size;
		otherEnergy += other * other;
		if (size > largest) {
			largest = size;
		}
		if (other > largest) {
			largest = other;
		}
	}
	sumAbs += otherSumAbs;
	energy += otherEnergy;
	const areFinite = Number.isFinite(sumAbs);
	return {
		elements: values.length,
		sumAbs,
		energy,
		largest: areFinite ? largest : Number.POSITIVE_INFINITY,
		isConstant: !values.some((value) => value !== values[0]),
	};
}

/** True if a tensor's values can identify it: several finite elements that are not all equal. */
export function identifies({ elements, largest, isConstant }: Sketch): boolean {
	return elements >= MIN_ELEMENTS && !isConstant && Number.isFinite(largest);
}

/** Root mean square of a tensor's elements. */
export function rmsOf({ elements, energy }: Sketch): number {
	return elements === 0 ? 0 : Math.sqrt(energy / elements);
}

/**
 * True if two tensors may hold the same values: their sums differ by no more than differences of this root mean square
 * can make them differ.
 */
export function mayEqual(a: Sketch, b: Sketch, rms: number): boolean {
	const norm = Math.sqrt(a.elements) * rms;
	return (
		Math.abs(Math.sqrt(a.energy) - Math.sqrt(b.energy)) <= norm &&
		Math.abs(a.sumAbs - b.sumAbs) <= Math.max(a.elements, b.elements) * rms
	);
}
