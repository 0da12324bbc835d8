import { spawn } from 'node:child_process';

/** Longest line in an excerpt, in characters. A crash of minified code quotes the whole file. */
const LONGEST_LINE = 300;

/**
 * @typedef {object} RunOptions
 * @property {string} [cwd]
 * @property {NodeJS.ProcessEnv} [env] Added to this process's own.
 * @property {number} [timeout] Milliseconds, then the process is killed and `status` is null.
 * @property {boolean} [echo] Shows the output while it comes.
 */

/**
 * Runs a program to its end, never through a shell. Rejects only when it cannot be started.
 * @param {string} command
 * @param {readonly string[]} args
 * @param {RunOptions} [options]
 * @returns {Promise<{ status: number | null, output: string }>} `output`: stdout and stderr as they came.
 */
export function run(command, args, { cwd, env = {}, timeout = 0, echo = false } = {}) {
	return new Promise((resolve, reject) => {
		const child = spawn(command, args, {
			cwd,
			env: { ...process.env, ...env },
			stdio: ['ignore', 'pipe', 'pipe'],
			timeout,
			killSignal: 'SIGKILL',
		});
		let output = '';
		for (const stream of [child.stdout, child.stderr]) {
			stream.setEncoding('utf8').on('data', (text) => {
				output += text;
				if (echo) {
					process.stdout.write(text);
				}
			});
		}
		child.on('error', reject);
		child.on('close', (status) => resolve({ status, output }));
	});
}

/**
 * Like {@link run}, for a program that must succeed.
 * @param {string} what Names the step in the error message.
 * @param {string} command
 * @param {readonly string[]} args
 * @param {RunOptions} [options]
 * @returns {Promise<string>} What it printed.
 */
export async function runOrThrow(what, command, args, options = {}) {
	const { status, output } = await run(command, args, options).catch((error) => ({
		status: null,
		output: String(error),
	}));
	if (status !== 0) {
		throw new Error(
			`${what} failed (${command} ${args.join(' ')}, exit code ${status ?? 'none'}):\n${excerpt(output)}`,
		);
	}
	return output;
}

/**
 * Returns the first and last lines. Some programs name the error at the beginning, others at the end.
 * @param {string} output
 */
function excerpt(output) {
	const lines = output
		.trim()
		.split('\n')
		.map((line) => line.slice(0, LONGEST_LINE));
	return (lines.length <= 30 ? lines : [...lines.slice(0, 15), '…', ...lines.slice(-15)]).join('\n');
}

/**
 * Runs the npm that started this process, else the one on the PATH. Unsets npm's folder of the calling package, which
 * would override `cwd` in a nested call.
 * @param {string} what
 * @param {readonly string[]} args
 * @param {RunOptions} [options]
 */
export function npm(what, args, options = {}) {
	const script = process.env.npm_execpath;
	const env = { ...options.env, npm_config_local_prefix: undefined };
	if (script?.endsWith('.js')) {
		return runOrThrow(what, process.execPath, [script, ...args], { ...options, env });
	}
	return process.platform === 'win32'
		? runOrThrow(what, 'cmd.exe', ['/d', '/s', '/c', 'npm', ...args], { ...options, env })
		: runOrThrow(what, 'npm', args, { ...options, env });
}
