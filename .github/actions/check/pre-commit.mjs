#!/usr/bin/env node
// Entry of .pre-commit-hooks.yaml: builds this clone once, then checks the files that pre-commit names.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../..');
const cli = path.join(root, 'dist/cli.js');

const run = (program, words, options) => spawnSync(program, words, options).status ?? 1;

if (!existsSync(cli)) {
	// Standard output belongs to the check.
	const options = { cwd: root, stdio: ['ignore', 2, 2], shell: process.platform === 'win32' };
	const status = run('npm', ['ci'], options) || run('npm', ['run', 'build'], options);
	if (status !== 0) {
		process.exit(status);
	}
}
process.exitCode = run(process.execPath, [cli, 'check', ...process.argv.slice(2)], { stdio: 'inherit' });
