import { MIME_TYPE } from '../../../src/protocol/host-notebook.js';

/** A cell with a saved output. */
export interface ExampleCell {
	/** Markdown above the cell. */
	readonly text?: string;
	readonly source: string;
	/** Saved output of the cell. */
	readonly payload: unknown;
}

/** Returns a notebook (nbformat 4.5) of cells with saved outputs. */
export function exampleNotebook(cells: readonly ExampleCell[]): string {
	const metadata = { kernelspec: { name: 'python3', display_name: 'Python 3', language: 'python' } };
	return JSON.stringify({
		cells: cells.flatMap((cell, index) => [
			...(cell.text === undefined
				? []
				: [{ cell_type: 'markdown', id: `text-${index}`, metadata: {}, source: [cell.text] }]),
			{
				cell_type: 'code',
				execution_count: index + 1,
				id: `cell-${index}`,
				metadata: {},
				source: [cell.source],
				outputs: [
					{
						output_type: 'display_data',
						metadata: {},
						data: { [MIME_TYPE]: cell.payload, 'text/plain': ['BatchNorm Lens is not installed.'] },
					},
				],
			},
		]),
		metadata,
		nbformat: 4,
		nbformat_minor: 5,
	});
}

/** Returns a notebook with one cell, whose output is `payload`. */
export function notebook(payload: unknown): string {
	return exampleNotebook([{ source: 'check(model)', payload }]);
}
