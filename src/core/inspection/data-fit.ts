import { namedMistake } from '../batchnorm/contrast.js';
import {
	DEFAULT_DRIFT_THRESHOLDS,
	type DriftThresholds,
	imagesForDrift,
	MAX_IMAGES,
	smallestDrift,
} from '../batchnorm/drift.js';
import { imagesForExchange } from '../batchnorm/exchange-power.js';
import type { DataFit, LayerReport } from '../report/types.js';
import { shortNumber } from '../text/numbers.js';

/**
 * Answers if the running statistics fit the data of a run on files; undefined if no layer has both.
 * @param layers of the whole run
 * @param colorSums layer index -> weight sums per color, shape (channels, 3), of layers near an image
 */
export function dataFit(
	layers: readonly LayerReport[],
	thresholds: DriftThresholds = DEFAULT_DRIFT_THRESHOLDS,
	colorSums: ReadonlyMap<number, Float64Array> = new Map(),
): DataFit | undefined {
	const judged = layers.filter(isJudged);
	const images = Math.min(...judged.map(({ batch }) => batch?.images ?? 1));
	if (judged.length === 0) {
		return undefined;
	}
	const sample = images === 1 ? '1 image' : `${images} images`;
	const drifted = judged.filter(({ findings }) => findings.some(({ code }) => code === 'statistics-drift'));
	const [first] = drifted;
	const of = judged.length === 1 ? 'the layer' : `${drifted.length} of ${judged.length} layers`;
	if (first) {
		const begin = judged.length === 1 ? '' : `; the first is ${first.name}`;
		const sentence = `The running statistics of ${of} do not fit the data (${sample})${begin}.`;
		const mistake = likelyMistake(drifted);
		return mistake === undefined
			? { verdict: 'does-not-fit', images, sentence }
			: { verdict: 'does-not-fit', images, sentence: `${sentence} ${mistake}`, mistake };
	}
	const { one, most } = smallestDrift(images, thresholds);
	const deviations = (value: number) => `${shortNumber(value)} running standard deviations`;
	const half = Number.isFinite(most) ? `, or by ${shortNumber(most)} in most channels of a layer` : '';
	const needed = imagesForDrift(thresholds);
	const colors = exchangeSentence(layers, { images, thresholds, colorSums });
	if (images < needed) {
		const sentence = `${sample} ${images === 1 ? 'is' : 'are'} too few to tell if the running statistics fit the data. ${images === 1 ? 'It shows' : 'They show'} only a mean that is off by ${deviations(one)} in a channel${half}. To see a mean that is off by ${shortNumber(2 * thresholds.least)}, use at least ${needed} images.${colors}`;
		return { verdict: 'too-few', images, sentence };
	}
	const sentence = `The running statistics fit the data (${sample}): a mean that is off by ${deviations(one)} in a channel${half}${half && ','} would have been seen.${colors}`;
	return { verdict: 'fits', images, sentence };
}

interface ExchangeContext {
	/** N of the run. */
	readonly images: number;
	readonly thresholds: DriftThresholds;
	readonly colorSums: ReadonlyMap<number, Float64Array>;
}

/** Returns a sentence with a space in front, if the images are too few to show exchanged colors; else "". */
function exchangeSentence(layers: readonly LayerReport[], { images, thresholds, colorSums }: ExchangeContext): string {
	let least = Number.POSITIVE_INFINITY;
	for (const [index, sums] of colorSums) {
		const { parameters, epsilon } = layers[index];
		if (parameters && isJudged(layers[index])) {
			least = Math.min(least, imagesForExchange({ parameters, epsilon, sums }, thresholds) ?? MAX_IMAGES);
		}
	}
	if (least === MAX_IMAGES) {
		return ' Exchanged red and blue (BGR instead of RGB) would not show, because the first weights treat both colors nearly alike.';
	}
	return Number.isFinite(least) && images < least
		? ` To see exchanged red and blue (BGR instead of RGB), use at least about ${least} images.`
		: '';
}

/** Returns the mistake in the input that a layer's finding names; undefined without one. */
function likelyMistake(drifted: readonly LayerReport[]): string | undefined {
	const messages = drifted.flatMap(({ findings }) => findings.map(({ message }) => message));
	return messages.map(namedMistake).find((mistake) => mistake !== undefined);
}

/** True if a layer has running statistics that were compared with the data's. */
function isJudged({ batch, parameters, mode, axes }: LayerReport): boolean {
	return batch !== null && parameters !== null && mode === 'inference' && axes === 'channel';
}
