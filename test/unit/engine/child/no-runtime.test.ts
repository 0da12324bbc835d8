/** A system for which onnxruntime has no library: Macs with Intel processors, musl, 32-bit ARM. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { comparisonStatus, reportStatus } from '../../../../src/cli/exit.js';
import { compare } from '../../../../src/engine/child/compare.js';
import { explainLoadFailure, RuntimeError } from '../../../../src/engine/child/runtime/runtime-error.js';
import { checkpointBytes } from '../../support/checkpoints.js';
import { fixture } from '../../support/fixtures.js';
import { inspectModel, sharedKernel } from '../../support/inspect.js';

const intelMac = { platform: 'darwin', arch: 'x64' } as const;
const runtime = (): never => {
	throw new RuntimeError(
		explainLoadFailure(new Error("Cannot find module '../bin/onnxruntime_binding.node'"), intelMac),
	);
};
const ports = { runtime, kernel: sharedKernel, emit: () => {} };
const REASON = /^onnxruntime has no library for Macs with Intel processors; .* no model runs here\.$/;

const named = (name: string) => ({ path: name, bytes: readFileSync(fixture(name)) });

test('a model is inspected by its structure and parameters, and the run says why', async () => {
	const { report } = await inspectModel(named('plain_cnn.onnx'), { ports });
	assert.equal(report.run.status, 'failed');
	assert.match(report.run.reason ?? '', REASON);
	assert.ok(report.layers.length > 0);
	for (const { parameters, affine, recompute } of report.layers) {
		assert.ok(parameters && affine);
		assert.equal(recompute.status, 'skipped');
	}
	// Never success without a check.
	assert.equal(reportStatus(report, 'never'), 2);
});

test('a checkpoint is inspected as everywhere', async () => {
	const { report } = await inspectModel({ path: 'net.pth', bytes: checkpointBytes('conv1d.pth') }, { ports });
	assert.equal(report.run.status, 'skipped');
	assert.doesNotMatch(report.run.reason ?? '', /onnxruntime/);
	assert.equal(reportStatus(report, 'error'), 0);
});

test('models are compared by their parameters, and the outputs say why they were not', async () => {
	const { layers, summary, outputs, ...rest } = await compare(
		named('plain_cnn.onnx'),
		named('plain_cnn.folded.onnx'),
		{ run: true, batch: 1, seed: 0 },
		ports,
	);
	assert.equal(summary.match, layers.length);
	assert.equal(outputs?.status, 'skipped');
	assert.match(outputs?.reason ?? '', REASON);
	assert.equal(comparisonStatus({ layers, summary, outputs, ...rest }, 'error'), 0);
});
