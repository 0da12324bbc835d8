import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MIME_TYPE } from '../../../../../src/core/report/export/mime-type.js';
import { toNotebook } from '../../../../../src/core/report/export/notebook.js';
import { parsePayload } from '../../../../../src/core/report/payload.js';
import type { Report } from '../../../../../src/core/report/types.js';
import { DANGEROUS, HOSTILE_NAMES, hostileReport } from '../../../support/hostile.js';
import { MATCH, sampleLayer, sampleReport } from '../../../support/sample-report.js';

interface Notebook {
	readonly nbformat: number;
	readonly cells: readonly {
		readonly cell_type: string;
		readonly source: readonly string[];
		readonly outputs?: readonly { readonly data: Readonly<Record<string, unknown>> }[];
	}[];
}

function parts(report: Report) {
	const notebook: Notebook = JSON.parse(toNotebook(report));
	const [text, code, details] = notebook.cells;
	const data = code.outputs?.[0]?.data ?? {};
	const payload = parsePayload(data[MIME_TYPE]);
	assert.ok(payload.kind === 'report');
	const joined = (type: string) => (data[type] as string[]).join('');
	return {
		notebook,
		text: [...text.source, '\n', ...(details?.source ?? [])].join(''),
		data,
		shown: payload.report,
		html: joined('text/html'),
		plain: joined('text/plain'),
	};
}

test('the report comes back out of the payload, and sites without the renderer get a table', () => {
	const report = sampleReport();
	const { notebook, text, data, shown, html, plain } = parts(report);
	assert.equal(notebook.nbformat, 4);
	assert.deepEqual(Object.keys(data), [MIME_TYPE, 'text/html', 'text/plain']);
	assert.deepEqual(shown.layers[0].findings, report.layers[0].findings);
	assert.deepEqual(Float32Array.from(shown.layers[0].parameters?.mean ?? []), Float32Array.of(0.25, 0.1));
	assert.match(text, /^# BatchNorm report\n\nonnxruntime computes the BatchNorm layer correctly\./);
	assert.ok(!text.includes('| Layer |') && !text.includes('Left out'));
	assert.match(html, /<td>features\.1<\/td><td>2<\/td>.*<td>match<\/td>/);
	assert.match(plain, /^onnxruntime computes the BatchNorm layer correctly/);
});

test('numbers that JSON cannot hold survive', () => {
	const affine = { scale: Float64Array.of(Number.NaN, Number.NEGATIVE_INFINITY), shift: Float64Array.of(0, 1) };
	const { shown } = parts(sampleReport({ layers: [sampleLayer({ affine })] }));
	assert.deepEqual(shown.layers[0].affine, affine);
});

test('a large report is shortened to the limit of a notebook, with a note', () => {
	const values = Float64Array.from({ length: 2048 }, (_, i) => Math.sin(i));
	const layer = (index: number) =>
		sampleLayer({
			name: `layer ${index}`,
			channels: values.length,
			parameters: { gamma: values, beta: values, mean: values, variance: values },
			affine: { scale: values, shift: values },
			batch: { count: 4, mean: values, variance: values },
			recompute: { ...MATCH, perChannel: { maxAbs: values, bound: values } },
		});
	const report = sampleReport({ layers: Array.from({ length: 12 }, (_, index) => layer(index)) });
	const { text, shown, data } = parts(report);
	assert.match(text, /Left out to keep this notebook small: the recompute error of each channel; batch statistics\.\n/);
	assert.ok(JSON.stringify(data).length < 2_100_000);
	assert.equal(shown.layers[11].batch, null);
	assert.equal(shown.layers[11].parameters?.gamma.length, 2048);
	assert.equal(shown.layers[11].recompute.status, 'match');
});

test('hostile names are inert in both fallbacks', () => {
	const { html, plain, text } = parts(hostileReport());
	for (const shown of [html, plain, text]) {
		assert.doesNotMatch(shown, DANGEROUS);
	}
	const tags = html.match(/<[^>]*>/g) ?? [];
	assert.deepEqual([...new Set(tags)].sort(), [
		'</p>',
		'</table>',
		'</td>',
		'</th>',
		'</tr>',
		'<p>',
		'<table>',
		'<td>',
		'<th>',
		'<tr>',
	]);
	assert.equal(tags.filter((tag) => tag === '<tr>').length, HOSTILE_NAMES.length + 1);
	assert.doesNotMatch(html.replace(/&(?:amp|lt|gt|quot|#39);/g, ''), /&/);
});
