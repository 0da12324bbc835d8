import { coverage, describeGaps } from '../../core/report/coverage.js';
import { channelCount } from '../../core/report/finding-facts.js';
import { findingWords } from '../../core/report/findings.js';
import { worstSeverity } from '../../core/report/severity.js';
import type { Finding, LayerReport, Report } from '../../core/report/types.js';
import { inert, shorten, shortLayerName } from '../../core/text/names.js';

/** Texts and state of a layer's row in the tree. */
export interface TreeRow {
	readonly label: string;
	/** Dimmed text beside the label. */
	readonly description: string;
	readonly tooltip: string;
	/** Status of the layer, shown as an icon; `tooltip` explains it. */
	readonly state: 'error' | 'warning' | 'info' | 'match' | 'skipped' | 'pending';
}

const MAX_LABEL = 120;
const MAX_TOOLTIP = 1000;

export function treeRow(layer: LayerReport): TreeRow {
	const { source, channels, recompute, findings } = layer;
	// Puts findings first, because the side bar cuts off the end.
	const facts = [
		...findings.map((finding) => findingBadge(finding, layer)),
		source === null ? '' : inert(shorten(source.op, MAX_LABEL)),
		`${channels} ch`,
	];
	return {
		label: inert(shorten(shortLayerName(layer.name), MAX_LABEL)),
		description: facts.filter((fact) => fact !== '').join(' · '),
		tooltip: tooltip(layer),
		state: worstSeverity(findings) ?? (recompute.status === 'mismatch' ? 'error' : recompute.status),
	};
}

/** Returns a sentence above the rows about checks that could not be made; '' if there is no such check. */
export function treeMessage(report: Report): string {
	return inert(shorten(describeGaps(coverage(report), report.layers.length) ?? '', MAX_TOOLTIP));
}

/** "always 0: 4 of 96", or the badge alone for a finding without channels. */
function findingBadge(finding: Finding, layer: LayerReport): string {
	const { badge } = findingWords(finding);
	const { length } = finding.channels;
	return length === 0 ? badge : `${badge}: ${length} of ${channelCount(layer)}`;
}

function tooltip({ name, recompute, findings }: LayerReport): string {
	const lines = [
		name,
		recompute.reason === undefined ? recompute.status : `${recompute.status}: ${recompute.reason}`,
		...findings.map(({ message }) => message),
	];
	return lines.map((line) => inert(shorten(line, MAX_TOOLTIP))).join('\n');
}
