import { shorten, visible } from '../../../text/names.js';

/** Maximum length of a name, which every row of the layer repeats. `index` distinguishes long names. */
const MAX_NAME = 300;

/** Rows of a piece of the file. A large file never becomes a single text in memory. */
const ROWS_AT_ONCE = 1000;

/**
 * Yields a CSV file in pieces: a row of column names, then the rows. Lines end in CRLF (RFC 4180).
 * @param columns names, which need no quotes
 * @param rows lines without their end
 */
export function* csvPieces(columns: readonly string[], rows: Iterable<string>): Generator<string> {
	yield `${columns.join(',')}\r\n`;
	let lines: string[] = [];
	for (const row of rows) {
		lines.push(`${row}\r\n`);
		if (lines.length === ROWS_AT_ONCE) {
			yield lines.join('');
			lines = [];
		}
	}
	yield lines.join('');
}

/**
 * Formats a name as a cell that needs no quotes, because `numpy.genfromtxt` knows none and takes # for a comment.
 * Prefixes a cell that begins with = + - @ by an apostrophe, because a spreadsheet would run it as a formula (OWASP,
 * "CSV Injection").
 */
export function textCell(text: string): string {
	const cell = visible(shorten(text, MAX_NAME)).replace(
		/[",#;]/g,
		(character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
	);
	return /^\s*[=+\-@＝＋－＠]/.test(cell) ? `'${cell}` : cell;
}
