import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { parseCheckArguments } from '../../../src/cli/check-arguments.js';
import { parseInspectArguments } from '../../../src/cli/commands/inspect.js';
import { root } from '../../workbench/paths.mjs';

test('every option of inspect is parsed', () => {
	const parsed = parseInspectArguments([
		'm.onnx',
		'--json',
		'--no-run',
		'--input',
		'x=a.npy',
		'--input',
		'b.npy',
		'--batch',
		'4',
		'--seed',
		'9',
		'--save-outputs',
		'out',
		'--fail-on',
		'warning',
	]);
	assert.deepEqual(parsed, {
		model: path.resolve('m.onnx'),
		output: { format: 'json', file: undefined },
		failOn: 'warning',
		options: {
			run: false,
			inputs: [
				{ input: 'x', path: path.resolve('a.npy') },
				{ input: undefined, path: path.resolve('b.npy') },
			],
			batch: 4,
			seed: 9,
			saveOutputs: path.resolve('out'),
		},
	});
});

test('defaults: run, batch 1, seed 0, fail on errors', () => {
	const { options, failOn, output } = parseInspectArguments(['m.onnx']);
	assert.deepEqual(
		[options, failOn, output],
		[{ run: true, inputs: [], batch: 1, seed: 0 }, 'error', { format: 'text', file: undefined }],
	);
});

test('the format and the file that the report goes to', () => {
	const { output } = parseInspectArguments(['m.onnx', '--format', 'sarif', '-o', 'report.sarif']);
	assert.deepEqual(output, { format: 'sarif', file: path.resolve('report.sarif') });
});

test('the command line accepts every inspect command of the README', () => {
	const readme = readFileSync(path.join(root, 'README.md'), 'utf8');
	const commands = [...readme.matchAll(/(?:lens --|dist\/cli\.js) inspect (.*)$/gm)].map(([, rest = '']) => rest);
	assert.ok(commands.length >= 4, `${commands.length} commands`);
	for (const command of commands) {
		assert.doesNotThrow(() => parseInspectArguments(command.split(' ')), command);
	}
});

test('mistakes get a sentence each', () => {
	for (const [argv, message] of [
		[[], /needs a model file/],
		[['a', 'b'], /one model, not 2/],
		[['a', '--batch', '0'], /--batch takes a whole number of at least 1, not "0"/],
		[['a', '--batch', '-1'], /^[^\n]*--batch[^\n]*$/],
		[['a', '--seed', 'x'], /--seed takes/],
		[['a', '--fail-on', 'loud'], /--fail-on takes/],
		[['a', '--input', '=f'], /NAME=FILE/],
		[['a', '--input'], /--input/],
		[['a', '--unknown'], /--unknown/],
		[['a', '--format', 'xls'], /--format takes one of text, .*sarif.*, not "xls"/],
		[['a', '--json', '--format', 'csv'], /contradict/],
	] as const) {
		assert.throws(() => parseInspectArguments(argv), message);
	}
});

test('options choose sizes, input values and memory of a run', () => {
	const options = (...argv: string[]) => parseInspectArguments(['m.onnx', ...argv]).options;
	assert.deepEqual(options('--dim', 'height=32', '--dim', 'x=y:2=7').dimensions, { height: 32, 'x=y:2': 7 });
	assert.equal(options('--random', 'uniform').random, 'uniform');
	assert.equal(options('--memory-budget', '64').memoryBudget, 64 * 2 ** 20);
	assert.equal(options('--no-optimized').compareOptimized, false);
	for (const preset of ['imagenet', '0..1', '-1..1', 'none']) {
		assert.equal(options('--normalize', preset, '--json').normalize, preset);
		assert.equal(options(`--normalize=${preset}`).normalize, preset);
	}
	assert.deepEqual(options('--normalize', '0.5,0.4,0.3/0.25').normalize, { mean: [0.5, 0.4, 0.3], deviation: [0.25] });
	assert.equal(options('--colors', 'bgr').colors, 'bgr');
	for (const [argv, message] of [
		[['--colors', 'hsv'], /--colors takes rgb or bgr, not "hsv"/],
		[['--dim', 'height'], /--dim takes NAME=SIZE or INPUT:AXIS=SIZE, not "height"/],
		[['--dim', '=3'], /--dim takes NAME=SIZE/],
		[['--dim', 'h=x'], /--dim takes a whole number of at least 0, not "x"/],
		[['--random', 'cauchy'], /--random takes normal or uniform, not "cauchy"/],
		[['--memory-budget', '0'], /--memory-budget takes a whole number of at least 1/],
		[['--normalize', 'caffe'], /--normalize takes imagenet, .* not "caffe"/],
		[['--normalize', '1,2/1,2'], /--normalize takes/],
		[['--normalize', '0.5/0'], /--normalize takes/],
		[['--normalize', '0.5,/1'], /--normalize takes/],
		[['--normalize'], /--normalize/],
	] as const) {
		assert.throws(() => options(...argv), message, argv.join(' '));
	}
});

test('a value that begins with a dash is not an option; the error shows how to write it', () => {
	assert.throws(
		() => parseInspectArguments(['m.onnx', '--batch', '-1']),
		/^UsageError: --batch needs a value; one that begins with a dash is written as --batch=-VALUE\.$/,
	);
	assert.throws(
		() => parseInspectArguments(['m.onnx', '--batch=-1']),
		/--batch takes a whole number of at least 1, not "-1"/,
	);
});

test('the command line accepts every check command of the README', () => {
	const readme = readFileSync(path.join(root, 'README.md'), 'utf8');
	const commands = [...readme.matchAll(/lens -- check (.*)$/gm)].map(([, rest = '']) => rest);
	assert.ok(commands.length >= 1);
	for (const command of commands) {
		const words = [...command.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? '');
		const { paths, pairs, sarif } = parseCheckArguments(words);
		assert.ok(paths.length + pairs.length > 1 && sarif !== undefined);
	}
});

test('check needs paths or pairs, and a pair needs both models', () => {
	const usage = { name: 'UsageError' };
	assert.throws(() => parseCheckArguments([]), usage);
	assert.throws(() => parseCheckArguments(['--pair', 'a.onnx']), usage);
	assert.throws(() => parseCheckArguments(['--pair', '=b.onnx']), usage);
	assert.throws(() => parseCheckArguments(['a.onnx', '--update-baseline']), usage);
	const { pairs, paths, failOn } = parseCheckArguments(['--pair', 'a.onnx=b=c.onnx', '--', '--json']);
	assert.deepEqual([pairs, paths, failOn], [[[path.resolve('a.onnx'), path.resolve('b=c.onnx')]], ['--json'], 'error']);
});
