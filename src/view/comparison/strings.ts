import { EIGHT_BIT_DECIBELS } from '../../core/report/comparison/signal.js';
import { STATUS_WORDS } from '../../core/report/comparison/summary.js';
import { formatInteger } from '../../core/text/numbers.js';
import { count } from '../text/strings.js';
import type { ComparisonPlot } from '../ui/attributes.js';

const everyChannel = (channels: number): string =>
	channels === 1 ? 'the channel' : `all ${formatInteger(channels)} channels`;

/** Words of the comparison page. Functions put numbers into sentences. */
export const strings = {
	page: { comparing: 'Comparing the models…' },
	header: {
		original: 'original',
		deployed: 'deployed',
		title: (original: string, deployed: string) => `${original} → ${deployed}`,
		swap: 'Swap the models',
		again: 'Compare again',
		repair: 'Save repaired model as…',
		notes: 'About this pair',
		noise: 'Noise of quantization',
		advice: (text: string) => `What to do: ${text}`,
	},
	failure: {
		title: 'These models cannot be compared',
		banner: (message: string) => `${message} Showing the last comparison.`,
	},
	statuses: STATUS_WORDS,
	layers: {
		filter: 'Filter by name, operator or status',
		columns: {
			index: ['#', 'Position in graph order of the original'],
			name: ['Layer', 'Name of the BatchNormalization node in the original'],
			into: ['Folded into', 'Operator of the deployed model that the layer was folded into, or that feeds it'],
			channels: ['Channels', 'Number of channels that were compared'],
			status: ['Status', 'Does the deployed model contain the layer’s parameters?'],
			cause: ['Explanation', 'What explains the numbers best: a mistake, or the rounding of a right fold'],
			confidence: ['Confidence', 'How well the explanation fits the numbers, compared with all others'],
			snr: [
				'SNR (dB)',
				'Signal-to-noise ratio: values behind the layer over their difference; 20 dB more is ten times closer',
			],
			error: [
				'Error / allowed',
				'Largest error in weights and bias, as a share of the error that rounding allows. On a quantization grid rounding allows half a step and uses nearly all of it.',
			],
		} as Readonly<Record<string, readonly [string, string]>>,
		halfStep: 'within ½ step',
		halfStepOf: (amount: string) =>
			`${amount}: rounding to a grid uses nearly all of the half step that it allows, so this is normal`,
		nowhere: 'nowhere',
		precisionLost: 'precision lost',
		rowLabel: (name: string, status: string, cause: string) => `${name}, ${status}${cause && `, ${cause}`}`,
	},
	confidence: (value: number) => `${Math.floor(value * 100)} %`,
	detail: {
		advice: 'What to do',
		repair: 'The button writes a copy of the deployed model whose wrong folds are corrected from the original.',
		nothing: 'Nothing: this layer was folded correctly.',
		unmatched:
			'Nothing if parts of the network were removed on purpose. Otherwise compare with the model that this one was made from.',
		kept: 'Nothing: the layer is still there with the same parameters. A fold would save its cost at inference.',
		also: 'Also possible: ',
		causeWithConfidence: (cause: string, confidence: string) => `${cause} (${confidence})`,
		into: (op: string, name: string) => `folded into ${op} ${name}`,
		keptBehind: (op: string, name: string) => `kept behind ${op} ${name}`,
		weight: (name: string) => `weight ${name}`,
		bias: (name: string) => `bias ${name}`,
		noBias: 'no bias',
		channels: (n: number) => count(n, 'channel', 'channels'),
		confidence: (confidence: string) => `confidence ${confidence}: how clearly the explanation fits better than others`,
		numbers: (ratio: string) => `Largest error of a weight or bias: ${ratio} what rounding allows.`,
		amounts: (error: string, ulp: string, bound: string) => `Largest error ${error}${ulp}; rounding allows ${bound}.`,
		unexplained: 'Channels that the cause does not explain: ',
		wrong: 'Wrong channels: ',
		notIdentifiable: 'Channels that cannot be judged: ',
		precisionLost: 'Channels that lost precision: ',
		plots: 'Channel by channel',
	},
	channel: {
		onlyWrong: 'Only wrong channels',
		columns: {
			channel: ['Channel', 'Index of the output channel'],
			expectedRatio: ['scale s', 'Expected factor on the weights: s = γ / √(σ² + ε)'],
			weightRatio: ['found', 'Factor found on the weights, by least squares'],
			rho: ['found / s', 'Factor found over factor expected: 1 is right'],
			weightResidual: [
				'residual',
				'What no factor explains, relative: 0 is a multiple of the original, 1 another direction',
			],
			expectedBias: ['bias expected', '(b - μ) s + β'],
			foundBias: ['bias found', 'Bias of the deployed operator'],
			biasError: ['bias error', 'Found minus expected'],
			biasBound: ['bias bound', 'Largest error of the bias that rounding allows'],
			boundRatio: [
				'error / bound',
				'Largest error of the channel, weights and bias, over its own bound: above 1 is wrong',
			],
		} as Readonly<Record<string, readonly [string, string]>>,
	},
	plots: {
		titles: {
			weights: 'Weights: relative error',
			bias: 'Bias: found minus expected',
			explained: 'Found against the named cause',
		} satisfies Record<ComparisonPlot, string>,
		captions: {
			weights: 'A right fold lies at 0. Short bars: the weights that the named cause would give.',
			bias: 'Gray band: rounding. Short bars: the bias that the named cause would give.',
			explained: 'On the line: the named cause explains the channel.',
		} satisfies Record<ComparisonPlot, string>,
		noWeights: 'No weights were compared channel by channel.',
		weightsRight: (channels: number, largest: string) =>
			`The weights of ${everyChannel(channels)} are right: the largest relative difference is ${largest}.`,
		noBias: 'No bias was compared channel by channel.',
		biasRight: (channels: number, error: string, bound: string) =>
			`The bias of ${everyChannel(channels)} is right: the largest difference is ${error}, and rounding allows ${bound}.`,
		noCause: 'No cause was named, so nothing can be drawn against it.',
		noPrediction: 'The named cause predicts no values of single channels.',
		wrong: 'wrong',
		unexplained: 'not explained',
		explanation: 'named cause',
		beyond: (channels: number) => `${count(channels, 'channel', 'channels')} beyond the axis, marked at its end.`,
		turned: (channels: number) =>
			`The weights of ${count(channels, 'channel', 'channels')} are no multiple of the original weights, so their factor says little.`,
		weightsDifference: 'found / expected - 1',
		weightsExpected: 'expected factor s',
		weightsFound: 'found factor',
		weightsExplained: 'factor by the cause',
		biasDifference: 'found - expected',
		biasExpected: 'expected bias',
		biasFound: 'found bias',
		biasExplained: 'bias by the cause',
		residual: 'residual',
		weightsSummary: (range: string, wrong: number) =>
			`relative difference of the factors from ${range}, ${count(wrong, 'channel', 'channels')} wrong`,
		biasSummary: (error: string, bound: string, over: number) =>
			`largest difference ${error}, largest bound ${bound}, ${count(over, 'channel', 'channels')} above their bound`,
		explainedSummary: (channels: number, unexplained: number) =>
			`values that the named cause predicts against found values in ${count(channels, 'channel', 'channels')}, ${formatInteger(unexplained)} of them not explained`,
	},
	parting: {
		title: 'Agreement along the network',
		captions: {
			float: `How closely the values after each layer agree. Higher is closer: 20 dB more is ten times closer. Dotted lines: precision of number formats. Click a point to open its layer.`,
			quantized: `How much of the values after each layer survives quantization. Higher is closer; dotted lines say how large the error is, relative to the values. 8 bits leave about ${Math.round(EIGHT_BIT_DECIBELS)} dB at the first layer. Click a point to open its layer.`,
		},
		show: 'Show the agreement along the network',
		hide: 'Hide',
		missing: (reason: string) => `No picture of the agreement along the network. ${reason}`,
		notCompared: 'The values inside the models were not compared.',
		layer: 'layer',
		axis: 'layer, in graph order',
		ratio: 'signal-to-noise ratio (dB)',
		decibels: 'dB',
		first: 'first difference',
		behindAll: 'first difference, after the last layer',
		statuses: {
			match: 'same values, up to rounding',
			skipped: 'values too noisy to judge',
			behind: 'similar values behind the first difference',
			mismatch: 'different values',
			none: 'no similar values (below 6 dB), drawn at 0',
		},
		equal: 'equal values',
		precision: { 24: 'float32', 11: 'float16', 8: '8 bits' },
		summary: (layers: number, range: string, first: string) =>
			`${count(layers, 'layer', 'layers')}, ${range}. ${first}`,
		quantized: 'the right values, with the noise of quantization',
		errors: { 40: 'error 1 %', 20: '10 %', 0: '100 %' } as Readonly<Record<number, string>>,
		limit: 'warning below',
		drop: 'largest drop',
		none: 'No difference beyond rounding.',
		noneQuantized: 'Quantization explains every difference.',
		noneOf: (judged: number, unjudged: number) =>
			`None of the ${count(judged, 'layer', 'layers')} with judged values differs by more than quantization explains; the values of ${formatInteger(unjudged)} are too noisy to judge, only their weights are.`,
		rounded: 'Every layer adds its own rounding, so the ratio falls along the network.',
		rises:
			'Layers behind the first difference get other inputs, so only their weights judge them. The ratio may rise there: activations, pooling and sums with an intact branch hide a part of the error.',
		withoutPoint: (layers: number, reason: string) => `${count(layers, 'layer', 'layers')} without a point. ${reason}`,
		unknown: 'The place where the models part was not judged.',
	},
} as const;
