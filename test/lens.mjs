// Runs the built command line: npm run --silent lens -- inspect model.onnx
import { existsSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { root } from './workbench/paths.mjs';

const cli = path.join(root, 'dist', 'cli.js');
if (existsSync(cli)) {
	await import(pathToFileURL(cli).href);
} else {
	console.error('The command line is not built: run "npm run build" first (and "npm ci" before that in a new clone).');
	process.exitCode = 2;
}
