import type { BaselineResult } from './baseline.js';
import type { FindingKey } from './findings.js';
import type { Severity } from './severity.js';

/**
 * The report: the data behind every surface (page, notebook, terminal, CI). Its JSON form is fixed by contract. In
 * memory, per-channel numbers are Float64Array and non-finite scalars are numbers. json.ts converts strictly in both
 * directions.
 */

export const REPORT_FORMAT = 'batchnorm-lens.report';
export const REPORT_VERSION = 1;

export interface Finding extends FindingKey {
	readonly severity: Severity;
	/**
	 * Indices of the channels concerned (of the values, in a layer with a statistic per activation), ascending. Empty if the
	 * finding concerns the whole layer.
	 */
	readonly channels: readonly number[];
	/** Sentence for users, with the numbers. */
	readonly message: string;
	/** True if the baseline of the inspection holds the finding, so that it does not fail. */
	readonly known?: true;
}

export const MODEL_FORMATS = ['onnx', 'pytorch', 'safetensors', 'keras'] as const;

/** Format of a model's file, by its content. */
export type ModelFormat = (typeof MODEL_FORMATS)[number];

export const INFERRED_FACTS = ['epsilon', 'source'] as const;

/** A fact about a layer that its file does not state. */
export type InferredFact = (typeof INFERRED_FACTS)[number];

export interface ModelSummary {
	readonly path: string;
	readonly bytes: number;
	/** Absent in older reports, which are about ONNX models. A checkpoint has no graph: irVersion, opset and nodes are 0. */
	readonly format?: ModelFormat;
	/** Sentences about facts that a checkpoint lacks or that were inferred. */
	readonly notes?: readonly string[];
	readonly irVersion: number;
	/** Version of the default operator set. */
	readonly opset: number;
	readonly producer: string;
	/** Nodes of the main graph. */
	readonly nodes: number;
}

/** Per-channel values, shape (C); with `axes: "activation"` C * D1 * … * Dn values, row-major. */
export type ChannelValues = Float64Array;

export interface LayerParameters {
	readonly gamma: ChannelValues;
	readonly beta: ChannelValues;
	/** Running mean. */
	readonly mean: ChannelValues;
	/** Running variance. */
	readonly variance: ChannelValues;
}

/** Errors of the runtime's output, measured against the recomputed output. */
export interface RecomputeErrors {
	/**
	 * Largest error of any element of the runtime's output. If an element exceeds its bound, this is the largest
	 * difference itself. Otherwise it is an upper limit, at most a few units in the last place of scale * x or shift
	 * above the largest difference (VerifyResult in kernel/types.ts). NaN if a document does not state it.
	 */
	readonly maxAbs: number;
	/** Largest difference relative to the recomputed value of the same element. */
	readonly maxRel?: number;
	/** Largest difference in units in the last place of the output's dtype, at the recomputed value. */
	readonly maxUlp?: number;
	/** True if every output equals, to the last bit, the result of float32 arithmetic with scale and shift in float32. */
	readonly bitExact?: true;
	/** The rounding error that dtype and operation allow: the largest of the per-element bounds. NaN like maxAbs. */
	readonly bound: number;
	readonly perChannel?: {
		readonly maxAbs: ChannelValues;
		/** Allowed error of the channel (largest over its elements). */
		readonly bound?: ChannelValues;
		/** Above 1, a mismatch: largest ratio of error to its own element's bound. Otherwise maxAbs / bound. */
		readonly boundRatio?: ChannelValues;
	};
}

/** Every output is within its bound. */
export interface MatchingRecompute extends RecomputeErrors {
	readonly status: 'match';
	/** Sentence: a remark on the check. */
	readonly reason?: string;
	readonly cause?: undefined;
}

/** An output is beyond its bound, or the runtime's output cannot be compared, which leaves no errors. */
export interface DifferingRecompute extends Partial<RecomputeErrors> {
	readonly status: 'mismatch';
	/** Sentence: the difference found. */
	readonly reason: string;
	readonly cause?: undefined;
}

