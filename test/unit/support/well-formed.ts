import assert from 'node:assert/strict';

/**
 * Checks the parts of XML that the exporters use: elements that nest and close, quoted attributes, known entities.
 * @returns the names of all elements
 */
export function wellFormedXml(xml: string): string[] {
	const open: string[] = [];
	const names: string[] = [];
	const body = xml.replace(/^<\?xml [^?]*\?>\n/, '');
	const token = /<(\/?)([\w-]+)((?: [\w-]+="[^"<]*")*)(\/?)>|([^<]+)/gy;
	let end = 0;
	for (let match = token.exec(body); match; match = token.exec(body)) {
		const [, close, name = '', attributes = '', empty, text = ''] = match;
		end = token.lastIndex;
		assert.doesNotMatch((attributes + text).replace(/&(?:amp|lt|gt|quot|#39);/g, ''), /[&>]/);
		if (close) {
			assert.equal(open.pop(), name);
		} else if (name) {
			names.push(name);
			empty || open.push(name);
		}
	}
	assert.deepEqual([end, open], [body.length, []]);
	return names;
}

/** Returns Markdown without its inert parts: code spans and escaped punctuation. */
export function activeMarkdown(text: string): string {
	return text.replace(/\\[\\`*_[\]<>|#!~&$]/g, '').replace(/`[^`\n]*`/g, 'code');
}
