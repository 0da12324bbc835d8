import type { ValueMatch } from './arrival.js';
import { distance, type ValueDifference, type ValueTensor, valueDifference } from './difference.js';
import { identifies, mayEqual, rmsOf, type Sketch, sketchOf } from './sketch.js';

/** Difference that rounding explains. */
export interface ValueBound {
	/** Root mean square of all differences. */
	readonly rms: number;
	/** Largest single difference. */
	readonly maxAbs: number;
}

/** Change of a tensor by rounding, measured by running the original in another way. */
export type Noise = ValueBound;

/** Decides how far rounding may move an original tensor. Quantized models need another judge. */
export type ToleranceOf = (tensor: Pick<OriginalTensor, 'size' | 'largest' | 'noise'>) => ValueBound;

export interface OriginalTensor {
	readonly name: string;
	readonly dims: readonly number[];
	/** Root mean square of its values. */
	readonly size: number;
	/** Largest magnitude. */
	readonly largest: number;
	readonly noise: Noise;
}

interface Entry extends OriginalTensor {
	readonly sketch: Sketch;
	/** Undefined if the values did not fit in memory. Then only sketches are compared. */
	readonly values: ValueTensor | undefined;
	noise: Noise;
	bound?: ValueBound;
	match?: ValueMatch;
	/** The most similar deployed tensor without the same values. */
	nearest?: ValueMatch;
}

export interface ValuePairingOptions {
	readonly toleranceOf: ToleranceOf;
	/** Bytes that the kept tensors of the original may take. */
	readonly room: number;
	/** Returns false for tensors that do not correspond even if their values agree. */
	readonly mayMatch?: (original: string, deployed: string) => boolean;
}

const NO_NOISE: Noise = { rms: 0, maxAbs: 0 };

/**
 * Pairs the tensors of two models by their values. Takes the original's tensors, then the same tensors of runs that differ
 * by rounding alone, then the deployed model's tensors, each set in any order.
 */
export class ValuePairing {
	readonly #toleranceOf: ToleranceOf;
	readonly #mayMatch: (original: string, deployed: string) => boolean;
	readonly #entries = new Map<string, Entry>();
	/**
	 * Original tensors whose counterpart may be a deployed tensor that noise blurs: name -> noise of that tensor, relative to
	 * its size.
	 */
	readonly #blurred = new Map<string, number>();
	/** Bytes that the original's values may take. */
	readonly #room: number;
	#keptBytes = 0;
	/** Entries in order of their size; built when the first deployed tensor arrives. */
	#sorted: Entry[] | undefined;

	constructor({ toleranceOf, room, mayMatch = () => true }: ValuePairingOptions) {
		this.#toleranceOf = toleranceOf;
		this.#mayMatch = mayMatch;
		this.#room = room;
	}

	/** Bytes of the original's values that are kept. */
	get keptBytes(): number {
		return this.#keptBytes;
	}

	/** Original tensors that can be paired. */
	get compared(): ReadonlySet<string> {
		return new Set([...this.#entries.keys()].filter((name) => !this.#isBlurred(name)));
	}

	#isBlurred(name: string): boolean {
		return this.#blurred.has(name) && !this.#entries.get(name)?.match;
	}

	/**
	 * Returns the noise, relative to the size, of the deployed tensor that may be the counterpart of an original tensor without a match;
	 * undefined for other tensors.
	 */
	blurOf(name: string): number | undefined {
		return this.#isBlurred(name) ? this.#blurred.get(name) : undefined;
	}

	get matches(): ReadonlyMap<string, ValueMatch> {
		return new Map([...this.#entries].flatMap(([name, { match }]) => (match ? [[name, match] as const] : [])));
	}

	/** Returns the most similar deployed tensor of an original tensor without a match. */
	nearest(name: string): ValueMatch | undefined {
		return this.#entries.get(name)?.nearest;
	}

	/** Returns the original tensors that have a deployed tensor for their match, or else for the most similar one. */
	originalsByDeployed(): ReadonlyMap<string, readonly string[]> {
		const originals = new Map<string, string[]>();
		for (const { name, match, nearest } of this.#entries.values()) {
			const deployed = (match ?? nearest)?.deployed;
			if (deployed !== undefined) {
				originals.set(deployed, [...(originals.get(deployed) ?? []), name]);
			}
		}
		return originals;
	}

	/**
	 * Returns the channels of an original tensor (axis 1) with equal values throughout; none if the tensor's values were
	 * not kept.
	 */
	silentChannels(name: string): number[] {
		const values = this.#entries.get(name)?.values;
		return values ? constantChannels(values) : [];
	}

	/** @param tensor values that are kept without a copy; they must not change any more */
	addOriginal(name: string, tensor: ValueTensor): void {
		const sketch = sketchOf(tensor.values);
		if (!identifies(sketch)) {
			return;
		}
		const isKept = this.#keptBytes + tensor.values.byteLength <= this.#room;
		this.#keptBytes += isKept ? tensor.values.byteLength : 0;
		this.#entries.set(name, {
			name,
			dims: tensor.dims,
			size: rmsOf(sketch),
			largest: sketch.largest,
			sketch,
			values: isKept ? tensor : undefined,
			noise: NO_NOISE,
		});
	}

	/** Adds the same tensor of a run that differs by rounding alone. */
	addProbe(name: string, tensor: ValueTensor): void {
		const entry = this.#entries.get(name);
		const difference = entry && differenceOf(entry, tensor, () => false);
		if (entry && difference && Number.isFinite(difference.maxAbs)) {
			const { noise } = entry;
			entry.noise = {
				rms: Math.max(noise.rms, difference.rms),
				maxAbs: Math.max(noise.maxAbs, difference.maxAbs),
			};
		}
	}

	/** @param noise difference that the quantization of the deployed model's constants explains, beside rounding */
	addDeployed(name: string, tensor: ValueTensor, noise: Noise = NO_NOISE): void {
		const sketch = sketchOf(tensor.values);
		if (!identifies(sketch)) {
			return;
		}
		const share = noise.rms / rmsOf(sketch);
		if (!(share <= MAX_DISTANCE)) {
			for (const entry of this.#entries.values()) {
				this.#blur(entry, name, tensor, share);
			}
			return;
		}
		for (const entry of this.#similar(sketch)) {
			const own = this.#boundOf(entry);
			const bound = { rms: own.rms + noise.rms, maxAbs: own.maxAbs + noise.maxAbs };
			// Sorted values of any two tensors with one distribution differ by less than noise.
			const isClose = ({ rms, maxAbs, order }: ValueDifference) =>
				rms <= bound.rms && maxAbs <= bound.maxAbs && (order !== 'sorted' || noise.rms === 0);
			const canMatch = mayEqual(entry.sketch, sketch, bound.rms);
			if (!canMatch && (entry.match || entry.sketch.elements !== sketch.elements)) {
				continue;
			}
			const difference = differenceOf(entry, tensor, isClose, canMatch);
			if (!difference) {
				continue;
			}
			const { size, largest } = entry;
			const explained = { bound: bound.maxAbs, ...(noise.rms > 0 && { noise: bound.rms }) };
			const found = { original: entry.name, deployed: name, difference, ...explained, size, largest };
			if (canMatch && isClose(difference) && this.#mayMatch(entry.name, name)) {
				entry.match = nearer(entry.match, found);
			} else if (difference.rms <= MAX_DISTANCE * size) {
				entry.nearest = nearer(entry.nearest, found);
			}
		}
	}

	/** Records a deployed tensor that may be the counterpart of an original one. @param noise relative to its size */
	#blur(entry: Entry, deployed: string, tensor: ValueTensor, noise: number): void {
		const { name, size, largest } = entry;
		if (entry.sketch.elements !== tensor.values.length) {
			return;
		}
		this.#blurred.set(name, Math.max(this.#blurred.get(name) ?? 0, noise));
		const difference = differenceOf(entry, tensor, () => false);
		if (difference) {
			const found = { original: name, deployed, difference, bound: Number.POSITIVE_INFINITY, size, largest };
			entry.nearest = nearer(entry.nearest, found);
		}
	}

