/** Longest image taken from a page, in bytes. An uncompressed plot of 4000 x 3000 pixels has 48 MB. */
const MAX_IMAGE_BYTES = 64 * 1024 * 1024;
const PNG_SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];

export function isPng(value: unknown): value is Uint8Array {
	return (
		value instanceof Uint8Array &&
		value.length <= MAX_IMAGE_BYTES &&
		PNG_SIGNATURE.every((byte, index) => value[index] === byte)
	);
}

/** Accepts a drawing without scripts, so that a compromised page cannot write a file that runs code. */
export function isSvg(value: unknown): value is string {
	return (
		typeof value === 'string' &&
		value.length <= MAX_IMAGE_BYTES &&
		value.startsWith('<svg') &&
		!/<script|<foreignObject|\son\w+\s*=|javascript:/i.test(value)
	);
}

/**
 * Returns the file name of a PNG image. It consists of letters of any script, digits, dots, dashes and underscores,
 * and does not begin with a dot.
 */
export function imageFileName(name: string): string {
	const cleaned = name
		.replace(/\.png$/i, '')
		.replace(/[^\p{L}\p{N}._-]+/gu, '-')
		.replace(/^[-.]+|[-.]+$/g, '')
		.slice(0, 100);
	return `${cleaned || 'plot'}.png`;
}
