import type { Finding, LayerReport, Severity } from '../../core/report/types.js';
import { shorten, shortLayerName, visible } from '../../core/text/names.js';

/** What a layer looks like in the tree. */
export interface TreeRow {
	readonly label: string;
	/** Beside the label, dimmed. */
	readonly description: string;
	readonly tooltip: string;
	/** How the layer stands; shown as an icon, and said in `tooltip`. */
	readonly state: 'error' | 'warning' | 'info' | 'match' | 'skipped' | 'pending';
}

const MAX_LABEL = 120;
const MAX_TOOLTIP = 1000;
const WORST_FIRST: readonly Severity[] = ['error', 'warning', 'info'];

export function treeRow(layer: LayerReport): TreeRow {
	const { source, channels, recompute, findings } = layer;
	// What was found comes first: the side bar cuts the end off.
	const facts = [
		...findings.map(findingBadge),
		source === null ? '' : visible(shorten(source.op, MAX_LABEL)),
		`${channels} ch`,
	];
	return {
		label: visible(shorten(shortLayerName(layer.name), MAX_LABEL)),
		description: facts.filter((fact) => fact !== '').join(' · '),
		tooltip: tooltip(layer),
		state: worst(layer) ?? (recompute.status === 'mismatch' ? 'error' : recompute.status),
	};
}

export function worst({ findings }: { readonly findings: readonly Finding[] }): Severity | undefined {
	return WORST_FIRST.find((severity) => findings.some((finding) => finding.severity === severity));
}

function findingBadge({ code, channels }: Finding): string {
	return channels.length === 0 ? code : `${code} ×${channels.length}`;
}

function tooltip({ name, recompute, findings }: LayerReport): string {
	const lines = [
		name,
		recompute.reason === undefined ? recompute.status : `${recompute.status}: ${recompute.reason}`,
		...findings.map(({ message }) => message),
	];
	return lines.map((line) => visible(shorten(line, MAX_TOOLTIP))).join('\n');
}
