import { shorten, visible } from '../../../text/names.js';

const MAX_NAME = 120;
const MAX_SENTENCE = 2000;

/**
 * Formats a string of the model as a code span, in which markup, HTML and links are inactive. Characters that could end
 * the span or the table's cell become \uXXXX.
 */
export function code(text: string): string {
	const safe = visible(shorten(text, MAX_NAME)).replace(/[`|]/g, escapeUnicode);
	return safe.trim() === '' ? '(no name)' : `\`${safe}\``;
}

function escapeUnicode(character: string): string {
	return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

/**
 * Formats a sentence of ours that quotes the model. Words that a renderer could take for an address (also without a
 * scheme: example.com) become code, and all other punctuation of Markdown is escaped.
 */
export function prose(text: string): string {
	return visible(shorten(text, MAX_SENTENCE))
		.split(' ')
		.map((word) => (/[/:@]\S|[a-z]\.[a-z]/i.test(word) ? codeWord(word) : word.replace(/[\\`*_[\]<>|#!~&$]/g, '\\$&')))
		.join(' ');
}

/** Punctuation around a quoted name is not part of it. */
function codeWord(word: string): string {
	const [, before = '', inner = '', after = ''] = /^(["'(]*)(.*?)([.,;:)"']*)$/s.exec(word) ?? [];
	return `${before}${code(inner)}${after}`;
}

/** Joins blocks that are not empty by an empty line. */
export function joinBlocks(...blocks: readonly string[]): string {
	return blocks.filter((block) => block !== '').join('\n\n');
}

export interface MarkdownColumn {
	readonly title: string;
	readonly align: 'left' | 'right';
}

/** @param rows cells that are Markdown already, one for each column */
export function markdownTable(columns: readonly MarkdownColumn[], rows: readonly (readonly string[])[]): string {
	const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
	const ruler = columns.map(({ align }) => (align === 'left' ? '---' : '---:'));
	return [line(columns.map(({ title }) => title)), line(ruler), ...rows.map(line)].join('\n');
}
