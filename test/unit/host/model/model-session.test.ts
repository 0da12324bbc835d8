import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OnnxError } from '../../../../src/core/onnx/errors.js';
import type { Report } from '../../../../src/core/report/types.js';
import { EngineError, type RequestHooks } from '../../../../src/engine/client.js';
import {
	type LoadedModel,
	ModelSession,
	type SessionMessage,
	type SessionPorts,
} from '../../../../src/host/model/model-session.js';
import { NO_PLAN, type RunPlan } from '../../../../src/host/model/run-plan.js';
import { pendingLayer, pendingReport } from '../../support/reports.js';
import { MATCH } from '../../support/sample-report.js';

const loaded = (...layers: string[]): LoadedModel => ({
	report: pendingReport(...layers),
	inputs: [{ name: 'x', dtype: 'float32', shape: ['N', 3, 'height', 8] }],
	externalFiles: [],
});
const checked = (report: Report): Report => ({
	...report,
	layers: report.layers.map((layer) => ({ ...layer, recompute: MATCH })),
	run: { status: 'ok', runtime: 'r', inputs: [], milliseconds: {} },
});

interface Run {
	readonly plan: RunPlan;
	readonly hooks: RequestHooks;
	readonly resolve: (report: Report) => void;
	readonly reject: (error: unknown) => void;
}

/** A session whose loads and runs are in the test's hands. */
function harness(ports: Partial<SessionPorts> = {}) {
	const runs: Run[] = [];
	const lines: string[] = [];
	const messages: SessionMessage[] = [];
	const session = new ModelSession({
		load: async () => loaded('a', 'b'),
		inspect: (plan, hooks) => new Promise((resolve, reject) => runs.push({ plan, hooks, resolve, reject })),
		defaults: () => ({ batch: 1, seed: 0, memoryBudget: 512 }),
		refusal: () => undefined,
		log: (line) => lines.push(line),
		...ports,
	});
	session.onMessage((message) => messages.push(message));
	const types = () => messages.splice(0).map(({ type }) => type);
	const started = (index: number): Run => runs[index] ?? assert.fail(`run ${index} was not started`);
	return { session, runs, lines, types, started };
}

const statuses = (session: ModelSession) => session.report?.layers.map((layer) => layer.recompute.status);

test('the structure is shown before the run starts, and to a page that comes later', async () => {
	const { session, types, runs } = harness();
	assert.deepEqual(session.snapshot(), []);
	assert.equal(await session.load(), true);
	assert.deepEqual(types(), ['report', 'form']);
	assert.deepEqual(session.snapshot()[0], { type: 'report', report: pendingReport('a', 'b') });
	assert.equal(runs.length, 0);
});

test('verdicts come layer by layer, and a page that comes in between gets all verdicts so far', async () => {
	const { session, types, started } = harness();
	await session.load();
	types();
	const running = session.run();
	const { hooks, resolve } = started(0);
	hooks.onEvent?.({ type: 'structure', id: 1, report: pendingReport('a', 'b') });
	hooks.onEvent?.({ type: 'progress', id: 1, stage: 'verifying', done: 0, total: 2 });
	hooks.onEvent?.({ type: 'layer', id: 1, index: 1, layer: { ...pendingLayer('b'), recompute: MATCH } });
	hooks.onEvent?.({ type: 'run', id: 1, run: { status: 'ok', runtime: 'r', inputs: [], milliseconds: {} } });
	assert.deepEqual(types(), ['progress', 'progress', 'update', 'update']);
	assert.deepEqual(statuses(session), ['pending', 'match']);
	assert.deepEqual(session.snapshot().at(-1), {
		type: 'progress',
		progress: { stage: 'verifying', done: 0, total: 2 },
	});
	assert.equal(session.running, true);
	resolve(checked(pendingReport('a', 'b')));
	await running;
	assert.deepEqual(types(), ['progress', 'update']);
	assert.deepEqual(session.snapshot()[0], { type: 'report', report: checked(pendingReport('a', 'b')) });
	assert.equal(session.running, false);
});

