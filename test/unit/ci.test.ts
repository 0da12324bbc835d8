/** The action, the hook and the workflows, run and checked as GitHub and pre-commit would. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { TARGETS } from '../vsix-contents.mjs';
import { root } from '../workbench/paths.mjs';
import { buildModel } from './support/model-builder.js';
import { sarifProblems } from './support/sarif-schema.js';
import { wellFormedXml } from './support/well-formed.js';

interface Step {
	readonly id?: string;
	readonly uses?: string;
	readonly run?: string;
	readonly env?: Readonly<Record<string, string>>;
	readonly with?: Readonly<Record<string, unknown>>;
}

interface Action {
	readonly inputs: Readonly<Record<string, { readonly default: string }>>;
	readonly outputs: Readonly<Record<string, { readonly value: string }>>;
	readonly runs: { readonly using: string; readonly steps: readonly Step[] };
}

interface Workflow {
	readonly on: unknown;
	readonly permissions: unknown;
	readonly jobs: Readonly<
		Record<
			string,
			{ readonly strategy?: { readonly matrix: Record<string, string[]> }; readonly steps: readonly Step[] }
		>
	>;
}

const yaml: { load(text: string): unknown } = createRequire(path.join(root, 'package.json'))('js-yaml');
const load = (...names: string[]): unknown => yaml.load(readFileSync(path.join(root, ...names), 'utf8'));
const actionFolder = path.join(root, '.github', 'actions', 'check');
const action = load('.github', 'actions', 'check', 'action.yml') as Action;
const workflows = readdirSync(path.join(root, '.github', 'workflows')).map((name) => ({
	name,
	workflow: load('.github', 'workflows', name) as Workflow,
}));
const steps = [
	...action.runs.steps,
	...workflows.flatMap(({ workflow }) => Object.values(workflow.jobs).flatMap((job) => job.steps)),
];

let folder: string;
before(async () => {
	folder = await mkdtemp(path.join(tmpdir(), 'bnl-action-'));
	await mkdir(path.join(folder, 'models', 'deep'), { recursive: true });
	await writeFile(path.join(folder, 'models', 'good.onnx'), model('bn', [1, 1, 1]));
	await writeFile(path.join(folder, 'models', 'deep', 'dead one.onnx'), model('b%n\n::set-env', [0, 1, 1]));
	await writeFile(path.join(folder, 'right.onnx'), model('other', [1, 1, 1]));
	await writeFile(path.join(folder, 'wrong.onnx'), model('other', [1, 1, 2]));
});
after(() => rm(folder, { recursive: true }));

function model(name: string, gamma: readonly number[]): Uint8Array {
	const values = { g: gamma, b: [0, 0.5, 1], m: [1, 2, 3], v: [1, 3, 2] };
	return buildModel({
		graph: {
			inputs: [{ name: 'x', shape: [1, 3] }],
			outputs: ['y'],
			nodes: [{ op: 'BatchNormalization', name, inputs: ['x', 'g', 'b', 'm', 'v'], outputs: ['y'] }],
			initializers: Object.entries(values).map(([key, numbers]) => ({ name: key, values: numbers })),
		},
	});
}

/** Runs the step with the given inputs, as a runner does: inputs become variables by the expressions of action.yml. */
async function runAction(inputs: Readonly<Record<string, string>>) {
	const step = action.runs.steps.find(({ id }) => id === 'check') ?? assert.fail();
	const [summary, output] = ['summary.md', 'output.txt'].map((name) => path.join(folder, name));
	await writeFile(summary, '# Earlier step\n\n');
	await writeFile(output, '');
	const resolved = Object.entries(step.env ?? {}).map(([name, expression]) => {
		const [, input = ''] = /^\$\{\{ inputs\.([\w-]+) \}\}$/.exec(expression) ?? assert.fail(expression);
		return [name, inputs[input] ?? action.inputs[input].default];
	});
	const { status, stdout, stderr } = spawnSync(
		'bash',
		['--noprofile', '--norc', '-eo', 'pipefail', '-c', step.run ?? ''],
		{
			cwd: folder,
			encoding: 'utf8',
			timeout: 120_000,
			env: {
				PATH: process.env.PATH,
				GITHUB_ACTION_PATH: actionFolder,
				GITHUB_WORKSPACE: folder,
				GITHUB_STEP_SUMMARY: summary,
				GITHUB_OUTPUT: output,
				...Object.fromEntries(resolved),
			},
		},
	);
	const lines = (await readFile(output, 'utf8')).trim().split('\n');
	const outputs = Object.fromEntries(lines.map((line) => line.split('=') as [string, string]));
	return { status, stdout, stderr, summary: await readFile(summary, 'utf8'), outputs };
}

