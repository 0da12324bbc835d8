// Step of action.yml: runs `batchnorm-lens check` on the inputs of the action, and writes annotations and outputs.
import { spawnSync } from 'node:child_process';
import { appendFileSync, existsSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const CLI = path.join(path.dirname(fileURLToPath(import.meta.url)), '../../../dist/cli.js');
const COMMANDS = { error: 'error', warning: 'warning', info: 'notice' };
/** GitHub shows ten annotations of each kind for a step. */
const MAX_ANNOTATIONS = 30;

const { env } = process;
const lines = (text = '') =>
	text
		.split('\n')
		.map((line) => line.trim())
		.filter((line) => line !== '');
/** An option with its value; empty inputs are left out. */
const option = (name, value = '') => (value.trim() === '' ? [] : [`${name}=${value.trim()}`]);

const folder = env.GITHUB_WORKSPACE ?? process.cwd();
const sarif = env.BATCHNORM_SARIF?.trim() || 'batchnorm-lens.sarif';
const result = spawnSync(
	process.execPath,
	[
		CLI,
		'check',
		'--json',
		`--sarif=${sarif}`,
		...option('--summary', env.GITHUB_STEP_SUMMARY),
		...option('--fail-on', env.BATCHNORM_FAIL_ON),
		...option('--tolerance', env.BATCHNORM_TOLERANCE),
		...option('--baseline', env.BATCHNORM_BASELINE),
		...(env.BATCHNORM_RUN?.trim() === 'false' ? ['--no-run'] : []),
		...lines(env.BATCHNORM_PAIRS).map((pair) => `--pair=${pair}`),
		'--',
		...lines(env.BATCHNORM_MODELS),
	],
	{ cwd: folder, encoding: 'utf8', maxBuffer: 1 << 28 },
);

/** Escapes a value of a workflow command, so that no name of a model can begin a command. */
const escapeData = (text) => text.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A');
const escapeProperty = (text) => escapeData(text).replaceAll(':', '%3A').replaceAll(',', '%2C');

function annotate(command, text, properties = {}) {
	const list = Object.entries(properties).map(([name, value]) => `${name}=${escapeProperty(value)}`);
	process.stdout.write(`::${[command, list.join(',')].filter((part) => part !== '').join(' ')}::${escapeData(text)}\n`);
}

function output(name, value) {
	if (env.GITHUB_OUTPUT) {
		appendFileSync(env.GITHUB_OUTPUT, `${name}=${value}\n`);
	}
}

/** Exit status for a command that ended without a result. */
const FAILED = 2;
const problem = result.stderr.trim();
let checked;
try {
	checked = JSON.parse(result.stdout);
} catch {
	annotate('error', problem || result.error?.message || 'The check ended without a result.');
	output('status', FAILED);
	process.exit(FAILED);
}

const sum = (count) => checked.items.reduce((total, item) => total + count(item), 0);
const findings = checked.items.flatMap((item) => item.findings.map((finding) => ({ ...finding, model: item.model })));
const fresh = findings.filter(({ known }) => !known);
for (const { model, status, answer } of checked.items.filter(({ status: own }) => own > 1)) {
	annotate('error', answer, { file: model, title: `Not judged (exit ${status})` });
}
for (const { model, code, severity, layer, message } of fresh.slice(0, MAX_ANNOTATIONS)) {
	annotate(COMMANDS[severity], `${layer === '' ? '' : `${layer}: `}${message}`, {
		file: model,
		line: '1',
		title: code,
	});
}
output('status', checked.status);
output('new', fresh.length);
output('known', findings.length - fresh.length);
output(
	'gone',
	sum(({ baseline }) => baseline?.vanished.length ?? 0),
);
output('sarif', existsSync(path.resolve(folder, sarif)) ? sarif : '');
process.exitCode = checked.status;
