import type { LayerParameters } from '../types.js';

/** 64-bit hash of texts and numbers, the same on every machine. It protects against accidents, not against attackers. */
export class Fingerprint {
	#low = 0x9747b28c;
	#high = 0x3c6ef372;
	readonly #number = new DataView(new ArrayBuffer(8));

	text(text: string): this {
		this.#word(text.length);
		for (let i = 0; i < text.length; i++) {
			this.#word(text.charCodeAt(i));
		}
		return this;
	}

	/** Adds float64 values. All NaN count as equal, and so do both zeros, because JSON keeps neither apart. */
	values(values: ArrayLike<number>): this {
		this.#word(values.length);
		for (let i = 0; i < values.length; i++) {
			const value = values[i];
			if (Number.isNaN(value)) {
				this.#word(0x7ff80000);
				continue;
			}
			this.#number.setFloat64(0, value + 0);
			this.#word(this.#number.getUint32(0));
			this.#word(this.#number.getUint32(4));
		}
		return this;
	}

	/** Returns 16 hexadecimal digits. */
	digits(): string {
		return hex(finish(this.#low)) + hex(finish(this.#high));
	}

	/** A step of MurmurHash3 for 32 bits, in two lanes with different constants. */
	#word(word: number): void {
		this.#low = step(this.#low, word, 0xcc9e2d51, 0x1b873593);
		this.#high = step(this.#high, word, 0xab0e9789, 0xa1e38b93);
	}
}

function step(hash: number, word: number, before: number, after: number): number {
	const mixed = hash ^ Math.imul(rotate(Math.imul(word, before), 15), after);
	return (Math.imul(rotate(mixed, 13), 5) + 0xe6546b64) | 0;
}

const rotate = (word: number, bits: number): number => (word << bits) | (word >>> (32 - bits));

function finish(hash: number): number {
	let mixed = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
	mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
	return (mixed ^ (mixed >>> 16)) >>> 0;
}

const hex = (word: number): string => word.toString(16).padStart(8, '0');

/** Facts of a layer that a tool keeps when it renames or reorders layers. */
export interface LayerContent {
	readonly channels: number;
	readonly epsilon: number;
	readonly mode: string;
	readonly axes: string;
	readonly kind?: string | undefined;
	/** null if they are not known; then the operator in front and the place of the layer have to distinguish it. */
	readonly parameters: LayerParameters | null;
	/** Scale and shift of a layer without separate parameters. */
	readonly affine?: { readonly scale: Float64Array; readonly shift: Float64Array } | null | undefined;
	readonly source: string | undefined;
	readonly normalizedAxes?: readonly number[] | undefined;
}

/** Returns the fingerprint of a layer's parameters and structure. No name enters it. */
export function layerFingerprint(layer: LayerContent): string {
	const print = new Fingerprint()
		.text(layer.mode)
		.text(layer.axes)
		.text(layer.kind ?? 'batchnorm');
	print.values([layer.channels, layer.epsilon]);
	const { parameters, affine } = layer;
	if (parameters) {
		print.values(parameters.gamma).values(parameters.beta).values(parameters.mean).values(parameters.variance);
	} else if (affine) {
		print.values(affine.scale).values(affine.shift);
	} else {
		print.text(layer.source ?? '').values(layer.normalizedAxes ?? []);
	}
	return print.digits();
}