test('the action checks models and pairs, and writes summary, SARIF, annotations and outputs', async () => {
	const pairs = 'models/good.onnx=right.onnx\nmodels/good.onnx=wrong.onnx';
	const { status, stdout, stderr, summary, outputs } = await runAction({
		models: 'models/**/*.onnx',
		pairs,
		'fail-on': 'warning',
		run: 'false',
	});
	assert.equal(status, 1, stderr);
	assert.deepEqual(outputs, { status: '1', new: '2', known: '0', gone: '0', sarif: 'batchnorm-lens.sarif' });
	assert.deepEqual(Object.keys(outputs).sort(), Object.keys(action.outputs).sort());
	assert.match(summary, /^# Earlier step\n\n## BatchNorm Lens\n\nOf 4 checks, 2 failed\.\n/);
	assert.match(summary, /^\| `models\/good\.onnx` \| passed \|/m);
	assert.match(summary, /^\| `wrong\.onnx` against `models\/good\.onnx` \| \*\*failed\*\* \|/m);
	assert.match(summary, /^- \*\*warning\*\* `dead-channel`: `b%n\\u000a::set-env`: Channel 0/m);
	const annotations = stdout.trim().split('\n');
	assert.equal(annotations.length, 2, stdout);
	assert.match(
		annotations[0],
		/^::warning file=models\/deep\/dead one\.onnx,line=1,title=dead-channel::b%25n\S+: Channel 0/,
	);
	assert.match(
		annotations[1],
		/^::error file=wrong\.onnx,line=1,title=\S+::other: |^::error file=wrong\.onnx,line=1,title=\S+::bn: /,
	);
	const log = JSON.parse(await readFile(path.join(folder, outputs.sarif), 'utf8'));
	assert.deepEqual(sarifProblems(log), []);
	assert.equal(log.runs.length, 1);
	const [{ results, tool, invocations }] = log.runs;
	assert.equal(invocations.length, 4);
	const uris = results.map(
		(result: { locations: { physicalLocation: { artifactLocation: { uri: string } } }[] }) =>
			result.locations[0].physicalLocation.artifactLocation.uri,
	);
	assert.deepEqual(uris, ['models/deep/dead%20one.onnx', 'wrong.onnx']);
	for (const { ruleId, ruleIndex } of results) {
		assert.equal(tool.driver.rules[ruleIndex].id, ruleId);
	}
});

test('with a baseline, known findings pass', async () => {
	const inputs = { models: 'models', pairs: 'models/good.onnx=wrong.onnx', 'fail-on': 'warning', run: 'false' };
	const update = [
		'check',
		'models',
		'--pair',
		inputs.pairs,
		'--no-run',
		'--baseline',
		'known.json',
		'--update-baseline',
	];
	const written = spawnSync(process.execPath, [path.join(root, 'dist/cli.js'), ...update], {
		cwd: folder,
		encoding: 'utf8',
	});
	assert.equal(written.status, 0, written.stderr);
	const { status, stdout, outputs, summary } = await runAction({ ...inputs, baseline: 'known.json' });
	assert.deepEqual([status, stdout], [0, '']);
	assert.deepEqual([outputs.new, outputs.known], ['0', '2']);
	assert.match(summary, /\nAll 3 checks passed\.\n/);
});

test('a wrong input ends with status 2 and an annotation', async () => {
	const { status, stdout, outputs } = await runAction({ models: 'nowhere/*.onnx\r\n--json\r\n' });
	assert.equal(status, 2);
	assert.equal(outputs.status, '2');
	assert.match(stdout, /^::error::No file matches nowhere\/\*\.onnx\.[^\n]*\n$/);
});

test('every action is pinned to a commit, and every local reference exists', () => {
	const used = steps.flatMap(({ uses }) => uses ?? []);
	assert.ok(used.length >= 8);
	for (const uses of used) {
		if (uses.startsWith('./')) {
			assert.ok(existsSync(path.join(root, uses, 'action.yml')), uses);
		} else {
			assert.match(uses, /^[\w-]+\/[\w/-]+@[0-9a-f]{40}$/);
		}
	}
	const { scripts } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'));
	for (const { run = '' } of steps) {
		for (const [, script] of run.matchAll(/npm (?:run )?(?:--silent )?(test|(?<=run )[\w:]+)/g)) {
			assert.ok(script in scripts, run);
		}
		for (const [, file] of run.matchAll(/\$GITHUB_ACTION_PATH\/([\w.-]+)/g)) {
			assert.ok(existsSync(path.join(actionFolder, file)), run);
		}
		// An expression in a script would let a branch name run code.
		assert.doesNotMatch(run, /\$\{\{ (?!matrix\.)/);
	}
	for (const { name, workflow } of workflows) {
		assert.deepEqual(workflow.permissions, { contents: 'read' }, name);
	}
});

test('the workflow builds a package for every platform of the package script', () => {
	const targets = workflows.flatMap(({ workflow }) =>
		Object.values(workflow.jobs).flatMap(({ strategy }) => strategy?.matrix.target ?? []),
	);
	assert.deepEqual(targets, TARGETS);
});

test('the hook for pre-commit checks the files that it is given', () => {
	const [hook] = load('.pre-commit-hooks.yaml') as {
		entry: string;
		language: string;
		files: string;
		require_serial: boolean;
	}[];
	assert.deepEqual([hook.language, hook.require_serial], ['script', true]);
	assert.match('models/good.onnx', new RegExp(hook.files));
	const entry = path.join(root, hook.entry);
	assert.match(readFileSync(entry, 'utf8'), /^#!\/usr\/bin\/env node\n/);
	const words = [
		'--fail-on',
		'warning',
		'--no-run',
		'--junit',
		'checks.xml',
		'models/good.onnx',
		'models/deep/dead one.onnx',
	];
	const { status, stdout } = spawnSync(process.execPath, [entry, ...words], { cwd: folder, encoding: 'utf8' });
	assert.equal(status, 1);
	assert.match(stdout, /^Of 2 checks, 1 failed\.\n/);
	const junit = readFileSync(path.join(folder, 'checks.xml'), 'utf8');
	assert.deepEqual(wellFormedXml(junit).filter((name) => name === 'testsuite').length, 2);
	assert.match(junit, /<failure type="dead-channel"/);
});
