import { formatInteger } from '../text/numbers.js';
import { FINDING_CODES, type FindingCode, type FindingKey, findingWords, isHarmless } from './findings.js';
import { type Severity, severityRank } from './severity.js';
import type { Finding, LayerReport } from './types.js';

/** A kind of finding in the layers of a model, with its counts. */
export interface FindingFact extends FindingKey {
	readonly severity: Severity;
	/** Indices of the layers in the report, ascending. */
	readonly layers: readonly number[];
	/** Share of the model's channels, or of its layers for a kind that names no channels; from 0 to 1. */
	readonly share: number;
	/** "412 of 17,056 channels are always 0 behind the ReLU, in 35 layers". */
	readonly text: string;
}

/** Returns a text that is equal for findings with the same code, meaning and severity. */
export function findingKind({ code, meaning, severity }: FindingKey & { readonly severity: Severity }): string {
	return [severity, code, ...(meaning ? [meaning] : [])].join('/');
}

/**
 * Returns a fact per kind of finding, the gravest first: by severity, then data that do not fit, then by the order of the
 * catalog. Harmless kinds come last, the largest first.
 */
export function findingFacts(layers: readonly LayerReport[]): FindingFact[] {
	const kinds = new Map<string, { readonly index: number; readonly finding: Finding }[]>();
	layers.forEach(({ findings }, index) => {
		for (const finding of findings) {
			const kind = findingKind(finding);
			kinds.set(kind, [...(kinds.get(kind) ?? []), { index, finding }]);
		}
	});
	const channels = layers.reduce((sum, layer) => sum + channelCount(layer), 0);
	return [...kinds.values()]
		.flatMap((found) => factOf(found, { layers: layers.length, channels }))
		.sort(
			(a, b) =>
				severityRank(b.severity) - severityRank(a.severity) ||
				Number(isAboutData(b)) - Number(isAboutData(a)) ||
				Number(isHarmless(a)) - Number(isHarmless(b)) ||
				(isHarmless(a) ? 0 : order(a.code) - order(b.code)) ||
				b.share - a.share,
		);
}

/** Returns the number of values per parameter: C, or C * D1 * … * Dn for a layer with statistics per activation. */
export function channelCount({ parameters, channels }: Pick<LayerReport, 'parameters' | 'channels'>): number {
	return parameters?.gamma.length ?? channels;
}

function factOf(
	found: readonly { readonly index: number; readonly finding: Finding }[],
	total: { readonly layers: number; readonly channels: number },
): FindingFact[] {
	const [first] = found;
	if (!first) {
		return [];
	}
	const { code, meaning, severity } = first.finding;
	const words = findingWords(first.finding);
	const layers = [...new Set(found.map(({ index }) => index))];
	const channels = found.reduce((sum, { finding }) => sum + finding.channels.length, 0);
	const own = { code, ...(meaning && { meaning }), severity, layers };
	if (channels > 0 && words.channels) {
		const place = layers.length === 1 ? `layer ${(layers[0] ?? 0) + 1}` : `${layers.length} layers`;
		const where = total.layers === 1 ? '' : `, in ${place}`;
		return [
			{
				...own,
				share: channels / Math.max(total.channels, channels),
				text: `${share(channels, total.channels, 'channel')} ${words.channels[channels === 1 ? 0 : 1]}${where}`,
			},
		];
	}
	const clause = words.clause?.[layers.length === 1 ? 0 : 1];
	return [
		{
			...own,
			share: layers.length / total.layers,
			text: clause === undefined ? '' : `${share(layers.length, total.layers, 'layer')} ${clause}`,
		},
	];
}

/** Returns "1 of 64 channels", or "the only layer". */
function share(part: number, all: number, noun: 'channel' | 'layer'): string {
	return all === 1 ? `the only ${noun}` : `${formatInteger(part)} of ${formatInteger(all)} ${noun}s`;
}

/** True for the kind that the headline states before all other warnings. */
const isAboutData = ({ code }: FindingFact): boolean => code === 'statistics-drift';

const order = (code: FindingCode): number => FINDING_CODES.indexOf(code);
