import { epsilonText } from '../../core/report/layer-words.js';
import type { ColorOrder, Distribution, NORMALIZATION_PRESETS } from '../../core/report/run-choices.js';
import type { Severity } from '../../core/report/severity.js';
import type { LayerReport, NormalizationMethod } from '../../core/report/types.js';
import { formatInteger } from '../../core/text/numbers.js';
import { count } from '../text/strings.js';
import type { PlotKind } from '../ui/attributes.js';
import type { HeatmapMetric } from './heatmap-data.js';

/** Words of a model's page. Functions put numbers into sentences. */
export const strings = {
	page: { opening: 'Reading the model…' },
	model: {
		opset: (opset: number) => `opset ${opset}`,
		ir: (version: number) => `IR ${version}`,
	},
	run: {
		pending: 'Recomputing every layer…',
		skipped: (reason: string) => `Not run: ${reason}`,
		failed: (reason: string) => `The run failed: ${reason}`,
		failedStays: 'Parameters and health come from the file itself and stay valid.',
		ok: (runtime: string, milliseconds: string) => `Ran on ${runtime}${milliseconds && ` in ${milliseconds}`}.`,
		largest: (share: string, layer: number) =>
			`All errors are within rounding: the largest is ${share} what rounding allows, in layer ${formatInteger(layer)}.`,
		beyond: (share: string, layer: number) =>
			`The largest error is ${share} what rounding allows, in layer ${formatInteger(layer)}.`,
		compared: 'What was compared?',
		comparedWith: (runtime: string) =>
			`Each output of a layer by ${runtime} was compared with the same layer recomputed in float64, from the input that the runtime gave it and the parameters of the file. A layer is correct if no value is off by more than rounding allows; that bound is derived for each value.`,
		stages: (stages: string) => `Time: ${stages}.`,
		/** Times of the stages, in this order, under the report's names. */
		times: {
			open: (time: string) => `opening ${time}`,
			create: (time: string) => `loading ${time}`,
			run: (time: string) => `running ${time}`,
			verify: (time: string) => `recomputing ${time}`,
			judge: (time: string) => `identifying the normalization ${time}`,
			compare: (time: string) => `comparing with optimizations ${time}`,
		} as Readonly<Record<string, (time: string) => string>>,
		input: (name: string, shape: readonly number[], dtype: string, from: string) =>
			`${name} ${dtype} [${shape.join(', ')}], ${from}`,
		inputs: (inputs: readonly string[]) => `Input: ${inputs.join('; ')}.`,
		guessed: (dimensions: string) =>
			`The model leaves sizes open (${dimensions}); they were guessed. Choose others in the run options.`,
		again: 'Run again',
		options: 'Run options',
		trust: 'Manage workspace trust…',
		compare: ['Compare with…', 'Was it folded correctly? Choose the deployed model, or the original of this one.'],
		/** Labels for a model without layers. */
		compareFolded: [
			'Compare with the checkpoint or original model…',
			'Did its BatchNorm parameters arrive? Choose the checkpoint or the model that still has its layers.',
		],
	},
	facts: {
		label: 'Warnings and errors',
		show: (help: string) => `${help} Press to list only these layers.`,
		filter: 'Limit the layers to a finding',
		all: 'All layers',
		error: 'With errors',
		warning: 'With warnings or errors',
		any: 'With any finding',
		kinds: 'Kind of finding',
		option: (text: string, layers: number) => `${text} (${formatInteger(layers)})`,
	},
	form: {
		title: 'How the model is run',
		inputs: 'Inputs',
		sizes: 'Sizes that the model leaves open',
		values: 'Random values',
		images: 'Images',
		limits: 'Limits',
		input: (dtype: string, shape: readonly string[] | undefined) =>
			shape ? `${dtype} [${shape.map((size) => size || '?').join(', ')}]` : dtype,
		madeUp: 'random values',
		files: (names: readonly string[], all: number) =>
			all > names.length ? `${names.join(', ')} and ${formatInteger(all - names.length)} more` : names.join(', '),
		chooseFiles: 'Files…',
		chooseFolder: 'Folder…',
		useRandom: 'Random',
		batch: 'Batch',
		guessed: 'guessed',
		random: 'Distribution',
		distributions: { normal: 'normal', uniform: 'uniform, 0 to 1' } satisfies Record<Distribution, string>,
		seed: 'Seed',
		normalize: 'Pixels become',
		normalizeDefault: 'what is usual',
		normalizations: {
			imagenet: 'ImageNet mean and deviation',
			'0..1': '0 to 1',
			'-1..1': '-1 to 1',
			none: '0 to 255, as they are',
		} satisfies Record<(typeof NORMALIZATION_PRESETS)[number], string>,
		normalizeFree: 'mean and deviation of…',
		colors: 'Color order',
		colorOrders: { rgb: 'red, green, blue', bgr: 'blue, green, red' } satisfies Record<ColorOrder, string>,
		mean: 'Mean',
		deviation: 'Deviation',
		oneOrThree: 'one number, or red, green, blue',
		notNumbers:
			'Mean and deviation take one number or three each, separated by commas, for pixels from 0 to 1; no deviation is 0.',
		memory: 'Tensors held at a time, MB',
		run: 'Run',
		remembered: 'Remembered for this model in this workspace.',
	},
	failure: {
		title: 'This cannot be shown',
		banner: (message: string) => `${message} Showing the last version that could be read.`,
	},
	empty: {
		title: 'No BatchNormalization in this model',
		found: (nodes: number, opset: number) =>
			`Looked through ${count(nodes, 'node', 'nodes')} of the main graph (opset ${opset}), its subgraphs and functions.`,
		hint: 'PyTorch’s exporters fold BatchNormalization into the convolution before it. To see whether every layer arrived, compare this model with the checkpoint that it was exported from (.pth, .safetensors, .keras …), or with a model that still has its layers.',
		keep: 'To keep the layers in an export: torch.onnx.export(…, training=torch.onnx.TrainingMode.PRESERVE, do_constant_folding=False), or with the dynamo exporter optimize=False.',
	},
	overview: {
		title: 'Whole model',
		show: 'Show overview',
		hide: 'Hide overview',
		metricLabel: 'Color',
		axes: 'Columns: layers. Stripes: channels.',
		low: 'low',
		high: 'high',
		bad: 'not finite',
		metrics: {
			scale: 'Scale |γ/√(σ²+ε)|, log',
			offset: 'Running mean / std',
			variance: 'Running variance / ε, log',
			drift: 'Data mean - running mean, in std',
			spread: 'Data std / running std, log',
			error: 'Recompute error / bound, log',
		} satisfies Record<HeatmapMetric, string>,
		summary: (layers: number, metric: string, [low, high]: readonly string[]) =>
			`Overview of ${count(layers, 'layer', 'layers')} by channel, colored by ${metric}, from ${low} to ${high}. The table below holds the same layers.`,
		firstDrift: (position: number, name: string) =>
			`First that does not fit the data: layer ${formatInteger(position)}, ${name}`,
		noData: 'Nothing to show for this choice yet. Comparing with data needs a run on your files.',
		noValue: (layer: string) => `${layer} · no values`,
		tip: (layer: string, channel: number, value: string) => `${layer} · channel ${channel} · ${value}`,
		position: (index: number, name: string) => `layer ${formatInteger(index + 1)}, ${name}`,
	},
	layers: {
		filter: 'Filter by name, source or finding',
		columns: {
			index: ['#', 'Position in graph order'],
			name: ['Layer', 'Name of the BatchNormalization node'],
			source: ['Fed by', 'The node that writes the layer’s input'],
			channels: ['Channels', 'Number of channels C'],
			epsilon: ['ε', 'Epsilon, as stored in the file'],
			gamma: ['γ', 'Range of gamma (scale), smallest to largest'],
			variance: ['Running σ²', 'Range of the running variance'],
			scale: ['Effective scale', 'Range of γ / √(σ² + ε)'],
			findings: ['Findings', 'Findings about this layer'],
			verdict: ['Recompute', 'Does the runtime’s output agree with the recomputed one?'],
			error: ['Error / allowed', 'Largest error of any value, as a share of the error that rounding allows'],
		} as Readonly<Record<string, readonly [string, string]>>,
		noSource: ({ inferred = [] }: LayerReport) => (inferred.includes('source') ? 'not known' : 'graph input'),
		rowLabel: (name: string, verdict: string, findings: string) => `${name}, ${verdict}${findings && `, ${findings}`}`,
	},
	/** A finding about channels. */
	ofChannels: (finding: string, channels: number) => `${finding}: ${formatInteger(channels)}`,
	/** Findings that a row has no room for. */
	more: (others: number, areNotes: boolean) =>
		`+${areNotes ? count(others, 'note', 'notes') : count(others, 'finding', 'findings')}`,
	/** Number of channels behind a badge, which a narrow table leaves out. */
	ofAll: (all: number) => ` of ${formatInteger(all)}`,
	/** Between the ends of a range. */
	to: 'to',
	notFinite: (n: number) => `${formatInteger(n)} not finite`,
	verdicts: {
		match: 'match',
		mismatch: 'mismatch',
		skipped: 'skipped',
		pending: 'pending',
	},
	/** In place of the severity of a warning that changes no result. */
	harmless: 'Harmless',
	severity: { error: 'Error', warning: 'Warning', info: 'Note' } satisfies Record<Severity, string>,
	detail: {
		facts: (layer: LayerReport) => [
			layer.kind === 'decomposed'
				? 'BatchNormalization as elementary operators'
				: layer.kind === 'handbuilt'
					? 'Normalization written by hand'
					: layer.opset > 0
						? `BatchNormalization, opset ${layer.opset}`
						: 'BatchNormalization',
			layer.channels > 0 ? count(layer.channels, 'channel', 'channels') : 'channels not stated',
			layer.dtype,
			`ε ${epsilonText(layer)}${layer.inferred?.includes('epsilon') ? ' (usual value; the file has none)' : ''}`,
			layer.kind === 'handbuilt'
				? 'statistics of its own data'
				: layer.mode === 'training'
					? 'training mode'
					: 'inference mode',
		],
		fedBy: (op: string, name: string) => `fed by ${op} ${name}`,
		noSource: ({ inferred = [] }: LayerReport) =>
			inferred.includes('source') ? 'operator in front not known' : 'fed by a graph input',
		inferredSource: 'inferred from names and shapes',
		parametersFrom: (origin: string) => `parameters from ${origin}`,
		inGraph: (graph: string) => `in ${graph}`,
		noParameters: (reason: string | undefined) =>
			reason ?? 'The parameters are not constants in the file; they are only known at run time.',
		findings: 'Findings',
		notes: (n: number) => count(n, 'note', 'notes'),
		reestimate: 'Re-estimate statistics…',
		preprocess: 'Run again with other preprocessing…',
		moreImages: 'Run on more images…',
		inference: 'Save as inference model…',
		inferenceDrift: (message: string) =>
			`In inference the running statistics count. ${message} Re-estimate them, which also switches the model to inference.`,
		noFindings: 'Nothing stands out in this layer.',
		notExamined: 'No findings, but little could be examined without parameters.',
		channels: 'Channels: ',
		axes: 'Over which axes does it normalize?',
		plots: 'Per channel',
	},
	verdictSentence: {
		match: (error: string, share: string) =>
			`The runtime computes this layer correctly: errors reach ${share} what rounding allows; the largest is ${error}.`,
		bitExact: (error: string, share: string) =>
			`The runtime computes this layer correctly, to the last bit of float32. Against float64, errors reach ${share} what rounding allows, ${error} at most.`,
		unoptimized: (error: string, share: string) =>
			`Without optimizations the runtime computes this layer correctly: errors reach ${share} what rounding allows; the largest is ${error}.`,
		mismatch: (error: string, share: string) =>
			`The runtime computes this layer wrongly: errors reach ${share} what rounding allows; the largest is ${error}.`,
		skipped: (reason: string) => `Not recomputed: ${reason}`,
		pending: 'Not recomputed yet.',
	},
	fold: {
		into: (node: string) => `Folds into ${node}, exactly up to rounding.`,
		not: 'Cannot be folded: ',
	},
	channel: {
		flaggedOnly: 'Only flagged channels',
		columns: {
			channel: ['Channel', 'Index of the channel'],
			gamma: ['γ', 'Gamma (scale)'],
			beta: ['β', 'Beta (bias)'],
			mean: ['μ', 'Running mean'],
			variance: ['σ²', 'Running variance'],
			scale: ['scale s', 'Effective scale s = γ / √(σ² + ε)'],
			shift: ['shift t', 'Effective shift t = β - μ s'],
			batchMean: ['batch μ', 'Mean of the layer’s input in this run'],
			batchVariance: ['batch σ²', 'Biased variance of the layer’s input in this run'],
			error: ['Error', 'Largest absolute difference to the runtime’s output'],
			bound: ['Bound', 'Largest difference that rounding allows'],
			flags: ['Findings', 'Findings about this channel'],
		} as Readonly<Record<string, readonly [string, string]>>,
	},
	plots: {
		flagged: 'flagged',
		errorAxis: 'max |error|',
		error: 'error',
		value: (name: string, value: string) => `${name} ${value}`,
		gamma: 'γ',
		beta: 'β',
		scale: 'scale s',
		shift: 'shift t',
		mean: 'mean μ',
		variance: 'variance σ²',
		driftMean: 'Δμ / σ',
		driftVariance: '½ ln σ² ratio',
		batch: {
			runningMean: 'running mean',
			batchMean: 'batch mean',
			runningVariance: 'running variance',
			batchVariance: 'batch variance',
			runningAxis: (symbol: string) => `running ${symbol}`,
			batchAxis: (symbol: string) => `batch ${symbol}`,
			summary: (channels: string, values: string, most: { drift: string; channel: number }) =>
				`${channels} channels over ${values} values each; the mean differs most in channel ${most.channel}, by ${most.drift} standard deviations`,
		},
		stackedSummary: (panels: readonly string[], flagged: number) =>
			`${panels.join('; ')}${flagged > 0 ? `; ${formatInteger(flagged)} flagged` : ''}`,
		recomputeSummary: (of: { largest: string; bound: string; channels: number; over: number }) =>
			`errors of at most ${of.largest} in ${count(of.channels, 'channel', 'channels')}, the largest bound is ${of.bound}, ${formatInteger(of.over)} above their bound`,
		withinChance: (title: string, band: string) =>
			`${title}: all values are far within the range that chance explains, ±${band}, which is not drawn.`,
		unplaced: (n: number) =>
			`${count(n, 'channel is', 'channels are')} not drawn in one panel (variance 0, or a value that is not finite).`,
		notPositive: (n: number) =>
			`${count(n, 'value', 'values')} of 0 or below, which a logarithmic axis cannot show, marked with a cross.`,
		titles: {
			'gamma-beta': 'Gamma and beta',
			affine: 'Effective scale and shift',
			statistics: 'Running mean and variance',
			batch: 'Running against batch statistics',
			drift: 'Distance of the data from the running statistics',
			recompute: 'Recompute error and its bound',
		} satisfies Record<PlotKind, string>,
		captions: {
			'gamma-beta': 'What training learned: y = γ · x̂ + β.',
			affine: 'What inference does: y = s · x + t, s = γ/√(σ²+ε), t = β - μs.',
			statistics: 'What inference subtracts and divides by. The dashed line is ε.',
			batch: 'On the line: this input has the statistics that training stored.',
			drift:
				'Means in running standard deviations, variances as half their log ratio; dashed: the range that chance explains for this number of images.',
			recompute: 'Below the line: the difference is rounding and nothing else.',
		} satisfies Record<PlotKind, string>,
		needsFiles: 'Needs your data: this run had random input. Choose files under Run options.',
		missing: {
			'gamma-beta': 'Gamma and beta are not known.',
			affine: 'Scale and shift are not known.',
			statistics: 'The running statistics are not known.',
			batch: 'Needs a run of the model.',
			drift: 'Needs a run of the model.',
			recompute: 'Needs a run of the model.',
		} satisfies Record<PlotKind, string>,
	},
	axes: {
		picture: 'The three methods',
		how: 'Formulas, training and inference',
		ownMode: 'This layer is in this mode.',
		explain: 'Explain the axes',
		leads: {
			location: 'One mean and one variance a position',
			activation: 'One mean and one variance an activation',
			channel: 'One mean and one variance a channel',
		} satisfies Record<Exclude<NormalizationMethod, 'running'>, string>,
		used: 'Statistics that this run used:',
		residuals: 'Distances to the output',
	},
	normalization: {
		cards: {
			location: '1 per location',
			activation: '2 per activation',
			channel: '3 per channel',
		} satisfies Record<Exclude<NormalizationMethod, 'running'>, string>,
		rows: {
			location: '1 per location, of this batch',
			activation: '2 per activation, of this batch',
			channel: '3 per channel, of this batch',
			running: 'Running statistics, stored in the model',
		} satisfies Record<NormalizationMethod, string>,
		names: {
			location: 'those of the batch per location (1)',
			activation: 'those of the batch per activation (2)',
			channel: 'those of the batch per channel (3)',
			running: 'the running statistics that the model stores, in place of the batch’s',
		} satisfies Record<NormalizationMethod, string>,
		marked: (shared: string) => `Blue: ${shared}`,
		over: (axes: string, values: string) => `over ${axes}: m'\u00a0=\u00a0${values}`,
		axis: (name: string, size: number | undefined) =>
			size === undefined ? name : `${name}\u00a0=\u00a0${formatInteger(size)}`,
		statistics: (n: string) => (n === '1' ? '1 mean, 1 variance' : `${n} means and variances`),
		thisLayer: 'this layer’s axes',
		residual: (share: string) => `off by ${share}\u00a0σ`,
		fits: 'fits the output',
		picture: 'Three ways to take the statistics of a batch; the blue cells share one mean and one variance.',
		pictureOf: (name: string, lines: readonly string[]) => [name, ...lines].join('; '),
		unknown: 'not known before a run of the model.',
		verdict: (name: string) => `${name}.`,
		fit: (residual: string, allowed: string) =>
			`They reproduce the output to ${residual}\u00a0σ; rounding allows ${allowed}\u00a0σ.`,
		margin: (times: string) => ` Every other way is off by at least ${times} times what rounding allows.`,
		none: (closest: string, residual: string, allowed: string) =>
			`none that are known. The closest are ${closest}, off by ${residual}\u00a0σ; rounding allows ${allowed}\u00a0σ.`,
		cannotTell: (reason: string) => `this layer’s data cannot show them. ${reason}`,
		scale: (values: number) =>
			`σ is the standard deviation of the output within its channels; judged on ${count(values, 'value', 'values')}.`,
	},
} as const;
