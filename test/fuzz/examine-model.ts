import { structureReport } from '../../src/core/inspection/structure-report.js';
import { readTensor } from '../../src/core/onnx/tensor/tensor.js';
import { exportReport, FORMATS } from '../../src/core/report/export/index.js';
import { toNotebook } from '../../src/core/report/export/notebook.js';
import { encodeReport, parseReport } from '../../src/core/report/json.js';
import type { Report } from '../../src/core/report/types.js';
import { endRun } from '../../src/core/report/update.js';
import type { Opened } from './opened.js';
import { type Timed, typed } from './typed.js';

const PAGE_PARTS = { script: '', style: '', plotly: '', scriptHashes: [], styleHash: '' };

/** Reads every constant, and makes the report and all its exports. Rejects on any error without a type. */
export async function useModel(opened: Opened, timed: Timed): Promise<void> {
	const { model, access, normalizations: layers, checkpoint } = opened;
	if (!checkpoint) {
		for (const record of model.graph.initializers.values()) {
			const tensor = await typed(readTensor(record, access));
			const count = record.dims.reduce((product, dim) => product * dim, 1);
			if (tensor && tensor.data.length !== count) {
				throw new Error(`Tensor ${record.name} of ${count} elements was read as ${tensor.data.length}.`);
			}
		}
	}
	const structure = await timed('report', () => typed(structureReport({ model, access, layers })));
	if (structure) {
		const run = { status: 'skipped', reason: 'Not run.', runtime: '', inputs: [], milliseconds: {} } as const;
		await exportEverywhere(endRun(structure, run, 'Not run.'), timed);
	}
}

async function exportEverywhere(report: Report, timed: Timed): Promise<void> {
	const options = { failOn: 'error', uri: 'model.onnx', version: '0.0.0', pageParts: async () => PAGE_PARTS } as const;
	for (const format of FORMATS) {
		const text = await timed(`export to ${format}`, () => exportReport(report, format, options));
		if (format === 'json' || format === 'sarif') {
			JSON.parse(text);
		}
	}
	await timed('notebook', async () => JSON.parse(toNotebook(report)));
	await timed('copy through JSON', async () => parseReport(JSON.parse(JSON.stringify(encodeReport(report)))));
}
