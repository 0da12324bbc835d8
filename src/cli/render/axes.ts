import { explainAxes, PAPER } from '../../core/report/axes.js';
import { normalizationLine } from '../../core/report/summary.js';
import type { LayerReport, Report } from '../../core/report/types.js';
import { type Destination, formatTable, widthOf, wrap } from './text.js';

/** Layers that normalize over the same axes. */
interface AxesGroup {
	/** Index of the first layer in the report. */
	readonly first: number;
	readonly count: number;
	readonly layer: LayerReport;
}

/**
 * Answers over which axes the layers normalize, once for each set of axes, with the numbers of its first layer.
 * @param isFull adds formulas, the three methods, and training against inference
 */
export function renderAxes(report: Report, destination: Destination, isFull: boolean): string {
	const width = widthOf(destination);
	const groups = groupByAxes(report.layers);
	const byHand = describeHandBuilt(report.layers);
	if (groups.length === 0 && byHand.length === 0) {
		return '';
	}
	const used = normalizationLine(report);
	return [
		'Over which axes do the layers normalize?',
		...groups.map((group) => (isFull ? explain(group, width) : answer(group, width))),
		...byHand.map((sentence) => wrap(plain(sentence), width, '  ')),
		...(used === '' ? [] : [wrap(used, width, '  ')]),
		...(isFull || groups.length === 0 ? [] : [wrap('Formulas and the three methods: inspect --explain.', width, '  ')]),
	].join('\n');
}

/** Returns the findings that name the axes of normalizations written by hand, each once, with its layers. */
function describeHandBuilt(layers: readonly LayerReport[]): string[] {
	const found = new Map<string, number[]>();
	layers.forEach(({ kind, findings }, index) => {
		for (const { message } of kind === 'handbuilt' ? findings.filter(({ code }) => code === 'hand-built') : []) {
			found.set(message, [...(found.get(message) ?? []), index]);
		}
	});
	return [...found].map(([message, [first = 0, ...others]]) => `${layersTitle(first, 1 + others.length)}: ${message}`);
}

/** Returns "Layer 3", or "5 layers, for example layer 3". @param first index of the first layer in the report */
function layersTitle(first: number, count: number): string {
	return count === 1 ? `Layer ${first + 1}` : `${count} layers, for example layer ${first + 1}`;
}

/** Groups layers by method and axes, without the normalizations written by hand. */
function groupByAxes(layers: readonly LayerReport[]): AxesGroup[] {
	const groups = new Map<string, AxesGroup>();
	layers.forEach((layer, index) => {
		if (layer.kind === 'handbuilt') {
			return;
		}
		const { method, over } = explainAxes(layer);
		const key = `${method} ${over}`;
		const known = groups.get(key);
		groups.set(key, known ? { ...known, count: known.count + 1 } : { first: index, count: 1, layer });
	});
	return [...groups.values()];
}

function answer({ first, count, layer }: AxesGroup, width: number): string {
	const { sentence } = explainAxes(layer);
	return wrap(
		plain(`${layersTitle(first, count)}: ${sentence.replace(/\.$/, '')} (arXiv 1502.03167, section 3.2).`),
		width,
		'  ',
	);
}

function explain(group: AxesGroup, width: number): string {
	const { remark, formulas, methods, modes } = explainAxes(group.layer);
	const columns = [
		{ title: 'method', align: 'left' },
		{ title: 'over', align: 'left' },
		{ title: "m'", align: 'right' },
		{ title: 'means', align: 'right' },
		{ title: 'values of', align: 'left' },
	] as const;
	const names = ['1 per location', '2 per activation', '3 per channel'];
	const own = explainAxes(group.layer).method;
	const rows = methods.map(({ over, values, statistics, shared }, i) => [
		`${i + 1 === own ? '*' : ' '} ${names[i] ?? ''}`,
		over.join(', '),
		values,
		statistics,
		// The averaged axes are in a column of their own.
		shared.replace(/, all .*/, ''),
	]);
	return [
		answer(group, width),
		wrap(`${remark} ${PAPER.citation}, ${PAPER.url}`, width, '  '),
		'',
		...formulas.map(({ name, text }) => `  ${name.padEnd(9)} ${subscripts(text)}`),
		'',
		indent(formatTable(columns, rows, width - 2)),
		'  * the axes of this layer',
		'',
		...modes.map(({ mode, title, text }) =>
			wrap(plain(`${title}: ${text}${mode === group.layer.mode ? ' This layer is in this mode.' : ''}`), width, '  '),
		),
		'',
	].join('\n');
}

/** Writes the parts marked "_{…}" in brackets. */
function subscripts(text: string): string {
	return text.replace(/_\{([^}]*)\}/g, '[$1]');
}

const plain = (text: string): string => text.replaceAll('\u00a0', ' ');

const indent = (text: string): string => text.replace(/^/gm, '  ');
