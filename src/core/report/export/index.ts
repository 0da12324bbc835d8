import type { Comparison } from '../comparison/comparison.js';
import { encodeComparison } from '../comparison/json.js';
import { encodeReport } from '../json.js';
import type { Report } from '../types.js';
import { comparisonToCsv } from './comparison/csv.js';
import { comparisonToJunit } from './comparison/junit.js';
import { comparisonToMarkdown } from './comparison/markdown.js';
import { comparisonToSarif } from './comparison/sarif.js';
import { toCsv } from './csv.js';
import { comparisonToHtml, type PageParts, toHtml } from './html.js';
import { toJunit } from './junit.js';
import { toMarkdown } from './markdown.js';
import { toSarif } from './sarif.js';
import type { JunitOptions } from './text/junit-xml.js';
import type { SarifOptions } from './text/sarif-log.js';

export type ExportFormat = 'json' | 'csv' | 'markdown' | 'sarif' | 'junit' | 'html';

/** File name extension of each format, without the dot. */
export const EXTENSIONS: Readonly<Record<ExportFormat, string>> = {
	html: 'html',
	markdown: 'md',
	csv: 'csv',
	json: 'json',
	sarif: 'sarif',
	junit: 'xml',
};

export const FORMATS = Object.keys(EXTENSIONS) as readonly ExportFormat[];

/** Options of individual formats. */
export interface ExportOptions extends SarifOptions, JunitOptions {
	/** Asked only for a page: it reads megabytes. */
	pageParts(): Promise<PageParts>;
}

/** Renders the report in a format, as the text of a file. Rejects only if `pageParts` rejects. */
export async function exportReport(report: Report, format: ExportFormat, options: ExportOptions): Promise<string> {
	switch (format) {
		case 'json':
			return `${JSON.stringify(encodeReport(report))}\n`;
		case 'csv':
			return toCsv(report);
		case 'markdown':
			return toMarkdown(report);
		case 'sarif':
			return `${JSON.stringify(toSarif(report, options), null, '\t')}\n`;
		case 'junit':
			return toJunit(report, options);
		case 'html':
			return toHtml(report, await options.pageParts());
	}
}

/** Renders a comparison in a format, as {@link exportReport} renders a report. */
export async function exportComparison(
	comparison: Comparison,
	format: ExportFormat,
	options: ExportOptions,
): Promise<string> {
	switch (format) {
		case 'json':
			return `${JSON.stringify(encodeComparison(comparison))}\n`;
		case 'csv':
			return comparisonToCsv(comparison);
		case 'markdown':
			return comparisonToMarkdown(comparison);
		case 'sarif':
			return `${JSON.stringify(comparisonToSarif(comparison, options), null, '\t')}\n`;
		case 'junit':
			return comparisonToJunit(comparison, options);
		case 'html':
			return comparisonToHtml(comparison, await options.pageParts());
	}
}
