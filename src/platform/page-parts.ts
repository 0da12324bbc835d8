import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import type { PageParts } from '../core/report/export/html.js';

const STYLES = ['theme.css', 'page.css', 'plotly.css'];

/**
 * Reads what a page that stands by itself is made of, about 2 MB.
 * @param dist the folder of the bundles; media/ is beside it.
 */
export async function readPageParts(dist: string): Promise<PageParts> {
	const media = path.join(dist, '..', 'media');
	const [bundle, plotly, ...styles] = await Promise.all([
		readFile(path.join(dist, 'standalone.js'), 'utf8'),
		readFile(path.join(dist, 'plotly.min.js'), 'utf8'),
		...STYLES.map((name) => readFile(path.join(media, name), 'utf8')),
	]);
	// A development build names its source map, which is not in the page.
	const script = bundle.replace(/^\/\/# sourceMappingURL=.*$/m, '');
	const style = styles.join('\n');
	return {
		script,
		style,
		plotly: gzipSync(plotly, { level: 9 }).toString('base64'),
		scriptHashes: [hash(script), hash(plotly)],
		styleHash: hash(style),
	};
}

function hash(text: string): string {
	return `sha256-${createHash('sha256').update(text).digest('base64')}`;
}
