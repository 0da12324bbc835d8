/** Pads the cells of every table in a Markdown text, so that its columns line up for a person who reads the source. */
export function alignTables(markdown: string): string {
	return markdown.replace(/(?:^\|.*\|$\n?)+/gm, (table) => alignTable(table));
}

function alignTable(table: string): string {
	const rows = table
		.trimEnd()
		.split('\n')
		.map((line) =>
			line
				.slice(1, -1)
				.split('|')
				.map((cell) => cell.trim()),
		);
	const isRight = (rows[1] ?? []).map((ruler) => ruler.endsWith(':'));
	const widths = (rows[0] ?? []).map((_, i) =>
		rows.reduce((widest, row, r) => (r === 1 ? widest : Math.max(widest, (row[i] ?? '').length)), 3),
	);
	const pad = (cell: string, i: number, isRuler: boolean) => {
		const width = widths[i] ?? 0;
		if (isRuler) {
			return isRight[i] ? `${'-'.repeat(width - 1)}:` : '-'.repeat(width);
		}
		return isRight[i] ? cell.padStart(width) : cell.padEnd(width);
	};
	const lines = rows.map((row, r) => `| ${row.map((cell, i) => pad(cell, i, r === 1)).join(' | ')} |`);
	return lines.join('\n') + (table.endsWith('\n') ? '\n' : '');
}
