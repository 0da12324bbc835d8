import { type FindingFact, findingFacts, findingKind } from '../../core/report/finding-facts.js';
import { findingWords } from '../../core/report/findings.js';
import type { Severity } from '../../core/report/severity.js';
import type { Finding, Report } from '../../core/report/types.js';
import { shortLayerName, visible } from '../../core/text/names.js';
import { capitalize } from '../../core/text/sentences.js';
import { type Destination, wantsColor, widthOf, wrap } from './text.js';

/** Maximum number of layers described for a kind of finding; --json has all. */
const MAX_LAYERS = 3;

const SEVERITY_COLORS: Readonly<Record<Severity, number>> = { error: 31, warning: 33, info: 36 };
/** Names of severities, padded to equal width. */
const WORDS: Readonly<Record<Severity, string>> = { error: 'error  ', warning: 'warning', info: 'note   ' };
const INDENT = ' '.repeat(11);

/** Renders the findings by kind, the gravest first: number of channels or layers, the worst layers, and the advice. */
export function renderFindings(report: Report, destination: Destination): string {
	const facts = findingFacts(report.layers);
	const blocks = [
		...report.findings.map((finding) => ofModel(finding, destination)),
		...facts.map((fact) => ofLayers(fact, report, destination)),
	];
	return blocks.length === 0 ? '' : ['Findings', ...blocks].join('\n');
}

function ofModel(finding: Finding, destination: Destination): string {
	return [
		title(
			finding.severity,
			`${finding.known ? 'known ' : ''}${finding.code}: ${visible(finding.message)}`,
			destination,
		),
		wrap(findingWords(finding).advice, widthOf(destination), INDENT),
	].join('\n');
}

function ofLayers(fact: FindingFact, report: Report, destination: Destination): string {
	const width = widthOf(destination);
	const { code, severity, layers, text } = fact;
	const kind = findingKind(fact);
	const found = layers
		.flatMap((index) => (report.layers[index]?.findings ?? []).map((finding) => ({ index, finding })))
		.filter(({ finding }) => findingKind(finding) === kind)
		.sort((a, b) => b.finding.channels.length - a.finding.channels.length);
	const known = found.filter(({ finding }) => finding.known).length;
	const knownWords = known === 0 ? '' : known === found.length ? 'known ' : `${known} known `;
	const head = `${knownWords}${code}: ${text === '' ? findingWords(fact).title : capitalize(text)}.`;
	if (severity === 'info') {
		return title(severity, head, destination);
	}
	const described = found.slice(0, MAX_LAYERS).map(({ index, finding }) => {
		const name = visible(shortLayerName(report.layers[index]?.name ?? ''));
		return wrap(`Layer ${index + 1}, ${name}: ${visible(finding.message)}`, width, INDENT);
	});
	const more = found.length - described.length;
	return [
		title(severity, head, destination),
		...described,
		...(more > 0 ? [`${INDENT}${more} more ${more === 1 ? 'layer' : 'layers'}; --json lists them all.`] : []),
		wrap(findingWords(fact).advice, width, INDENT),
	].join('\n');
}

function title(severity: Severity, text: string, destination: Destination): string {
	const lines = wrap(text, widthOf(destination), INDENT, `  ${WORDS[severity]}  `);
	return wantsColor(destination)
		? lines.replace(WORDS[severity].trimEnd(), `\u001b[${SEVERITY_COLORS[severity]}m$&\u001b[0m`)
		: lines;
}
