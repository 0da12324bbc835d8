export type Alignment = 'left' | 'right';

export interface Column {
	readonly title: string;
	readonly align: Alignment;
}

/** Rows as aligned columns, two spaces apart. */
export function formatTable(columns: readonly Column[], rows: readonly (readonly string[])[]): string {
	const widths = columns.map(({ title }, i) => Math.max(title.length, ...rows.map((row) => row[i].length)));
	const line = (cells: readonly string[]) =>
		cells
			.map((cell, i) => (columns[i].align === 'left' ? cell.padEnd(widths[i]) : cell.padStart(widths[i])))
			.join('  ')
			.trimEnd();
	return [line(columns.map(({ title }) => title)), ...rows.map(line)].join('\n');
}
