import assert from 'node:assert/strict';
import { test } from 'node:test';
import { answer, dataRemark, headline, normalizationLine } from '../../../../src/core/report/summary.js';
import type { Finding, LayerReport, Normalization, Recompute, RunSummary } from '../../../../src/core/report/types.js';
import { sampleLayer, sampleReport, sampleRun, sampleVerdict } from '../../support/sample-report.js';

/** A report with one layer for each status, called a, b, c … */
function after(run: RunSummary['status'], ...statuses: Recompute['status'][]) {
	const layers = statuses.map((status, index) =>
		sampleLayer({ name: String.fromCharCode(97 + index), recompute: sampleVerdict(status) }),
	);
	return sampleReport({ layers, run: sampleRun(run) });
}

function withFindings(...perLayer: Pick<Finding, 'code' | 'severity'>[][]) {
	const layers: LayerReport[] = perLayer.map((findings, index) =>
		sampleLayer({
			name: `l${index}`,
			findings: findings.map((finding) => ({ ...finding, channels: [], message: '' })),
		}),
	);
	return sampleReport({ layers });
}

test('every state of a run has its own words', () => {
	assert.equal(answer(after('ok', 'match', 'match')), 'onnxruntime computes both BatchNorm layers correctly.');
	assert.equal(answer(after('ok', 'match')), 'onnxruntime computes the BatchNorm layer correctly.');
	assert.equal(answer(after('pending', 'pending', 'pending')), '2 BatchNorm layers, not recomputed yet.');
	assert.equal(answer(after('pending', 'match', 'pending')), '1 of 2 BatchNorm layers recomputed so far, all correct.');
	assert.equal(
		answer(after('failed', 'skipped', 'skipped')),
		'The run failed, so none of the 2 BatchNorm layers was recomputed.',
	);
	assert.equal(
		answer(after('skipped', 'skipped')),
		'The model was not run, so the BatchNorm layer was not recomputed.',
	);
});

test('a mismatch is never hidden, and names the layers', () => {
	assert.equal(
		answer(after('ok', 'match', 'mismatch', 'skipped')),
		'onnxruntime computes 1 of 2 BatchNorm layers wrongly (b); 1 could not be checked.',
	);
	assert.match(answer(after('pending', 'mismatch', 'pending')), /1 of 1 BatchNorm layers wrongly so far/);
	assert.match(answer(after('failed', 'mismatch', 'skipped')), /1 of 1 BatchNorm layers wrongly/);
	assert.match(answer(after('skipped', 'match', 'skipped')), /1 of 2 .* correctly before the run was ended/);
	const many = answer(after('ok', 'mismatch', 'mismatch', 'mismatch', 'mismatch'));
	assert.match(many, /4 of 4 BatchNorm layers wrongly \(a, b, c and 1 more\)/);
});

test('a wrong fusion of the runtime takes the place of the all-clear', () => {
	const report = withFindings([{ code: 'runtime-fusion-mismatch', severity: 'error' }], []);
	assert.equal(
		headline(report),
		'With its default optimizations onnxruntime computes 1 of 2 BatchNorm layers wrongly (l0).',
	);
});

test('a layer that was not checked is not called checked', () => {
	assert.match(answer(after('ok', 'match', 'skipped')), /1 of 2 .* correctly; 1 could not be checked \(b\)/);
	assert.match(answer(after('ok', 'skipped', 'skipped')), /None of the 2 BatchNorm layers was recomputed/);
	assert.match(answer(sampleReport({ layers: [] })), /^No BatchNorm layer in this model/);
});

test('the headline says that layers have findings, and sentences count them, the gravest first', () => {
	const dead = { code: 'dead-channel', severity: 'warning' } as const;
	const report = withFindings(
		[dead, dead],
		[dead, { code: 'non-finite', severity: 'error' }],
		[{ code: 'epsilon-dominated', severity: 'info' }],
	);
	assert.equal(
		answer(report),
		'onnxruntime computes all 3 BatchNorm layers correctly, but layer 2 has values that are NaN or infinite, which spoils the results. 1 of 3 layers has values that are NaN or infinite. 2 of 3 layers have channels that are always 0.',
	);
	const codes = [
		...(['zero-variance', 'training-mode', 'never-updated', 'statistics-drift', 'exploding-scale'] as const),
		...(['dead-channel', 'constant-channel'] as const),
	];
	assert.match(
		answer(withFindings(codes.map((code) => ({ code, severity: 'warning' })))),
		/but it has warnings\. The gravest: it does not fit the data, a sign of other preprocessing or other data than in training\. The only layer does not fit the data\. The only layer has a running variance of 0\. The only layer is in training mode\. .*exploding scales\. 2 more kinds of finding\.$/,
	);
});

