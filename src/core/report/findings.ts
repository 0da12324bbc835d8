/** Words of a finding for every surface. */
export interface FindingWords {
	/** Title of the rule, a few words: "Exploding scale". */
	readonly title: string;
	/** Two or three words for tables and plots: "always 0". */
	readonly badge: string;
	/**
	 * Predicate about a layer and about several: "1 of 6 layers is in training mode", "3 of 6 layers are …". Absent if
	 * the headline of a report states the finding.
	 */
	readonly clause?: readonly [one: string, several: string];
	/** Predicate about a channel and about several: "1 of 64 channels is always 0". Absent: findings name no channels. */
	readonly channels?: readonly [one: string, several: string];
	/** Consequence, to follow a clause behind a comma: how grave the finding is, and for whom. */
	readonly effect?: string;
	/** Meaning and consequence, in at most two sentences. */
	readonly help: string;
	/** Next step, in at most two sentences. */
	readonly advice: string;
}

interface FindingEntry extends FindingWords {
	/** Words of special meanings, where they differ from the entry's. */
	readonly meanings?: Readonly<Record<string, Partial<FindingWords>>>;
	/** True if only a run of the model can find it. */
	readonly needsRun?: true;
}

/**
 * Catalogue of findings. The order is that of sentences, the gravest first. To add a finding, add its entry here, its code
 * to schema.json, and the rule that reports it; every surface reads its words from here.
 */
