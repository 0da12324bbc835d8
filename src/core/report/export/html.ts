import { escapeMarkup, shorten, visible } from '../../text/names.js';
import { encodeReport } from '../json.js';
import { answer } from '../summary.js';
import type { Report } from '../types.js';

/** What a page needs to be whole by itself. */
export interface PageParts {
	/** The bundle of src/standalone. */
	readonly script: string;
	readonly style: string;
	/** plotly.js, compressed by gzip, in base64: a third of the plain script, and free of anything that ends an element. */
	readonly plotly: string;
	/** What the content security policy lets run and apply: "sha256-…" of `script` and of plotly.js. */
	readonly scriptHashes: readonly string[];
	/** "sha256-…" of `style`. */
	readonly styleHash: string;
}

const MAX_TITLE = 120;

/**
 * The page of a report as one file that a browser opens from disk. Its policy allows the two scripts by their hashes and
 * nothing else, no connection at all: a name that found its way into the markup would still do nothing.
 */
export function toHtml(report: Report, parts: PageParts): string {
	const { script, style, plotly, scriptHashes, styleHash } = parts;
	const policy = [
		`default-src 'none'`,
		'img-src data: blob:',
		`style-src '${styleHash}'`,
		`script-src ${scriptHashes.map((hash) => `'${hash}'`).join(' ')}`,
		`base-uri 'none'`,
		`form-action 'none'`,
	].join('; ');
	const title = escapeMarkup(visible(shorten(fileName(report.model.path), MAX_TITLE)));
	return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<title>${title} – BatchNorm Lens</title>
<style>${style}</style>
</head>
<body>
<main id="app"></main>
<noscript><p>${escapeMarkup(visible(answer(report)))}</p><p>The tables and plots of this page need JavaScript.</p></noscript>
<script type="application/json" id="report">${inScript(JSON.stringify(encodeReport(report)))}</script>
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
