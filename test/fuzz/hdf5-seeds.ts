import { readFileSync } from 'node:fs';
import { buildZip } from '../unit/support/checkpoint-builder.js';
import { unzippedBytes } from '../unit/support/keras-files.js';
import type { Random } from './random.js';

/** A valid HDF5 file, and the archive around it. */
export interface Hdf5Seed {
	readonly bytes: Uint8Array;
	readonly wrap: (bytes: Uint8Array) => Uint8Array;
}

const CONFIG = new TextEncoder().encode(
	JSON.stringify({
		class_name: 'Sequential',
		config: {
			layers: [
				{ class_name: 'Dense', config: { name: 'dense', activation: 'linear' } },
				{ class_name: 'BatchNormalization', config: { name: 'batch_normalization', epsilon: 0.01 } },
			],
		},
	}),
);

/** Files that together have every structure that the reader knows. */
export function hdf5Seeds(): readonly [Hdf5Seed, ...Hdf5Seed[]] {
	const plain = (bytes: Uint8Array): Uint8Array => bytes;
	const archive = (bytes: Uint8Array): Uint8Array =>
		buildZip({
			entries: [
				{ name: 'config.json', data: CONFIG },
				{ name: 'model.weights.h5', data: bytes },
			],
		});
	const seeds = ['hdf5.h5', 'hdf5.latest.h5', 'kbfloat.h5'].map((name) => ({
		bytes: unzippedBytes(name),
		wrap: plain,
	}));
	return [
		{ bytes: unzippedBytes('kbfloat.weights.h5'), wrap: archive },
		{ bytes: readFileSync('test/fixtures/checkpoints/kgen.h5'), wrap: plain },
		{ bytes: unzippedBytes('ksub.weights.h5'), wrap: plain },
		{ bytes: unzippedBytes('kdense.h5'), wrap: plain },
		...seeds,
	];
}

/** Signatures of structures, behind which sizes, counts and addresses follow. */
const SIGNATURES = [
	'HDF',
	'TREE',
	'SNOD',
	'HEAP',
	'GCOL',
	'OHDR',
	'OCHK',
	'FRHP',
	'FHDB',
	'FHIB',
	'BTHD',
	'BTLF',
	'FADB',
];

/** Bytes behind a signature that are changed. */
const REACH = 120;

const WIDTHS = [1, 2, 4, 8] as const;
const EXTREMES = [
	0n,
	1n,
	2n,
	8n,
	255n,
	65_535n,
	2n ** 31n,
	2n ** 32n - 1n,
	2n ** 53n,
	2n ** 63n,
	2n ** 64n - 1n,
] as const;

/**
 * Returns a mutation that leaves all bytes in their places: fields become extreme numbers or addresses of other
 * structures, so that groups contain themselves and values overlap.
 */
export function mutateStructure(bytes: Uint8Array, random: Random): Uint8Array {
	const result = Uint8Array.from(bytes);
	const view = Buffer.from(result.buffer);
	for (let count = 1 + random.below(4); count > 0; count--) {
		const start = random.chance(0.7) ? findSignature(view, random) : random.below(result.length);
		const at = Math.min(result.length - 8, start + random.below(REACH));
		const width = random.pick(WIDTHS);
		const value = random.chance(0.5) ? random.pick(EXTREMES) : BigInt(findSignature(view, random));
		for (let byte = 0; byte < width; byte++) {
			result[at + byte] = Number((value >> BigInt(8 * byte)) & 255n);
		}
	}
	return result;
}

/** Returns the offset of a structure at or behind a random place; 0 if none follows. */
function findSignature(bytes: Buffer, random: Random): number {
	const signature = SIGNATURES[random.below(SIGNATURES.length)] ?? 'HDF';
	return Math.max(0, bytes.indexOf(signature, random.below(bytes.length), 'latin1'));
}
