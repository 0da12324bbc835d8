import { escapeMarkup } from '../../core/text/names.js';

/** Parts of a page. */
export interface PageParts {
	/** Random, new for every page. */
	readonly nonce: string;
	/** Text of the bundle, in which esbuild escapes "</script". */
	readonly script: string;
	/** Texts of the style sheets. */
	readonly styles: readonly string[];
	/** Title for assistive technology: the file's name. */
	readonly title: string;
}

/**
 * Returns the HTML of a page. It is set once; all content travels as messages. Script and styles are part of the HTML:
 * VS Code's service worker took 120 ms to bring four files, and the page could not start before.
 */
export function pageHtml({ nonce, script, styles, title }: PageParts): string {
	// The nonce allows our own code and styles only. Plotly needs data: and blob: images for heatmaps and image export.
	const policy = [
		`default-src 'none'`,
		'img-src blob: data:',
		`style-src 'nonce-${nonce}'`,
		`script-src 'nonce-${nonce}'`,
	].join('; ');
	return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="${escapeMarkup(policy)}">
${styles.map((style) => `<style nonce="${nonce}">${style}</style>`).join('\n')}
<title>${escapeMarkup(title)}</title>
</head>
<body>
<main id="app"></main>
<script nonce="${nonce}" data-nonce="${nonce}">${script}</script>
</body>
</html>`;
}

/** Returns the HTML of a page of an extension with missing files. */
export function brokenPageHtml(message: string): string {
	return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'">
<title>BatchNorm Lens</title>
</head>
<body><p>${escapeMarkup(message)}</p></body>
</html>`;
}