test('the headline says that running statistics do not fit the data, unless a layer has an error', () => {
	const drift = { code: 'statistics-drift', severity: 'warning' } as const;
	const headlineOf = (...findings: Parameters<typeof withFindings>) => {
		const report = withFindings(...findings);
		const data = { verdict: 'does-not-fit', images: 8, sentence: 'They do not fit.' } as const;
		return headline({ ...report, run: { ...report.run, data } as typeof report.run });
	};
	assert.match(headlineOf([drift], []), /^onnxruntime .*, but 1 of 2 layers does not fit the data\.$/);
	assert.match(headlineOf([drift], [drift]), /but 2 of 2 layers do not fit the data\.$/);
	assert.match(
		headlineOf([drift], [{ code: 'non-finite', severity: 'error' }]),
		/correctly, but layer 2 has values that are NaN or infinite, which spoils the results\.$/,
	);
});

test('beside a mistake in the input stands the range of pixels that the run gave to the model', () => {
	const mistake = 'The input is probably not normalized as in training.';
	const remark = (from: string) => {
		const report = withFindings([{ code: 'statistics-drift', severity: 'warning' }]);
		const data = { verdict: 'does-not-fit', images: 8, sentence: 'They do not fit.', mistake } as const;
		const inputs = [{ name: 'x', shape: [8, 3, 8, 8], dtype: 'float32', from }];
		return dataRemark({ ...report, run: { ...report.run, data, inputs } as typeof report.run });
	};
	assert.equal(remark('a.png (8 x 8, 0 to 255)'), `${mistake} This run gave it pixels from 0 to 255.`);
	assert.equal(remark('a.png (8 x 8, -1..1)'), `${mistake} This run gave it pixels from -1 to 1.`);
	assert.equal(remark('a.png (8 x 8, imagenet)'), mistake);
	assert.equal(remark('0..1.npy'), mistake);
});

test('the headline says how grave findings are: the only kind, the common effect of several, or the gravest', () => {
	const always0 = { code: 'constant-channel', severity: 'warning' } as const;
	const dead = { code: 'dead-channel', severity: 'warning' } as const;
	const exploding = { code: 'exploding-scale', severity: 'warning' } as const;
	const end = (...findings: Parameters<typeof withFindings>) => headline(withFindings(...findings)).split(', but ')[1];
	assert.equal(
		end([always0], [always0], []),
		'2 of them have channels that are always 0 behind the ReLU, harmless for the results, with room for pruning.',
	);
	assert.equal(end([always0], [dead]), 'all of them have findings, harmless for the results, with room for pruning.');
	assert.equal(
		end([always0], [always0, exploding], []),
		'layer 2 has exploding scales, a risk if the weights are quantized per tensor.',
	);
});

test('one line says over which axes the layers normalize, judged by their data', () => {
	const judged = (...verdicts: Normalization['verdict'][]) =>
		normalizationLine(
			sampleReport({
				layers: verdicts.map((verdict) =>
					sampleLayer({
						normalization: {
							verdict,
							methods: [],
							values: 9,
							...(verdict === 'cannot-tell' && { reason: 'One value.' }),
						},
					}),
				),
			}),
		);
	assert.equal(
		judged('running', 'running'),
		'Judged by inputs and outputs alone, normalized with the running statistics.',
	);
	assert.match(
		judged('channel', 'running', 'none'),
		/the running statistics in 1 of 3 layers; .*per channel.* in 1 of 3 layers; none/,
	);
	assert.match(
		judged('running', 'cannot-tell'),
		/in 1 of 2 layers\. The statistics .* cannot be told in 1 of 2 layers: One value\.$/,
	);
	const { normalization: _, ...unjudged } = sampleLayer();
	assert.equal(normalizationLine(sampleReport({ layers: [unjudged] })), '');
});