/** No verdict. A layer merged from several runs keeps the errors of the runs that measured it. */
export interface SkippedRecompute extends Partial<RecomputeErrors> {
	readonly status: 'skipped';
	/** Sentence: the reason for skipping. */
	readonly reason: string;
	/**
	 * Set if the run did not reach the layer, because of another branch or no iteration, so that no check was possible.
	 */
	readonly cause?: 'not-taken';
}

/** The run has not reached the layer yet. */
export interface PendingRecompute extends Absent<RecomputeErrors> {
	readonly status: 'pending';
	readonly reason?: undefined;
	readonly cause?: undefined;
}

export type Recompute = MatchingRecompute | DifferingRecompute | SkippedRecompute | PendingRecompute;

/** Fields that a variant of a union lacks, so that a reader need not ask for the variant first. */
type Absent<T> = { readonly [K in keyof T]?: undefined };

/** Statistics of the layer's input over (N, spatial) in the run. */
export interface BatchStatistics {
	/** Values per channel: m' = N * product of the spatial dimensions. */
	readonly count: number;
	/** N: the independent samples among them. */
	readonly images?: number;
	readonly mean: ChannelValues;
	/** Biased: divided by `count`. */
	readonly variance: ChannelValues;
	/**
	 * Per channel: number of NaN and infinite values among the `count` values, which mean and variance leave out. Absent
	 * if there are none.
	 */
	readonly nonFinite?: ChannelValues;
	/** True if an input of the run was random. These numbers are then no evidence about the running statistics. */
	readonly isRandom?: true;
}

/**
 * Axes of a normalization's mean and variance in the batch: `location` N and C (method 1), `activation` N (method 2),
 * `channel` N and the spatial axes (method 3). `running`: stored statistics instead.
 */
export type NormalizationMethod = 'location' | 'activation' | 'channel' | 'running';

/** Method that turned the layer's input into its output, judged by the tensors of the (first) run alone. */
export interface Normalization {
	/** `none`: no method explains the output. */
	readonly verdict: NormalizationMethod | 'none' | 'cannot-tell';
	/** Sentence that explains why the method is unknown. */
	readonly reason?: string;
	/** Every method judged, in the order of their numbers, `running` last. */
	readonly methods: readonly {
		readonly method: NormalizationMethod;
		/** Number of means, and of variances. */
		readonly statistics: number;
		/** m': batch values behind each statistic; absent for `running`. */
		readonly effectiveBatch?: number;
		/**
		 * Deviation of the output from this method's output, as a share of the output's standard deviation within channels.
		 */
		readonly residual?: number;
	}[];
	/** Residual that rounding alone may leave. */
	readonly tolerance?: number;
	/** Ratio of the best other residual to the verdict's, or to the tolerance if that is larger. */
	readonly margin?: number;
	/** Number of output values that were judged. */
	readonly values: number;
}

