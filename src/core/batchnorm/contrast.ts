/**
 * Standard deviation of the logarithm of an image's variance. 1 allows contrasts of different images to differ by e^0.5
 * = 1.65, more than photographs do.
 */
const LOG_DEVIATION = 1;

/**
 * Smallest factor of the deviations that counts as a wrong input. Images from 0 to 1 have deviations of 0.2 to 0.3, so
 * leaving out a normalization, or doing it twice, changes them by a factor of 3 or more.
 */
export const MIN_FACTOR = 2.5;

/** Minimum number of values of an image per channel. Fewer have a scatter of their own beside that of contrasts. */
export const MIN_VALUES_PER_IMAGE = 64;

/**
 * Returns the spread (half log ratio of variances) that the contrasts of `images` images can cause in all channels at
 * once, if the channels are linear functions of the image.
 *
 * An image's share v in the variance is log-normal with mean 1: ln v has mean -q / 2 and variance q = LOG_DEVIATION^2. All
 * channels share it, so a median over channels does not average it out; only N images do.
 *
 *     shrunk: the mean of N shares is at least their geometric mean. The latter's logarithm is normal with mean -q / 2 and
 *             variance q / N. It falls below -q / 2 - z sqrt(q / N) as rarely as a normal number below -z.
 *     grown:  the mean is 1 with deviation sqrt((e^q - 1) / N), and a single share may reach e^(z sqrt(q) - q / 2) and add
 *             an N-th of it. Both are allowed at once.
 * @param z standard errors, as those of a single channel
 */
export function contrastLimits(images: number, z: number): { readonly grown: number; readonly shrunk: number } {
	const q = LOG_DEVIATION ** 2;
	const shrunk = (q / 2 + z * Math.sqrt(q / images)) / 2;
	const scatter = z * Math.sqrt(Math.expm1(q) / images);
	const single = Math.exp(z * LOG_DEVIATION - q / 2) / images;
	return { grown: Math.log1p(scatter + single) / 2, shrunk };
}

/** Standard deviation of normalized data in input units, for images from 0 to 1. */
const NORMALIZED = 0.25;

/** Mistakes that multiply the spread of all channels near the input by the same factor, or exchange colors. */
const MISTAKES = {
	unscaled:
		'The input is probably not normalized as in training: values from 0 to 1 would spread like this. The model expects mean 0 and standard deviation 1.',
	bytes:
		'The input is probably not normalized as in training: values from 0 to 255 would spread like this. The model expects small values.',
	twice:
		'The input is probably normalized twice: dividing by the standard deviation once more would spread it like this.',
	colors:
		'The colors of the input are probably in another order: red and blue exchanged (BGR instead of RGB, or the reverse) would shift the statistics like this.',
} as const;

/**
 * Returns the mistake that changes the spread of all channels near the input by a factor, in words.
 * @param factor batch deviation divided by running deviation
 */
export function likelyMistake(factor: number): string {
	if (factor < 1) {
		return MISTAKES.unscaled;
	}
	return factor > 2 / NORMALIZED ? MISTAKES.bytes : MISTAKES.twice;
}

/** The mistake that moves the means of red and blue apart. */
export const EXCHANGED_COLORS = MISTAKES.colors;

/** Returns the mistake that a finding's message ends with, if any. */
export function namedMistake(message: string): string | undefined {
	return Object.values(MISTAKES).find((mistake) => message.endsWith(mistake));
}
