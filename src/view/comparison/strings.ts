import type { ComparisonStatus } from '../../core/report/comparison.js';
import { formatInteger } from '../../core/text/numbers.js';
import { count } from '../text/strings.js';
import type { ComparisonPlot } from '../ui/attributes.js';

/** Words of the comparison page. Functions put numbers into sentences. */
export const strings = {
	page: { comparing: 'Comparing the models…' },
	header: {
		original: 'original',
		deployed: 'deployed',
		title: (original: string, deployed: string) => `${original} → ${deployed}`,
		swap: 'Swap the models',
		again: 'Compare again',
		notes: 'About this pair',
	},
	failure: {
		title: 'These models cannot be compared',
		banner: (message: string) => `${message} Showing the last comparison.`,
	},
	statuses: {
		match: 'match',
		mismatch: 'mismatch',
		kept: 'kept',
		unmatched: 'unmatched',
		'not-identifiable': 'cannot be told',
	} satisfies Record<ComparisonStatus, string>,
	layers: {
		filter: 'Filter by name, operator, status or cause',
		columns: {
			index: ['#', 'Position in graph order of the original'],
			name: ['Layer', 'Name of the BatchNormalization node in the original'],
			into: ['Folded into', 'Operator of the deployed model that the layer was folded into, or that feeds it'],
			channels: ['Channels', 'Number of channels that were compared'],
			status: ['Status', 'Does the deployed model contain the layer’s parameters?'],
			cause: ['Cause', 'What explains the numbers best'],
			confidence: ['Confidence', 'How well the cause explains them, compared with all others'],
			error: ['Error / bound', 'Largest error in weights and bias, and the largest that rounding allows'],
		} as Readonly<Record<string, readonly [string, string]>>,
		nowhere: 'nowhere',
		rowLabel: (name: string, status: string, cause: string) => `${name}, ${status}${cause && `, ${cause}`}`,
	},
	confidence: (value: number) => `${Math.floor(value * 100)} %`,
	detail: {
		advice: 'What to do',
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
		confidence: (confidence: string) => `confidence ${confidence}`,
		numbers: (error: string, ulp: string, bound: string) => `Largest error ${error}${ulp}; rounding allows ${bound}.`,
		unexplained: 'Channels that the cause does not explain: ',
		wrong: 'Wrong channels: ',
		notIdentifiable: 'Channels that cannot be judged: ',
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
			expected: 'Found against expected',
			ratio: 'Factor on the weights',
			bias: 'Error of the bias and its bound',
		} satisfies Record<ComparisonPlot, string>,
		captions: {
			expected: 'On the line: the deployed model has what folding this layer gives.',
			ratio: 'Found over expected: 1 is right; a pattern over the channels is a formula.',
			bias: 'Below the line: the difference is rounding and nothing else.',
		} satisfies Record<ComparisonPlot, string>,
		missing: 'Nothing was compared channel by channel.',
		wrong: 'wrong',
		weightsExpected: 'expected factor s',
		weightsFound: 'found factor',
		biasExpected: 'expected bias',
		biasFound: 'found bias',
		rho: 'found / s',
		residual: 'residual',
		biasError: '|bias error|',
		expectedSummary: (channels: number, wrong: number) =>
			`factor and bias found against expected in ${count(channels, 'channel', 'channels')}, ${formatInteger(wrong)} of them wrong`,
		ratioSummary: (range: string, wrong: number) =>
			`found over expected factor from ${range}, ${count(wrong, 'channel', 'channels')} wrong`,
		biasSummary: (error: string, bound: string, over: number) =>
			`largest error ${error}, largest bound ${bound}, ${count(over, 'channel', 'channels')} above their bound`,
	},
} as const;