export const FINDINGS = {
	'recompute-mismatch': {
		title: 'The runtime computes something else',
		badge: 'wrong result',
		help: 'The output of the runtime differs from the float64 recomputation by more than rounding.',
		advice: 'Run again, then try without graph optimizations. Report it to the runtime with this model.',
		needsRun: true,
	},
	'unusable-parameters': {
		title: 'Parameters that cannot be used',
		badge: 'no parameters',
		clause: ['has parameters that cannot be used', 'have parameters that cannot be used'],
		effect: 'so that nothing can be judged there',
		help: 'A parameter is missing, cannot be read, or has the wrong number of values, so the layer cannot be judged.',
		advice: 'Export the model again, and keep the files of external data beside it.',
	},
	'non-finite': {
		title: 'Values that are NaN or infinite',
		badge: 'not finite',
		clause: ['has values that are NaN or infinite', 'have values that are NaN or infinite'],
		channels: ['is NaN or infinite', 'are NaN or infinite'],
		effect: 'which spoils the results',
		help: 'The channel outputs NaN or infinity for every input. Look for divergence in training or an overflow in conversion.',
		advice:
			'Look at the training run: one such value makes the whole channel unusable. Export again from an earlier checkpoint.',
	},
	'negative-variance': {
		title: 'Negative running variance',
		badge: 'variance < 0',
		clause: ['has a negative variance', 'have a negative variance'],
		channels: ['has a negative variance', 'have a negative variance'],
		effect: 'a sign of a damaged file',
		help: 'No data has a negative variance: the file was damaged or parameters were swapped in conversion.',
		advice: 'Compare with the original: a tool probably rewrote the file or swapped its tensors.',
	},
	'zero-variance': {
		title: 'Running variance of zero',
		badge: 'variance 0',
		clause: ['has a running variance of 0', 'have a running variance of 0'],
		channels: ['has a running variance of 0', 'have a running variance of 0'],
		effect: 'which magnifies any change of the input',
		help: 'The channel was constant in training: scale is gamma / sqrt(epsilon), so any change of its input is magnified.',
		advice: 'Check that the input of the channel is not cut off or masked.',
		meanings: {
			'statistics-missing': {
				title: 'Running statistics are missing',
				badge: 'no running statistics',
				clause: ['has no running statistics', 'have no running statistics'],
				channels: ['has no running statistics', 'have no running statistics'],
				effect: 'a sign that the conversion lost them',
				help: 'Mean and variance are 0 in every channel, which no training leaves. Scale is gamma / sqrt(epsilon).',
				advice: 'Export again from the trained checkpoint: the conversion lost the running statistics.',
			},
		},
	},
	'runtime-fusion-mismatch': {
		title: 'A fusion of the runtime changes the result',
		badge: 'wrong fusion',
		clause: [
			'is computed wrongly with the default optimizations of the runtime',
			'are computed wrongly with the default optimizations of the runtime',
		],
		help: 'With its graph optimizations the runtime computes something else than without them.',
		advice: 'Lower the optimization level, or update the runtime.',
		needsRun: true,
	},
	'training-mode': {
		title: 'Layer in training mode',
		badge: 'training mode',
		clause: ['is in training mode', 'are in training mode'],
		effect: 'so that a result depends on the rest of its batch',
		help: 'It normalizes with the statistics of the batch, so each result depends on the rest of its batch.',
		advice: 'Export in inference mode unless training mode is intended.',
	},
	'never-updated': {
		title: 'Statistics that were never trained',
		badge: 'never trained',
		clause: ['was never trained', 'were never trained'],
		effect: 'a sign of an export before training',
		help: 'Running mean 0 and variance 1 are the initial values of a layer. Load the trained weights, or run in training mode before exporting.',
		advice:
			'Export again from the trained checkpoint. The weights were exported before training, or the layer was frozen.',
		meanings: {
			/** Mean 0 and variance 1, but trained gamma or beta. */
			'identity-statistics': {
				title: 'Running mean 0 and variance 1',
				badge: 'mean 0, variance 1',
				effect: 'harmless if a converter did it on purpose',
				advice:
					'No repair is needed if a converter did it on purpose. Otherwise export again from the trained checkpoint.',
			},
		},
	},
	'statistics-drift': {
		title: 'Running statistics that do not fit the data',
		badge: 'does not fit',
		clause: ['does not fit the data', 'do not fit the data'],
		channels: ['does not fit the data', 'do not fit the data'],
		effect: 'a sign of other preprocessing or other data than in training',
		help: 'The given input differs from the training data in its statistics.',
		advice: 'Check the preprocessing of the input, or compute the running statistics again from your data.',
		needsRun: true,
	},
	'exploding-scale': {
		title: 'Exploding scale',
		badge: 'exploding scale',
		clause: ['has exploding scales', 'have exploding scales'],
		channels: ['has an exploding scale', 'have exploding scales'],
		effect: 'a risk if the weights are quantized per tensor',
		help: 'The scale is far above that of the other channels: folded weights lose accuracy when they are quantized per tensor.',
		advice: 'Quantize per channel, or equalize the channels of the layer first.',
		meanings: {
			'beyond-range': {
				title: 'Scale or shift beyond the range',
				badge: 'beyond the range',
				clause: [
					'has scales or shifts that the runtime cannot hold',
					'have scales or shifts that the runtime cannot hold',
				],
				channels: [
					'has a scale or shift that the runtime cannot hold',
					'have scales or shifts that the runtime cannot hold',
				],
				effect: 'which spoils the results',
				help: 'Scale or shift is beyond the largest number of the type that the runtime computes in: the channel becomes infinite or NaN.',
				advice: 'Compare with the original: a tool probably rewrote the file, or the training diverged.',
			},
		},
	},
	'dead-channel': {
		title: 'Always 0',
		badge: 'always 0',
		clause: ['has channels that are always 0', 'have channels that are always 0'],
		channels: ['is always 0', 'are always 0'],
		effect: 'harmless for the results, with room for pruning',
		help: 'Gamma and beta are about 0, so the channel outputs about 0 for every input. It can be pruned.',
		advice: 'Prune these channels together with the filters that feed them.',
	},
	'constant-channel': {
		title: 'Always 0 behind the ReLU',
		badge: 'always 0 behind the ReLU',
		clause: ['has channels that are always 0 behind the ReLU', 'have channels that are always 0 behind the ReLU'],
		channels: ['is always 0 behind the ReLU', 'are always 0 behind the ReLU'],
		effect: 'harmless for the results, with room for pruning',
		help: 'The ReLU behind the layer outputs 0 for every usual input. The channel can be pruned.',
		advice: 'Prune these channels together with the filters that feed them: the ReLU passes none of their values.',
		meanings: {
			'gamma-zero': {
				title: 'Constant, because gamma is about 0',
				badge: 'constant',
				effect: 'harmless for the results',
				clause: ['has constant channels', 'have constant channels'],
				channels: ['is constant because gamma is about 0', 'are constant because gamma is about 0'],
				help: 'Gamma is about 0 and beta is not, so the channel outputs the constant beta.',
				advice: 'No repair is needed. When pruning, move the constant into the bias of the next operator.',
			},
			'never-cut': {
				title: 'Never cut by the ReLU',
				badge: 'never cut by the ReLU',
				effect: 'harmless for the results',
				clause: ['has channels that the ReLU never cuts', 'have channels that the ReLU never cuts'],
				channels: ['is never cut by the ReLU', 'are never cut by the ReLU'],
				help: 'The ReLU behind the layer changes no usual value of the channel.',
				advice: 'No repair is needed. The ReLU can be dropped for these channels.',
			},
		},
	},
	'unused-by-runtime': {
		title: 'Not used by the runtime',
		badge: 'not used',
		clause: ['is not used by the runtime', 'are not used by the runtime'],
		effect: 'harmless for the results',
		help: 'No output of the model depends on the layer.',
		advice: 'Remove the layer, or make its result an output of the graph if it is wanted.',
	},
	'epsilon-dominated': {
		title: 'Variance below epsilon',
		badge: 'variance below epsilon',
		clause: ['has variances below epsilon', 'have variances below epsilon'],
		channels: ['has a variance below epsilon', 'have a variance below epsilon'],
		effect: 'a risk if a conversion changes epsilon',
		help: 'Epsilon, not the data, sets the scale of the channel: a tool with another epsilon computes another result.',
		advice: 'Make sure that every conversion keeps epsilon. Another epsilon changes the result most in these channels.',
		meanings: {
			'negative-epsilon': {
				title: 'Negative epsilon',
				badge: 'negative epsilon',
				clause: ['has a negative epsilon', 'have a negative epsilon'],
				channels: ['has a negative epsilon', 'have a negative epsilon'],
				effect: 'a sign of a damaged file',
				help: 'Epsilon keeps the variance from 0. A negative epsilon takes away from it, and no framework writes it.',
				advice: 'Compare with the original: a tool probably rewrote the file.',
			},
		},
	},
	'hand-built': {
		title: 'Normalization written by hand',
		badge: 'written by hand',
		clause: ['is written by hand', 'are written by hand'],
		help: 'ReduceMean, Sub, Div and the like normalize with the mean and variance of their own data. No running statistics are stored.',
		advice:
			'If a batch normalization was meant, export it in inference mode, so that it normalizes with its running statistics.',
	},
	'per-activation': {
		title: 'One mean and variance for each activation',
		badge: 'per activation',
		clause: ['keeps one mean and variance for each activation', 'keep one mean and variance for each activation'],
		effect: 'which most runtimes refuse',
		help: 'The layer does not normalize over the spatial axes (spatial=0, or a flattened input): most runtimes cannot do that, and it cannot fold.',
		advice: 'Check that the target runtime supports spatial=0. Most converters refuse or misread it.',
	},
} as const satisfies Readonly<Record<string, FindingEntry>>;

