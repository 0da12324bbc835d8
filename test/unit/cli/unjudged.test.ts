import assert from 'node:assert/strict';
import { test } from 'node:test';
import { reportStatus } from '../../../src/cli/exit.js';
import { PartialReport } from '../../../src/cli/partial-report.js';
import { renderReport } from '../../../src/cli/render/report.js';
import { coverage } from '../../../src/core/report/coverage.js';
import { toJunit } from '../../../src/core/report/export/junit.js';
import { toMarkdown } from '../../../src/core/report/export/markdown.js';
import { toSarif } from '../../../src/core/report/export/sarif.js';
import { encodeReport, parseReport } from '../../../src/core/report/json.js';
import { answer } from '../../../src/core/report/summary.js';
import type { Report } from '../../../src/core/report/types.js';
import { EngineError } from '../../../src/engine/engine-error.js';
import { problemsOf } from '../../../src/host/reports/problem-list.js';
import { treeMessage, treeRow } from '../../../src/host/reports/tree-rows.js';
import { reportTone } from '../../../src/view/shared/layer-facts.js';
import { type InspectChanges, inspectBytes } from '../support/inspect.js';
import { buildModel, type GraphSpec, type NodeSpec, type TensorSpec } from '../support/model-builder.js';

/** Inspections in which a check could not be made, and the surfaces that must not look like success. */

const names = ['gamma', 'beta', 'mean', 'variance'];
const parameters = (values: readonly number[] = [1, 2]): TensorSpec[] => names.map((name) => ({ name, values }));

function batchNorm(input = 'x', output = 'y', inputs = names): NodeSpec {
	return { op: 'BatchNormalization', name: `bn_${output}`, inputs: [input, ...inputs], outputs: [output] };
}

function graphOf(nodes: readonly NodeSpec[], more: Partial<GraphSpec> = {}): GraphSpec {
	const shape = [1, 2, 3, 3];
	return { inputs: [{ name: 'x', shape }], outputs: ['y'], initializers: parameters(), nodes, ...more };
}

const external = { location: 'nowhere.data' };
const lost = names.map((name) => ({ name, dims: [2], external }));
const unheard = (input: string, output: string): NodeSpec => ({
	op: 'Unheard',
	domain: 'com.example',
	inputs: [input],
	outputs: [output],
});
const branch = (output: string): GraphSpec => ({ nodes: [batchNorm('x', output)], outputs: [output] });
const choice: NodeSpec = {
	op: 'If',
	name: 'choice',
	inputs: ['cond'],
	outputs: ['y'],
	attributes: { then_branch: { g: branch('a') }, else_branch: { g: branch('b') } },
};
const never: NodeSpec = {
	op: 'Loop',
	name: 'loop',
	inputs: ['trips', '', 'x'],
	outputs: ['y'],
	attributes: {
		body: {
			g: {
				inputs: [
					{ name: 'i', dtype: 'int64', shape: [] },
					{ name: 'c', dtype: 'bool', shape: [] },
					{ name: 'state', shape: [1, 2, 3, 3] },
				],
				nodes: [batchNorm('state', 'next'), { op: 'Identity', inputs: ['c'], outputs: ['c_out'] }],
				outputs: ['c_out', 'next'],
			},
		},
	},
};

const shape = [1, 2, 3, 3];
const counts: readonly TensorSpec[] = [{ name: 'trips', dtype: 'int64', dims: [], values: [2] }];
const sequence: readonly NodeSpec[] = [
	{ op: 'SequenceConstruct', inputs: ['x', 'x'], outputs: ['s'] },
	{ op: 'Constant', outputs: ['zero'], attributes: { value_int: { i: 0 } } },
];
const kept: NodeSpec = { op: 'Identity', inputs: ['c'], outputs: ['c_out'] };
const iteration = [
	{ name: 'i', dtype: 'int64', shape: [] },
	{ name: 'c', dtype: 'bool', shape: [] },
] as const;
const reading: NodeSpec = {
	op: 'Loop',
	name: 'reading',
	inputs: ['trips', '', 'x'],
	outputs: ['read'],
	attributes: {
		body: {
			g: {
				inputs: [...iteration, { name: 'state', shape }],
				nodes: [
					kept,
					{ op: 'SequenceAt', inputs: ['s', 'i'], outputs: ['e'] },
					{ op: 'Add', inputs: ['e', 'state'], outputs: ['sum'] },
					batchNorm('sum', 'next'),
				],
				outputs: ['c_out', 'next'],
			},
		},
	},
};
const choosing: NodeSpec = {
	op: 'If',
	name: 'choosing',
	inputs: ['cond'],
	outputs: ['y'],
	attributes: {
		then_branch: { g: { nodes: [reading], outputs: ['read'] } },
		else_branch: { g: { nodes: [{ op: 'Neg', inputs: ['x'], outputs: ['negative'] }], outputs: ['negative'] } },
	},
};

