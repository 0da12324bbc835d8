// Shows the extension in a real VS Code in the browser, from a bare clone: npm start [-- --port 8080] [-- --folder DIR]
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { ensureDependencies } from './dependencies.mjs';

const { values } = parseArgs({ options: { port: { type: 'string', default: '0' }, folder: { type: 'string' } } });
const port = Number(values.port);
if (!Number.isInteger(port) || port < 0 || port > 65535) {
	console.error(
		`--port ${values.port} is not a port: give a number from 1 to 65535, or leave it out for any free one.`,
	);
	process.exit(2);
}

await ensureDependencies();
// Imported here, because the modules need installed packages.
const { provision } = await import('./provision.mjs');
const { installExtension, startServer, workbenchUrl } = await import('./server.mjs');
const { installedFolder } = await import('./installed.mjs');
const { buildTests } = await import('../../esbuild.mjs');
const { packageExtension } = await import('../package.mjs');

/**
 * Holds settings, the installed extension and a copy of the examples, so that a session leaves no file in the clone.
 */
const scratch = await mkdtemp(path.join(tmpdir(), 'batchnorm-lens-'));
const stopped = new Promise((resolve) => {
	process.once('SIGINT', resolve);
	process.once('SIGTERM', resolve);
});
try {
	await serve();
} finally {
	await rm(scratch, { recursive: true, force: true, maxRetries: 5 });
}

async function serve() {
	progress('Building and packaging the extension (about half a minute) …');
	const vsix = await quietly(packageExtension);
	const vscode = await provision();
	progress('Installing the extension …');
	const place = { vscode, dataDir: path.join(scratch, 'data'), extensionsDir: path.join(scratch, 'extensions') };
	await installExtension({ ...place, vsix });
	const folder = values.folder
		? path.resolve(values.folder)
		: await writeExamples(await installedFolder(place.extensionsDir));
	progress('Starting VS Code …');
	// Opens the README of the examples.
	const server = await startServer({ ...place, port, settings: { 'workbench.startupEditor': 'readme' } });
	console.log(`\nVS Code with BatchNorm Lens: ${workbenchUrl(server, folder)}\nFolder: ${folder}\nCtrl-C stops it.`);
	await Promise.race([stopped, server.ended]);
	await server.stop();
}

/**
 * Copies the example models, because a session may change them.
 * @param {string} extension Where it is installed.
 */
async function writeExamples(extension) {
	progress('Writing example models …');
	const [bundle] = await buildTests(['test/workbench/examples/workspace.ts']);
	const examples = await import(pathToFileURL(bundle).href);
	const folder = path.join(scratch, 'models');
	await examples.writeExamples(folder, path.join(extension, 'dist', 'cli.js'));
	return folder;
}

/** @param {string} line */
function progress(line) {
	console.log(line);
}

/**
 * Hides the packer's list of files, which it prints to standard output.
 * @template T
 * @param {() => Promise<T>} work
 * @returns {Promise<T>}
 */
async function quietly(work) {
	const { log, info } = console;
	console.log = () => {};
	console.info = () => {};
	try {
		return await work();
	} finally {
		Object.assign(console, { log, info });
	}
}
