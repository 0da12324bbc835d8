/** Seedable random numbers, the same on every platform, so that a report can be repeated. */
export interface Random {
	/** Uniform in [0, 1). */
	uniform(): number;
	/** Standard normal. */
	normal(): number;
}

/** The sfc32 generator (C. Doty-Humphrey, PractRand), 128 bits of state; normals by Box and Muller's method. */
export function seededRandom(seed: number): Random {
	let a = seed | 0;
	let b = Math.floor(seed / 2 ** 32) | 0;
	let c = 0x9e3779b9 | 0;
	let counter = 1;
	let spare: number | undefined;
	const next = (): number => {
		const sum = (a + b + counter) | 0;
		counter = (counter + 1) | 0;
		a = b ^ (b >>> 9);
		b = (c + (c << 3)) | 0;
		c = (((c << 21) | (c >>> 11)) + sum) | 0;
		return (sum >>> 0) / 2 ** 32;
	};
	// The first outputs still show the seed.
	for (let i = 0; i < 12; i++) {
		next();
	}
	return {
		uniform: next,
		normal() {
			if (spare !== undefined) {
				const value = spare;
				spare = undefined;
				return value;
			}
			const radius = Math.sqrt(-2 * Math.log(1 - next()));
			const angle = 2 * Math.PI * next();
			spare = radius * Math.sin(angle);
			return radius * Math.cos(angle);
		},
	};
}