interface Situation {
	readonly graph: GraphSpec;
	readonly opset?: number;
	readonly changes?: InspectChanges;
	readonly extent: 'part' | 'none';
	/** Sentence of an engine that ended after it had sent the structure. */
	readonly end?: string;
	/** Exit status; default 2. */
	readonly status?: number;
	/** Words of the reason on every surface. */
	readonly reason: RegExp;
	/** Layers that were judged all the same. */
	readonly judged?: number;
}

const SITUATIONS: Readonly<Record<string, Situation>> = {
	'missing external data': {
		graph: graphOf([batchNorm()], { initializers: lost }),
		extent: 'none',
		reason: /nowhere\.data/,
	},
	'missing external data, not run': {
		graph: graphOf([batchNorm()], { initializers: lost }),
		changes: { run: false },
		extent: 'none',
		reason: /nowhere\.data/,
	},
	'no mean and variance': {
		graph: graphOf([batchNorm('x', 'y', names.slice(0, 2))]),
		extent: 'none',
		reason: /no mean and variance/,
	},
	'parameters of different sizes': {
		graph: graphOf([batchNorm()], { initializers: [...parameters().slice(0, 3), { name: 'variance', values: [1] }] }),
		extent: 'none',
		status: 1,
		reason: /different numbers of values/,
	},
	'an operator that the runtime lacks in front of the layer': {
		graph: graphOf([unheard('x', 'h'), batchNorm('h')]),
		extent: 'none',
		reason: /Unheard/,
	},
	'an operator that the runtime lacks behind the layer': {
		graph: graphOf([batchNorm('x', 'h'), unheard('h', 'y')]),
		extent: 'part',
		judged: 1,
		reason: /cannot load this model/,
	},
	'one of two layers behind an operator that the runtime lacks': {
		graph: graphOf([batchNorm('x', 'h'), unheard('h', 'u'), batchNorm('u')]),
		extent: 'part',
		judged: 1,
		reason: /Unheard/,
	},
	'no kernel for this version of the operator': {
		graph: graphOf([{ ...batchNorm(), attributes: { is_test: { i: 1 } } }]),
		opset: 6,
		extent: 'none',
		reason: /find an implementation/,
	},
	'a branch that does not run': {
		graph: graphOf([choice], {
			initializers: [...parameters(), { name: 'cond', dtype: 'bool', dims: [], values: [1] }],
		}),
		extent: 'part',
		judged: 1,
		reason: /else\\?_branch does not run/,
	},
	'a loop without an iteration': {
		graph: graphOf([never], {
			initializers: [...parameters(), { name: 'trips', dtype: 'int64', dims: [], values: [0] }],
		}),
		extent: 'none',
		reason: /does not run a single iteration/,
	},
	'scales that are not finite': {
		graph: graphOf([{ ...batchNorm(), attributes: { epsilon: { f: -1 } } }]),
		extent: 'none',
		status: 1,
		reason: /rounding has no bound/,
	},
	'a batch without images': {
		graph: graphOf([batchNorm()], { inputs: [{ name: 'x', shape: [0, 2, 3, 3] }] }),
		extent: 'none',
		reason: /input has no values, because a dimension is 0/,
	},
	'a batch without images in training mode': {
		graph: graphOf(
			[{ ...batchNorm(), outputs: ['y', 'new_mean', 'new_variance'], attributes: { training_mode: { i: 1 } } }],
			{
				inputs: [{ name: 'x', shape: [0, 2, 3, 3] }],
				outputs: ['y', 'mean', 'variance'],
			},
		),
		extent: 'none',
		reason: /input has no values, because a dimension is 0/,
	},
	'no channels': {
		graph: graphOf([batchNorm()], {
			inputs: [{ name: 'x', shape: [1, 0, 3, 3] }],
			initializers: names.map((name) => ({ name, dims: [0], values: [] })),
		}),
		extent: 'none',
		reason: /input has no values, because a dimension is 0/,
	},
	'input that is all NaN': {
		graph: graphOf([
			{ op: 'Sub', inputs: ['x', 'x'], outputs: ['zero'] },
			{ op: 'Div', inputs: ['zero', 'zero'], outputs: ['nan'] },
			batchNorm('nan'),
		]),
		extent: 'none',
		reason: /all values of the layer's input are NaN or infinite/,
	},
	'an engine that crashed, or that a time limit ended': {
		graph: graphOf([batchNorm()]),
		end: 'The engine stopped.',
		extent: 'none',
		reason: /The engine stopped/,
	},
	'a file that does not fit the input': {
		graph: graphOf([batchNorm()]),
		changes: { inputs: [{ input: 'x', path: 'test/fixtures/models/mlp.input.npy' }] },
		extent: 'none',
		reason: /mlp\.input\.npy/,
	},
	'a body inside a body that reads a sequence around both': {
		graph: graphOf([...sequence, choosing], {
			initializers: [...parameters(), ...counts, { name: 'cond', dtype: 'bool', dims: [], values: [1] }],
		}),
		extent: 'none',
		reason: /"s" is a sequence/,
	},
	'an input that gets no value': {
		graph: graphOf([batchNorm()], { inputs: [{ name: 'x' }] }),
		extent: 'none',
		reason: /how many dimensions|cannot be fed/,
	},
};

