import { escapeMarkup, shorten, visible } from '../../text/names.js';
import type { Comparison } from '../comparison/comparison.js';
import { encodeComparison } from '../comparison/json.js';
import { comparisonAnswer } from '../comparison/summary.js';
import { encodeReport, type JsonObject } from '../json.js';
import { answer } from '../summary.js';
import type { Report } from '../types.js';
import { portable, portableComparison } from './portable.js';

/** Parts that make an exported page self-contained. */
export interface PageParts {
	/** The bundle of src/standalone. */
	readonly script: string;
	readonly style: string;
	/**
	 * plotly.js, compressed by gzip, in base64: a third of the plain script's size, and without characters that could end
	 * an element.
	 */
	readonly plotly: string;
	/** Scripts that the content security policy allows: "sha256-…" of `script` and of plotly.js. */
	readonly scriptHashes: readonly string[];
	/** "sha256-…" of `style`. */
	readonly styleHash: string;
}

const MAX_TITLE = 120;

/** Renders a report as a single HTML file that a browser opens from disk. */
export function toHtml(report: Report, parts: PageParts): string {
	const title = fileName(report.model.path);
	return pageHtml({ title, answer: answer(report), json: encodeReport(portable(report)) }, parts);
}

/** Renders a comparison as {@link toHtml} renders a report. */
export function comparisonToHtml(comparison: Comparison, parts: PageParts): string {
	const title = `${fileName(comparison.original.path)} → ${fileName(comparison.deployed.path)}`;
	return pageHtml(
		{ title, answer: comparisonAnswer(comparison), json: encodeComparison(portableComparison(comparison)) },
		parts,
	);
}

interface PageContent {
	readonly title: string;
	/** Sentences for a browser without JavaScript. */
	readonly answer: string;
	/** The document to draw; its `format` says which page draws it. */
	readonly json: JsonObject;
}

/**
 * The page's policy allows only the two scripts, by their hashes, and no connection, so that a name in the markup could
 * not act.
 */
function pageHtml({ title, answer, json }: PageContent, parts: PageParts): string {
	const { script, style, plotly, scriptHashes, styleHash } = parts;
	const policy = [
		`default-src 'none'`,
		'img-src data: blob:',
		`style-src '${styleHash}'`,
		`script-src ${scriptHashes.map((hash) => `'${hash}'`).join(' ')}`,
		`base-uri 'none'`,
		`form-action 'none'`,
	].join('; ');
	return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<title>${escapeMarkup(visible(shorten(title, MAX_TITLE)))} – BatchNorm Lens</title>
<style>${style}</style>
</head>
<body>
<main id="app"></main>
<noscript><p>${escapeMarkup(visible(answer))}</p><p>The tables and plots of this page need JavaScript.</p></noscript>
<script type="application/json" id="report">${inScript(JSON.stringify(json))}</script>
<script type="text/plain" id="plotly">${plotly}</script>
<script>${script}</script>
</body>
</html>
`;
}

/** JSON inside of an element that ends at the first "</script": no "<" is left in it. */
function inScript(json: string): string {
	return json.replaceAll('<', '\\u003c');
}

function fileName(path: string): string {
	return path.split(/[/\\]/).at(-1) || 'Report';
}
