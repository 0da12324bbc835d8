import { visible } from '../core/text/names.js';

export type Alignment = 'left' | 'right';

export interface Column {
	readonly title: string;
	readonly align: Alignment;
}

/** Rows as aligned columns, two spaces apart. */
export function formatTable(columns: readonly Column[], rows: readonly (readonly string[])[]): string {
	// A spread of all rows would overflow the stack.
	const widths = columns.map(({ title }, i) =>
		rows.reduce((width, row) => Math.max(width, row[i].length), title.length),
	);
	const line = (cells: readonly string[]) =>
		cells
			.map((cell, i) => (columns[i].align === 'left' ? cell.padEnd(widths[i]) : cell.padStart(widths[i])))
			.join('  ')
			.trimEnd();
	return [line(columns.map(({ title }) => title)), ...rows.map(line)].join('\n');
}

/** Destination of rendered text. */
export interface Destination {
	readonly isTTY?: boolean;
}

/** True for a terminal whose user has not switched colors off (https://no-color.org). */
export function wantsColor({ isTTY }: Destination): boolean {
	return isTTY === true && process.env.NO_COLOR === undefined;
}

/** Makes every character visible, and the text bold if colored. */
export function emphasize(text: string, isColored: boolean): string {
	return isColored ? `\u001b[1m${visible(text)}\u001b[0m` : visible(text);
}
