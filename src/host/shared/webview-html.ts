import { escapeMarkup } from '../../core/text/names.js';

/** Parts of a page, as URIs that the webview may load. */
export interface PageResources {
	/** `webview.cspSource`. */
	readonly cspSource: string;
	/** Random, new for every page. */
	readonly nonce: string;
	readonly script: string;
	readonly styles: readonly string[];
	/** Title for assistive technology: the file's name. */
	readonly title: string;
}

/** Returns the HTML of a page. It is set once; all content travels as messages. */
export function pageHtml(page: PageResources): string {
	// Allows neither eval nor inline code or styles. Plotly needs data: and blob: images for heatmaps and image export.
	const policy = [
		`default-src 'none'`,
		`img-src ${page.cspSource} blob: data:`,
		`font-src ${page.cspSource}`,
		`style-src ${page.cspSource}`,
		`script-src 'nonce-${page.nonce}'`,
	].join('; ');
	const styles = page.styles.map((href) => `<link rel="stylesheet" href="${escapeMarkup(href)}">`);
	return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="${escapeMarkup(policy)}">
${styles.join('\n')}
<title>${escapeMarkup(page.title)}</title>
</head>
<body>
<main id="app"></main>
<script nonce="${page.nonce}" src="${escapeMarkup(page.script)}" data-nonce="${page.nonce}"></script>
</body>
</html>`;
}
