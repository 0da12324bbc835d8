import { shorten, visible } from '../../core/text/names.js';

export type Alignment = 'left' | 'right';

export interface Column {
	readonly title: string;
	readonly align: Alignment;
	/** Order in which columns are left out where the table is too wide, 1 first; absent: never. */
	readonly drop?: number;
	/** Smallest width to which cells are shortened before columns are left out; absent: cells stay whole. */
	readonly least?: number;
}

/** Columns of a terminal that does not say its width, and of a pipe. */
const DEFAULT_WIDTH = 80;

const GAP = 2;

/**
 * Formats rows as aligned columns, two spaces apart. Shortens flexible columns and leaves out columns to fit the width.
 */
export function formatTable(
	columns: readonly Column[],
	rows: readonly (readonly string[])[],
	width = Number.POSITIVE_INFINITY,
): string {
	// A spread of all rows would overflow the stack.
	const natural = columns.map(({ title }, i) =>
		rows.reduce((widest, row) => Math.max(widest, (row[i] ?? '').length), title.length),
	);
	const kept = fitColumns(columns, natural, width);
	const widths = fitWidths(columns, natural, { kept, width });
	const line = (cells: readonly string[]) =>
		kept
			.map((i) => {
				const size = widths[i] ?? 0;
				const cell = shorten(cells[i] ?? '', size);
				return columns[i]?.align === 'left' ? cell.padEnd(size) : cell.padStart(size);
			})
			.join(' '.repeat(GAP))
			.trimEnd();
	return [line(columns.map(({ title }) => title)), ...rows.map(line)].join('\n');
}

/** Returns the indices of the columns that fit if flexible columns have their least width. */
function fitColumns(columns: readonly Column[], natural: readonly number[], width: number): number[] {
	const least = (i: number) => Math.min(natural[i] ?? 0, columns[i]?.least ?? Number.POSITIVE_INFINITY);
	let kept = columns.map((_, i) => i);
	const needed = () => kept.reduce((sum, i) => sum + least(i), GAP * (kept.length - 1));
	while (needed() > width) {
		const droppable = kept.filter((i) => columns[i]?.drop !== undefined);
		if (droppable.length === 0) {
			break;
		}
		const first = droppable.reduce((a, b) => ((columns[b]?.drop ?? 0) < (columns[a]?.drop ?? 0) ? b : a));
		kept = kept.filter((i) => i !== first);
	}
	return kept;
}

/** Returns the width of each column. Flexible columns take the remaining space. */
function fitWidths(
	columns: readonly Column[],
	natural: readonly number[],
	{ kept, width }: { readonly kept: readonly number[]; readonly width: number },
): number[] {
	const widths = [...natural];
	let excess = kept.reduce((sum, i) => sum + (natural[i] ?? 0), GAP * (kept.length - 1)) - width;
	for (const i of kept) {
		const size = widths[i] ?? 0;
		const spare = Math.max(0, size - (columns[i]?.least ?? size));
		const cut = Math.max(0, Math.min(spare, excess));
		widths[i] = size - cut;
		excess -= cut;
	}
	return widths;
}

/** Destination of rendered text. */
export interface Destination {
	readonly isTTY?: boolean;
	/** Columns of a terminal. */
	readonly columns?: number;
}

/** Returns the number of columns to fill. */
export function widthOf({ isTTY, columns }: Destination): number {
	return isTTY === true && columns !== undefined && columns > 0 ? columns : DEFAULT_WIDTH;
}

/** Breaks a text between words. Further lines begin with `indent`, the first line with `first`. */
export function wrap(text: string, width: number, indent = '', first = indent): string {
	const lines: string[] = [];
	let line = first;
	let isEmpty = true;
	for (const word of text.split(' ')) {
		if (!isEmpty && line.length + 1 + word.length > width) {
			lines.push(line);
			line = indent;
			isEmpty = true;
		}
		line += isEmpty ? word : ` ${word}`;
		isEmpty = false;
	}
	return [...lines, line].join('\n');
}

/** True for a terminal unless the user switched colors off (https://no-color.org). */
export function wantsColor({ isTTY }: Destination): boolean {
	return isTTY === true && process.env.NO_COLOR === undefined;
}

/** Makes every character visible, and the text bold if colored. */
export function emphasize(text: string, isColored: boolean): string {
	const safe = text.split('\n').map(visible).join('\n');
	return isColored ? `\u001b[1m${safe}\u001b[0m` : safe;
}
