import { type Range, rangeOf } from '../../core/numbers/arrays.js';
import { coverage } from '../../core/report/coverage.js';
import { type FindingKey, isHarmless } from '../../core/report/findings.js';
import type { Severity } from '../../core/report/severity.js';
import { severityRank, worstSeverity } from '../../core/report/severity.js';
import type { Finding, LayerReport, Report } from '../../core/report/types.js';
import { strings } from '../text/strings.js';

/** Values derived from a layer for its row and its plots; computed once per layer. */
export interface LayerFacts {
	/** Worst severity among the findings. */
	readonly severity: Severity | null;
	readonly gamma: Range | null;
	readonly variance: Range | null;
	/** Range of the effective scale s. */
	readonly scale: Range | null;
	/** Length of the arrays per channel: C, or C * D1 * … * Dn if the layer keeps statistics per activation. */
	readonly size: number;
	/** Findings that name a channel, by channel. */
	readonly flags: ReadonlyMap<number, readonly Finding[]>;
}

const cache = new WeakMap<LayerReport, LayerFacts>();

export function layerFacts(layer: LayerReport): LayerFacts {
	const known = cache.get(layer);
	if (known) {
		return known;
	}
	const facts: LayerFacts = {
		severity: worstSeverity(layer.findings),
		gamma: layer.parameters && rangeOf(layer.parameters.gamma),
		variance: layer.parameters && rangeOf(layer.parameters.variance),
		scale: layer.affine && rangeOf(layer.affine.scale),
		size: layer.parameters?.gamma.length ?? layer.batch?.mean.length ?? layer.channels,
		flags: flagsOf(layer.findings),
	};
	cache.set(layer, facts);
	return facts;
}

function flagsOf(findings: readonly Finding[]): Map<number, Finding[]> {
	const flags = new Map<number, Finding[]>();
	for (const finding of findings) {
		for (const channel of finding.channels) {
			const list = flags.get(channel);
			if (list) {
				list.push(finding);
			} else {
				flags.set(channel, [finding]);
			}
		}
	}
	return flags;
}

/** Returns the channels that plots mark, ascending: channels with a finding more serious than a note. */
export function flaggedChannels(layer: LayerReport): number[] {
	const flagged: number[] = [];
	for (const [channel, findings] of layerFacts(layer).flags) {
		if (findings.some(({ severity }) => severity !== 'info')) {
			flagged.push(channel);
		}
	}
	return flagged.sort((a, b) => a - b);
}

/** Returns the largest ratio of error to bound in a layer; above 1 is a mismatch. null before it is known. */
export function boundRatio({ recompute }: LayerReport): number | null {
	const ratios = recompute.perChannel?.boundRatio;
	if (ratios && ratios.length > 0) {
		return rangeOf(ratios).max;
	}
	const { maxAbs, bound } = recompute;
	return maxAbs === undefined || bound === undefined ? null : maxAbs === 0 ? 0 : maxAbs / bound;
}

/** Returns the severity of a report as a whole. */
export function reportTone(report: Report): 'good' | 'muted' | Severity {
	const { layers, run, findings } = report;
	const all = [...findings, ...layers.flatMap((layer) => layer.findings)];
	const worst = worstSeverity(all.map((finding) => ({ severity: findingTone(finding) })));
	if (run.status === 'failed' || worst === 'error' || layers.some(({ recompute }) => recompute.status === 'mismatch')) {
		return 'error';
	}
	const { extent } = coverage(report);
	if (worst === 'warning' || (layers.length > 0 && (extent === 'part' || extent === 'none'))) {
		return 'warning';
	}
	const isMild = all.some(({ severity }) => severity === 'warning');
	return extent === 'pending' ? 'muted' : extent === 'whole' && !isMild ? 'good' : 'info';
}

/** Returns the severity as the page shows it: a finding that changes no result is no warning to a reader. */
export function findingTone(finding: FindingKey & { readonly severity: Severity }): Severity {
	return finding.severity === 'warning' && isHarmless(finding) ? 'info' : finding.severity;
}

/** Returns "channel 17", or "activation 17" for a layer that keeps statistics per activation. */
export function channelName(axes: LayerReport['axes'], channel: number): string {
	return axes === 'activation' ? strings.channel.activation(channel) : strings.channel.name(channel);
}

/** Weighs severity first, then the effect on results, then the share of the layer's channels. */
export function findingWeight(finding: Finding, layer: LayerReport): number {
	const { severity, channels } = finding;
	const share = channels.length === 0 ? 1 : channels.length / Math.max(1, layerFacts(layer).size);
	return severityRank(severity) + (findingTone(finding) === severity ? 0.5 : 0) + 0.499 * Math.min(1, share);
}