test('a layer that is not the layer shown at its place is left out', async () => {
	const { session, started } = harness();
	await session.load();
	void session.run();
	for (const index of [0, 2, -1]) {
		const layer = { ...pendingLayer('b'), recompute: MATCH } as const;
		started(0).hooks.onEvent?.({ type: 'layer', id: 1, index, layer });
	}
	assert.deepEqual(statuses(session), ['pending', 'pending']);
});

test('a failed run leaves the structure, gives the reason, and leaves no layer waiting', async () => {
	const { session, started, lines } = harness();
	await session.load();
	const running = session.run();
	started(0).reject(new EngineError('crashed', 'The engine stopped.'));
	await running;
	assert.equal(session.report?.run.status, 'failed');
	assert.equal(session.report?.run.reason, 'The engine stopped.');
	assert.deepEqual(session.report?.layers[0]?.recompute, { status: 'skipped', reason: 'The engine stopped.' });
	assert.deepEqual(lines, ['crashed: The engine stopped.']);
	assert.equal(session.problem, undefined);
	const again = session.run();
	started(1).resolve(checked(pendingReport('a', 'b')));
	await again;
	assert.deepEqual(statuses(session), ['match', 'match']);
});

test('canceling keeps the results so far, and later arrivals are ignored', async () => {
	const { session, started, types } = harness();
	await session.load();
	const running = session.run();
	const { hooks, resolve } = started(0);
	hooks.onEvent?.({ type: 'layer', id: 1, index: 0, layer: { ...pendingLayer('a'), recompute: MATCH } });
	session.cancel();
	assert.equal(hooks.signal?.aborted, true);
	assert.equal(session.running, false);
	const after = session.report;
	assert.deepEqual(statuses(session), ['match', 'skipped']);
	assert.equal(after?.run.reason, 'The run was cancelled.');
	types();
	hooks.onEvent?.({ type: 'layer', id: 1, index: 1, layer: { ...pendingLayer('b'), recompute: MATCH } });
	resolve(checked(pendingReport('a', 'b')));
	await running;
	session.cancel();
	assert.deepEqual(types(), []);
	assert.equal(session.report, after);
});

test('a new run replaces the previous run, as planned', async () => {
	const { session, started } = harness();
	const plan = { files: [{ input: 'x', path: '/x.npy' }], choices: { batch: 2 } };
	await session.load();
	session.plan = plan;
	const first = session.run();
	const second = session.run();
	assert.equal(started(0).hooks.signal?.aborted, true);
	started(0).reject(new EngineError('cancelled', 'It was cancelled.'));
	await first;
	assert.equal(session.running, true);
	assert.deepEqual(started(1).plan, plan);
	assert.deepEqual(statuses(session), ['pending', 'pending']);
	started(1).resolve(checked(pendingReport('a', 'b')));
	await second;
	session.plan = NO_PLAN;
	void session.run();
	assert.deepEqual(statuses(session), ['pending', 'pending']);
	assert.deepEqual(started(2).plan, NO_PLAN);
});

test('the form shows the choices and the chosen values, again after every change', async () => {
	let trusted = false;
	const { session, types } = harness({ refusal: () => (trusted ? undefined : 'Not trusted.') });
	const form = () => session.snapshot().find((message) => message.type === 'form')?.form;
	await session.load();
	assert.deepEqual(form(), {
		inputs: [{ name: 'x', dtype: 'float32', shape: ['N', 3, 'height', 8], files: [] }],
		dimensions: ['height'],
		choices: {},
		defaults: { batch: 1, seed: 0, memoryBudget: 512 },
		trusted: false,
	});
	types();
	session.plan = { files: [{ input: 'x', path: '/x.npy' }], choices: { seed: 3 } };
	trusted = true;
	assert.deepEqual(types(), ['form']);
	assert.deepEqual(form()?.inputs[0]?.files, ['/x.npy']);
	assert.deepEqual(form()?.choices, { seed: 3 });
	assert.equal(form()?.trusted, true);
});