export interface LayerReport {
	/** Unique within the report, stable between runs on the same file. */
	readonly name: string;
	/** '' for the main graph, else the path of the subgraph or function, for example "If_3/then_branch". */
	readonly graph: string;
	/** Name of the tensor that the layer writes. */
	readonly output: string;
	readonly channels: number;
	/** Element type of the data, or "unknown". */
	readonly dtype: string;
	readonly opset: number;
	/** 0 if a decomposed layer's variance and epsilon cannot be separated. */
	readonly epsilon: number;
	/** Weight of the old value (ONNX convention); 0 where there is none or it is not known. */
	readonly momentum: number;
	readonly mode: 'inference' | 'training';
	readonly axes: 'channel' | 'activation';
	/** Axis of the layer's input with the channels, if it is not axis 1; negative: from the end. */
	readonly channelAxis?: number;
	/**
	 * "batchnorm": the operator; "decomposed": an equivalent chain of elementary operators; "handbuilt": elementary
	 * operators that normalize with the statistics of their own data, over any axes.
	 */
	readonly kind?: 'batchnorm' | 'decomposed' | 'handbuilt';
	/** Axes of mean and variance of a hand-built normalization; negative: from the end. Absent: all, or another kind. */
	readonly normalizedAxes?: readonly number[];
	/** The node that feeds the layer; null: a graph input. */
	readonly source: { readonly op: string; readonly name: string } | null;
	/** Facts that the file does not state and that were inferred. */
	readonly inferred?: readonly InferredFact[];
	/** Origin of the parameters in words: "initializer", "Constant node", "graph input" … */
	readonly parametersFrom?: string;
	/** null if not constant or unreadable; `parametersReason` explains it. */
	readonly parameters: LayerParameters | null;
	readonly parametersReason?: string;
	/** s = gamma / sqrt(variance + epsilon), t = beta - mean * s. */
	readonly affine: { readonly scale: ChannelValues; readonly shift: ChannelValues } | null;
	/**
	 * Shape of the layer's input, for example [1, 32, 112, 112]: from the run, or before a run from the file if it fixes
	 * all sizes.
	 */
	readonly inputShape?: readonly number[];
	readonly recompute: Recompute;
	readonly batch: BatchStatistics | null;
	/** Absent where there is no output to judge. */
	readonly normalization?: Normalization;
	readonly foldable: { readonly into: string | null; readonly reasons: readonly string[] };
	readonly findings: readonly Finding[];
}

export interface RunInput {
	readonly name: string;
	readonly shape: readonly number[];
	readonly dtype: string;
	/** "random normal, seed 0", or the file it came from. */
	readonly from: string;
}

interface RunFacts {
	/** "onnxruntime-node 1.30.0"; '' when it never loaded. */
	readonly runtime: string;
	readonly inputs: readonly RunInput[];
	/** Stage -> milliseconds: open, create, run, verify, judge, compare, total. */
	readonly milliseconds: Readonly<Record<string, number>>;
}

export interface CompletedRun extends RunFacts {
	readonly status: 'ok';
	/** Sentences: remarks on the run. */
	readonly reason?: string;
	/** True if the runtime refuses the model as a whole, so that only parts of it ran; `reason` explains it. */
	readonly partial?: true;
	/** Present after a run on files. Random input is unrelated to the running statistics. */
	readonly data?: DataFit;
	readonly failedAt?: undefined;
}

export interface FailedRun extends RunFacts {
	readonly status: 'failed';
	/** Sentence: the failure. */
	readonly reason: string;
	/** Cause: the user's files or sizes ("input"), or model or runtime ("model"). */
	readonly failedAt?: 'input' | 'model';
	readonly partial?: undefined;
}

/** Answer to the question if the running statistics fit the data of a run on files. */
export interface DataFit {
	/** too-few: no drift was seen, but the images are too few to show a considerable drift. */
	readonly verdict: 'fits' | 'does-not-fit' | 'too-few';
	/** N. */
	readonly images: number;
	readonly sentence: string;
	/** Sentence: the mistake in the input that explains data that do not fit. Part of `sentence`, too. */
	readonly mistake?: string;
}

export interface SkippedRun extends RunFacts {
	readonly status: 'skipped';
	/** Sentence: the reason for not running, or for an early end. */
	readonly reason: string;
	readonly failedAt?: undefined;
	readonly partial?: undefined;
}

export interface PendingRun extends RunFacts {
	readonly status: 'pending';
	readonly reason?: undefined;
	readonly failedAt?: undefined;
	readonly partial?: undefined;
}

export type RunSummary = CompletedRun | FailedRun | SkippedRun | PendingRun;

export interface Report {
	readonly format: typeof REPORT_FORMAT;
	readonly version: typeof REPORT_VERSION;
	readonly model: ModelSummary;
	/** Layers in graph order, subgraphs included. */
	readonly layers: readonly LayerReport[];
	readonly run: RunSummary;
	/** Findings about the model as a whole. */
	readonly findings: readonly Finding[];
	/** Present if the findings were held against a baseline. */
	readonly baseline?: BaselineResult;
}