export type FindingCode = keyof typeof FINDINGS;

/** Special meanings of codes that have several, for example of constant-channel: a channel that the ReLU never cuts. */
export const FINDING_MEANINGS = [
	'statistics-missing',
	'identity-statistics',
	'gamma-zero',
	'never-cut',
	'negative-epsilon',
	'beyond-range',
] as const;

export type FindingMeaning = (typeof FINDING_MEANINGS)[number];

export interface FindingKey {
	readonly code: FindingCode;
	/** Absent for the usual meaning of the code. */
	readonly meaning?: FindingMeaning;
}

/** All codes, in the order of sentences. */
export const FINDING_CODES = Object.keys(FINDINGS) as readonly FindingCode[];

/**
 * Returns the words for a finding, if possible for its special meaning. A code of a later version gets its code as
 * words.
 */
export function findingWords({ code, meaning }: FindingKey): FindingWords {
	const entry: FindingEntry | undefined = FINDINGS[code];
	if (entry === undefined) {
		return { title: code, badge: code, help: '', advice: '' };
	}
	return { ...entry, ...(meaning && entry.meanings?.[meaning]) };
}

/** True for findings that change no result, only the room that the model takes. */
export function isHarmless(key: FindingKey): boolean {
	return findingWords(key).effect?.startsWith('harmless for the results') ?? false;
}

/** True if only a run can report this code. */
export function needsRun(code: FindingCode): boolean {
	const entry: FindingEntry = FINDINGS[code];
	return entry.needsRun === true;
}