async function inspected({ graph, opset = 17, changes, end }: Situation): Promise<Report> {
	const bytes = buildModel({ opset, opsets: { 'com.example': 1 }, graph });
	const { report, events } = await inspectBytes(bytes, end === undefined ? changes : { ...changes, run: false });
	if (end === undefined) {
		return report;
	}
	const partial = new PartialReport();
	for (const event of events) {
		if (event.type === 'structure') {
			partial.add({ ...event, id: 1 });
		}
	}
	const before = partial.before(new EngineError('crashed', end));
	assert.ok(before);
	return before;
}

for (const [name, situation] of Object.entries(SITUATIONS)) {
	test(`${name}: no output looks like success`, async () => {
		const report = await inspected(situation);
		const { extent, status = 2, reason, judged = 0 } = situation;
		assert.equal(coverage(report).extent, extent, JSON.stringify(coverage(report)));
		assert.deepEqual(coverage(parseReport(JSON.parse(JSON.stringify(encodeReport(report))))), coverage(report));
		const isJudged = report.layers.map(({ recompute }) => recompute.status === 'match');
		assert.equal(isJudged.filter(Boolean).length, judged);

		assert.equal(reportStatus(report, 'error'), status);
		assert.equal(reportStatus(report, 'never'), 2);

		const text = renderReport(report, {}).replace(/\s+/g, ' ');
		assert.match(`${text}\n${report.run.reason}`, reason);
		assert.doesNotMatch(answer(report), /^onnxruntime computes (all|the) [^;]*correctly/);
		assert.match(toMarkdown(report), reason);

		assert.ok(['warning', 'error'].includes(reportTone(report)), reportTone(report));

		assert.match(treeMessage(report), reason);
		for (const [index, layer] of report.layers.entries()) {
			assert.equal(treeRow(layer).state === 'match', isJudged[index]);
		}

		const problems = problemsOf(report).filter(({ code }) => code === 'not-checked');
		assert.ok(problems.length > 0 && problems.some(({ message }) => reason.test(message)), JSON.stringify(problems));

		const [sarif] = toSarif(report, { uri: 'm.onnx', version: '0' }).runs as unknown as SarifRun[];
		const [{ executionSuccessful, toolExecutionNotifications = [] }] = sarif.invocations;
		assert.ok(toolExecutionNotifications.some(({ message }) => reason.test(message.text)));
		assert.equal(executionSuccessful, extent === 'part');

		const cases = toJunit(report, { failOn: 'error' }).match(/<testcase .*?<\/testcase>/gs) ?? [];
		const passing = cases.filter((one) => !/<failure|<skipped/.test(one));
		assert.equal(cases.length, report.layers.length + 1);
		assert.equal(passing.length, judged, passing.join('\n'));
	});
}

interface SarifRun {
	readonly invocations: readonly {
		readonly executionSuccessful: boolean;
		readonly toolExecutionNotifications?: readonly { readonly message: { readonly text: string } }[];
	}[];
}

test('a model that was judged whole is the only success', async () => {
	const report = await inspected({ graph: graphOf([batchNorm()]), extent: 'part', reason: /./ });
	assert.equal(coverage(report).extent, 'whole');
	assert.equal(reportStatus(report, 'error'), 0);
	assert.equal(reportTone(report), 'good');
	assert.equal(treeMessage(report), '');
	assert.deepEqual(problemsOf(report), []);
	assert.doesNotMatch(toJunit(report, { failOn: 'error' }), /<failure|<skipped/);
});

test('a model with --no-run is judged by its parameters, with a neutral sign', async () => {
	const report = await inspected({
		graph: graphOf([batchNorm()]),
		changes: { run: false },
		extent: 'part',
		reason: /./,
	});
	assert.equal(coverage(report).extent, 'not-asked');
	assert.equal(reportStatus(report, 'error'), 0);
	assert.equal(reportTone(report), 'info');
	assert.deepEqual(problemsOf(report), []);
	assert.match(toJunit(report, { failOn: 'error' }), /name="run"><skipped/);
});
