import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import type { PageParts } from '../core/report/export/html.js';

const STYLES = ['theme.css', 'page.css', 'comparison.css', 'plotly.css'];

/**
 * Reads the scripts and styles of a standalone page, about 2 MB.
 * @param dist folder of the bundles; media/ is beside it.
 */
export async function readPageParts(dist: string): Promise<PageParts> {
	const media = path.join(dist, '..', 'media');
	const [bundle, plotly, ...styles] = await Promise.all([
		readFile(path.join(dist, 'standalone.js'), 'utf8'),
		readFile(path.join(dist, 'plotly.min.js'), 'utf8'),
		...STYLES.map((name) => readFile(path.join(media, name), 'utf8')),
	]);
	// A development build refers to its source map, which a standalone page does not have.
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
