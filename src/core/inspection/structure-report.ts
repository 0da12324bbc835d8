import { type Affine, affine } from '../batchnorm/affine.js';
import { handBuiltFindings } from '../batchnorm/handbuilt.js';
import { DEFAULT_THRESHOLDS, type HealthThresholds, healthSubject, layerHealth } from '../batchnorm/health.js';
import type { BatchNormLayer } from '../batchnorm/layer.js';
import { describeOrigins, parameterFinding, parameterValues } from '../batchnorm/parameters.js';
import { UNUSED, unusedLayers } from '../batchnorm/unused.js';
import { type Foldability, foldability } from '../folding/targets/foldability.js';
import type { LayeredModel } from '../folding/targets/network.js';
import type { Model } from '../onnx/model.js';
import {
	type Finding,
	type LayerParameters,
	type LayerReport,
	type ModelSummary,
	REPORT_FORMAT,
	REPORT_VERSION,
	type Report,
} from '../report/types.js';

export interface StructureOptions {
	/** Thresholds that differ from the defaults. */
	readonly thresholds?: Partial<HealthThresholds>;
}

/**
 * Returns the report of a model before a run: layers, parameters, health, and fold targets. The parts that a run adds
 * (`recompute`, `batch`, `run`) are "pending" or null.
 * @throws {OnnxError} `io` when the file cannot be read any more.
 */
export async function structureReport(open: LayeredModel, options: StructureOptions = {}): Promise<Report> {
	const { model, layers } = open;
	const thresholds = { ...DEFAULT_THRESHOLDS, ...options.thresholds };
	const isCheckpoint = (model.format ?? 'onnx') !== 'onnx';
	const unused = unusedLayers(layers);
	const foldable = await foldability(open);
	const reports = layers.map((layer, index) => {
		const whole = layerReport(layer, foldable[index], thresholds);
		return isCheckpoint ? withoutGraph(whole, layer) : whole;
	});
	return {
		format: REPORT_FORMAT,
		version: REPORT_VERSION,
		model: summarizeModel(model),
		layers: withLostStatistics(reports).map((report, index) =>
			unused.has(layers[index]) ? { ...report, findings: [...report.findings, UNUSED] } : report,
		),
		run: { status: 'pending', runtime: '', inputs: [], milliseconds: {} },
		findings: [],
	};
}

/** Makes missing statistics an error if no layer has any: a single dead layer may have mean and variance 0, not all layers. */
function withLostStatistics(layers: readonly LayerReport[]): readonly LayerReport[] {
	const lacksStatistics = ({ meaning }: Finding) => meaning === 'statistics-missing';
	if (!layers.every(({ mode, findings }) => mode === 'inference' && findings.some(lacksStatistics))) {
		return layers;
	}
	return layers.map((layer) => ({
		...layer,
		findings: layer.findings.map((finding) => (lacksStatistics(finding) ? { ...finding, severity: 'error' } : finding)),
	}));
}

export function summarizeModel(model: Model): ModelSummary {
	const { path, bytes, format = 'onnx', notes = [], graph } = model;
	if (format !== 'onnx') {
		const noGraph = { irVersion: 0, opset: 0, producer: '', nodes: 0 };
		return { path, bytes, format, ...noGraph, ...(notes.length > 0 && { notes }) };
	}
	return {
		path,
		bytes,
		format,
		irVersion: asCount(model.irVersion),
		// A file that imports no operator set, from before there were any, means the first.
		opset: asCount(model.opsetImports.get('') ?? 1),
		producer: `${model.producerName} ${model.producerVersion}`.trim(),
		nodes: graph.nodes.length,
	};
}

/** Returns a version; 0 for a number that is no count, which only a broken file states. */
function asCount(version: number): number {
	return Number.isSafeInteger(version) && version >= 0 ? version : 0;
}

function layerReport(layer: BatchNormLayer, foldable: Foldability, thresholds: HealthThresholds): LayerReport {
	const resolved = parameterValues(layer);
	const parameters = resolved.ok ? resolved.value : null;
	const unusable = parameterFinding(layer);
	const { source } = layer;
	const inputShape = fixedShape(layer);
	return {
		name: layer.name,
		graph: layer.graphPath,
		output: layer.output,
		channels: layer.channels,
		dtype: layer.dtype === 'undefined' ? 'unknown' : layer.dtype,
		opset: asCount(layer.opset),
		epsilon: layer.epsilon,
		momentum: layer.momentum,
		mode: layer.mode,
		axes: layer.axes,
		...(layer.channelAxis !== 1 && { channelAxis: layer.channelAxis }),
		kind: layer.kind,
		...(layer.handBuilt?.axes && { normalizedAxes: layer.handBuilt.axes }),
		source: source && { op: source.opType, name: source.name },
		// Mean and variance of a hand-built layer come from no tensor of the file.
		...(!layer.handBuilt && !layer.affine && { parametersFrom: describeOrigins(layer) }),
		parameters,
		...(!resolved.ok && { parametersReason: resolved.reason }),
		affine: linearMap(layer, parameters),
		...(inputShape && { inputShape }),
		recompute: { status: 'pending' },
		batch: null,
		foldable,
		findings: layer.handBuilt
			? handBuiltFindings(layer)
			: [...(unusable ? [unusable] : []), ...layerHealth(healthSubject(layer, parameters), thresholds)],
	};
}

/** Removes the facts of a layer that only a graph could state, and marks the inferred facts. */
function withoutGraph(report: LayerReport, { node }: BatchNormLayer): LayerReport {
	const { inferred = [] } = node;
	// Without an operator in front, "no operator" would be a claim about a graph that the file lacks.
	const foldable = report.source ? report.foldable : { into: null, reasons: [] };
	const common = { ...report, output: '', opset: 0, parametersFrom: 'tensors of the checkpoint', foldable };
	return inferred.length > 0 ? { ...common, inferred } : common;
}

/** undefined where the file leaves a dimension open, or states a size that is no count. */
function fixedShape({ inputShape }: BatchNormLayer): number[] | undefined {
	const sizes = inputShape
		?.filter((dimension) => Number.isSafeInteger(dimension) && Number(dimension) >= 0)
		.map(Number);
	return sizes && sizes.length === inputShape?.length ? sizes : undefined;
}

/** Returns scale and shift of the layer at inference, also for a layer in training mode. */
function linearMap(layer: BatchNormLayer, parameters: LayerParameters | null): Affine | null {
	if (parameters) {
		const { gamma, beta, mean, variance } = parameters;
		return affine(gamma, beta, mean, variance, layer.epsilon);
	}
	return layer.affine ?? null;
}