	/**
	 * Returns the signal-to-noise ratio of a deployed tensor with the layout of an original one, in dB; undefined if the
	 * original's values were not kept.
	 */
	decibels(name: string, tensor: ValueTensor): number | undefined {
		const entry = this.#entries.get(name);
		const isSame = entry?.values?.values.length === tensor.values.length;
		return entry?.values && isSame ? decibels(entry.size, distance(entry.values.values, tensor.values).rms) : undefined;
	}

	#boundOf(entry: Entry): ValueBound {
		entry.bound ??= this.#toleranceOf(entry);
		return entry.bound;
	}

	/** Returns the original tensors with an energy near a deployed tensor's. */
	#similar({ energy }: Sketch): Entry[] {
		this.#sorted ??= [...this.#entries.values()].sort((a, b) => a.sketch.energy - b.sketch.energy);
		const entries = this.#sorted;
		const from = lowerBound(entries, energy * (1 - MAX_ENERGY_DISTANCE));
		const to = lowerBound(entries, energy / (1 - MAX_ENERGY_DISTANCE));
		return entries.slice(from, to + 1);
	}
}

function constantChannels({ dims, values }: ValueTensor): number[] {
	const [batch = 1, channels = 1, ...space] = dims;
	const size = space.reduce((a, b) => a * b, 1);
	return Array.from({ length: channels }, (_, channel) => channel).filter((channel) => {
		const first = values[channel * size];
		for (let image = 0; image < batch; image++) {
			const start = (image * channels + channel) * size;
			// A single value per channel is silent if an activation has cut it off.
			if (values.subarray(start, start + size).some((value) => value !== first)) {
				return false;
			}
		}
		return batch * size > 1 || first === 0;
	});
}

/** Largest distance, relative to their size, of tensors shown as similar. */
export const MAX_DISTANCE = 0.5;
const MAX_ENERGY_DISTANCE = 0.75;

function lowerBound(entries: readonly Entry[], energy: number): number {
	let [low, high] = [0, entries.length];
	while (low < high) {
		const middle = (low + high) >> 1;
		if (entries[middle].sketch.energy < energy) {
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	return low;
}

/** Returns the signal-to-noise ratio in dB; Infinity for equal values. */
export function decibels(signal: number, noise: number): number {
	return 20 * Math.log10(signal / noise);
}

/** Returns the nearer match; of two equally near matches the first, which is closer to the operator. */
function nearer(a: ValueMatch | undefined, b: ValueMatch): ValueMatch {
	return a && a.difference.rms <= b.difference.rms ? a : b;
}

/** @param isAnyOrder true: elements may correspond in another order */
function differenceOf(
	{ values, sketch }: Entry,
	tensor: ValueTensor,
	isClose: (difference: ValueDifference) => boolean,
	isAnyOrder = false,
): ValueDifference | undefined {
	if (values) {
		return valueDifference(values, tensor, isClose, isAnyOrder);
	}
	const other = sketchOf(tensor.values);
	return sketch.elements === other.elements
		? { rms: Math.abs(rmsOf(sketch) - rmsOf(other)), maxAbs: Math.abs(sketch.largest - other.largest), order: 'sorted' }
		: undefined;
}
