import type { Comparison, LayerComparison } from '../../../src/core/report/comparison/comparison.js';
import type { LayerReport, Report } from '../../../src/core/report/types.js';
import { comparedLayer, sampleComparison } from './sample-comparison.js';
import { sampleLayer, sampleReport } from './sample-report.js';

/** Names that somebody's file may hold: markup, links, formulas, direction marks, terminal escapes, and sheer length. */
export const HOSTILE_NAMES = [
	'<img src=x onerror="window.hacked=1"><b>bold</b>',
	'</script><script>window.hacked=1</script><!--',
	'</style><a href="javascript:window.hacked=1">click</a> https://evil.example/x www.evil.example me@evil.example',
	'[link](https://evil.example) ![pic](http://evil.example/p.png) | cell `code` **bold** # head',
	'right\u202eto\u2066left \u200bzero\ufeffwidth',
	'\u001b[31mred\u001b]8;;https://evil.example\u0007link\u009b2J\u0000\u0008',
	'two\nlines\r\nand\ttabs\u2028and\u2029more',
	'=HYPERLINK("https://evil.example","x")',
	"@SUM(1+1)*cmd|' /C calc'!A0",
	'a,b;"c"#d',
	'&amp; &lt;script&gt; ]]> <![CDATA[ {0} {{1}} \\u0041 %s',
	'broken \ud800 half \uffff',
	'',
	`long/${'segment/'.repeat(1250)}end`,
];

/** A report in which every string that comes from the model is one of those names. */
export function hostileReport(): Report {
	const layers = HOSTILE_NAMES.map((name, index): LayerReport => {
		const mismatch = index === 1;
		return sampleLayer({
			name: name === '' ? ' ' : name,
			graph: name,
			output: name,
			dtype: 'float32',
			source: { op: name, name },
			parametersFrom: name,
			foldable: { into: name, reasons: [name] },
			recompute: mismatch ? { status: 'mismatch', reason: name } : { status: 'skipped', reason: name },
			findings: [
				{ code: 'dead-channel', severity: 'warning', channels: [1], message: `Channel 1 of ${name} is dead.` },
				...(mismatch
					? [{ code: 'recompute-mismatch' as const, severity: 'error' as const, channels: [], message: name }]
					: []),
			],
		});
	});
	return sampleReport({
		model: {
			path: `/models/${HOSTILE_NAMES[0]}\u202e.onnx`,
			bytes: 1,
			irVersion: 8,
			opset: 15,
			producer: HOSTILE_NAMES.join(' '),
			nodes: 3,
		},
		layers,
		run: {
			status: 'ok',
			runtime: HOSTILE_NAMES[1] ?? '',
			inputs: HOSTILE_NAMES.map((name) => ({ name, shape: [1], dtype: name, from: name })),
			milliseconds: {},
			reason: HOSTILE_NAMES[2] ?? '',
		},
		findings: [{ code: 'unused-by-runtime', severity: 'info', channels: [], message: HOSTILE_NAMES.join(' ') }],
	});
}

/** Characters that a terminal, a reader's eye or XML would obey or refuse, line ends apart. */
export const DANGEROUS = /[\p{Cf}\p{Cs}\u2028\u2029\ufffe\uffff]|(?![\n\r\t])\p{Cc}/u;

/** A comparison in which every string that comes from a model is one of the hostile names. */
export function hostileComparison(): Comparison {
	const layers = HOSTILE_NAMES.map((name, seed): LayerComparison => {
		const wrong = comparedLayer({ name: name === '' ? ' ' : name, channels: 3, seed, bias: () => 1 });
		const into = { name, op: '<i>Conv</i>', weight: name, bias: name };
		return { ...wrong, into, evidence: name, ...(seed === 2 && { status: 'unmatched' }) };
	});
	const model = { path: `/models/${HOSTILE_NAMES[0]}\u202e.onnx`, producer: HOSTILE_NAMES.join(' ') };
	const { original, deployed } = sampleComparison([]);
	return sampleComparison(layers, {
		original: { ...original, ...model },
		deployed: { ...deployed, ...model },
		notes: [...HOSTILE_NAMES],
		outputs: { status: 'skipped', reason: HOSTILE_NAMES[1] },
	});
}