test('a run that is not allowed is skipped with the reason', async () => {
	const refused = harness({ refusal: () => 'Not trusted.' });
	await refused.session.load();
	await refused.session.run();
	assert.equal(refused.runs.length, 0);
	assert.deepEqual(refused.session.report?.run, {
		...pendingReport().run,
		status: 'skipped',
		reason: 'Not trusted.',
	});
	const empty = harness({ load: async () => loaded() });
	await empty.session.load();
	await empty.session.run();
	assert.equal(empty.runs.length, 0);
	assert.match(empty.session.report?.run.reason ?? '', /no BatchNormalization layer/);
});

test('an unreadable file gives a sentence, and no run', async () => {
	const { session, types, runs } = harness({
		load: () => Promise.reject(new OnnxError('not-onnx', 'It is a text.')),
	});
	assert.equal(await session.load(), false);
	await session.run();
	assert.deepEqual(types(), ['failure']);
	assert.deepEqual(session.snapshot(), [{ type: 'failure', message: 'It is a text.' }]);
	assert.equal(runs.length, 0);
});

test('a file that turns invalid keeps its last good report under a banner until it is valid again', async () => {
	let valid = true;
	const { session, types } = harness({
		load: async () => (valid ? loaded('a') : Promise.reject(new OnnxError('truncated', 'It is cut off.'))),
	});
	await session.load();
	valid = false;
	await session.load();
	assert.deepEqual(
		session.snapshot().map(({ type }) => type),
		['report', 'form', 'failure'],
	);
	assert.equal(session.problem, 'It is cut off.');
	assert.deepEqual(statuses(session), ['skipped']);
	valid = true;
	types();
	await session.load();
	assert.deepEqual(types(), ['recovered', 'report', 'form']);
	assert.deepEqual(statuses(session), ['pending']);
});

test('a deleted file ends the run, and a read under way cannot undo this', async () => {
	const reads: ((model: LoadedModel) => void)[] = [];
	const { session, started } = harness({ load: () => new Promise((resolve) => reads.push(resolve)) });
	const first = session.load();
	reads[0]?.(loaded('a'));
	await first;
	void session.run();
	const second = session.load();
	assert.equal(started(0).hooks.signal?.aborted, true);
	session.fail('It was deleted.');
	reads[1]?.(loaded('b'));
	assert.equal(await second, false);
	assert.equal(session.problem, 'It was deleted.');
	assert.equal(session.report?.layers[0]?.name, 'a');
});

test('the read that started later counts, even if it ends first', async () => {
	const reads: ((model: LoadedModel) => void)[] = [];
	const { session } = harness({ load: () => new Promise((resolve) => reads.push(resolve)) });
	const outcomes = [session.load(), session.load()];
	reads[1]?.(loaded('new'));
	reads[0]?.(loaded('old'));
	assert.deepEqual(await Promise.all(outcomes), [false, true]);
	assert.equal(session.report?.layers[0]?.name, 'new');
});

test('a disposed session ends its run, says so, and is silent from then on', async () => {
	const { session, started, types, runs } = harness();
	await session.load();
	const running = session.run();
	types();
	session.dispose();
	assert.equal(started(0).hooks.signal?.aborted, true);
	assert.deepEqual(types(), ['progress']);
	started(0).resolve(checked(pendingReport('a', 'b')));
	await running;
	assert.equal(await session.load(), false);
	await session.run();
	assert.equal(runs.length, 1);
	assert.deepEqual(types(), []);
});

test('a checkpoint is shown and never run, whether or not the workspace is trusted', async () => {
	const checkpoint = (): LoadedModel => {
		const { report } = loaded('a');
		return { report: { ...report, model: { ...report.model, format: 'pytorch' } }, inputs: [], externalFiles: [] };
	};
	const { session, runs } = harness({ load: async () => checkpoint(), refusal: () => 'not trusted' });
	await session.load();
	await session.run();
	assert.equal(runs.length, 0);
	assert.equal(session.report?.run.status, 'skipped');
	assert.match(session.report?.run.reason ?? '', /^A checkpoint holds weights/);
});
