import { spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { root } from './paths.mjs';
import { runOrThrow } from './processes.mjs';

const HOST = '127.0.0.1';
const READY = /Extension host agent listening on (\d+)/;
const START_TIMEOUT = 60_000;

/** Keeps code-server from asking open-vsx.org about extensions. */
const NO_GALLERY = { EXTENSIONS_GALLERY: '{}' };

/** Settings of every workbench: quiet, offline, and without pop-ups over the page. */
const SETTINGS = {
	'security.workspace.trust.enabled': false,
	'telemetry.telemetryLevel': 'off',
	'workbench.startupEditor': 'none',
	'workbench.tips.enabled': false,
	'workbench.enableExperiments': false,
	'extensions.autoCheckUpdates': false,
	'extensions.autoUpdate': false,
	'extensions.ignoreRecommendations': true,
	'update.mode': 'none',
	'chat.commandCenter.enabled': false,
	'chat.disableAIFeatures': true,
	'workbench.secondarySideBar.defaultVisibility': 'hidden',
	'git.enabled': false,
};

/**
 * @typedef {object} ServerOptions
 * @property {import('./provision.mjs').VsCode} vscode
 * @property {string} dataDir Settings, state and log of this server.
 * @property {string} extensionsDir
 * @property {Record<string, unknown>} [settings] Over our own.
 * @property {number} [port] 0: any free one.
 * @property {NodeJS.ProcessEnv} [env] Inherited by the extension host.
 *
 * @typedef {object} Server
 * @property {string} authority Host and port, also the authority of the workbench's remote URIs.
 * @property {string} log Path of what the server printed.
 * @property {Promise<void>} ended
 * @property {() => Promise<void>} stop
 */

/**
 * Starts VS Code's server on the loopback interface and waits until it listens. The server ends with this process at
 * the latest.
 * @param {ServerOptions} options
 * @returns {Promise<Server>}
 */
export async function startServer({ vscode, dataDir, extensionsDir, settings = {}, port = 0, env = {} }) {
	await writeSettings(dataDir, { ...SETTINGS, ...settings });
	const child = spawn(
		vscode.node,
		[
			'--import',
			pathToFileURL(path.join(root, 'test/workbench/guard.mjs')).href,
			path.join(vscode.folder, 'out', 'server-main.js'),
			...['--host', HOST, '--port', String(port), '--without-connection-token', '--accept-server-license-terms'],
			...['--disable-telemetry', '--server-data-dir', dataDir, '--extensions-dir', extensionsDir],
		],
		// A separate process group, so that the guard also reaches the extension hosts.
		{
			stdio: ['pipe', 'pipe', 'pipe'],
			detached: process.platform !== 'win32',
			// Puts sockets into the data folder, which is removed after the test.
			env: { ...process.env, ...NO_GALLERY, XDG_RUNTIME_DIR: dataDir, ...env },
		},
	);
	/** @type {Promise<void>} */
	const ended = new Promise((resolve) => child.on('close', () => resolve()));
	const stop = async () => {
		child.stdin.destroy();
		await ended;
	};
	const log = path.join(dataDir, 'server.log');
	try {
		const listening = await waitUntilReady(child, log);
		return { authority: `${HOST}:${listening}`, log, ended, stop };
	} catch (error) {
		await stop();
		throw error;
	}
}

/**
 * @param {import('node:child_process').ChildProcessWithoutNullStreams} child
 * @param {string} log
 * @returns {Promise<number>} The port.
 */
function waitUntilReady(child, log) {
	const file = createWriteStream(log);
	return new Promise((resolve, reject) => {
		let output = '';
		const fail = (/** @type {string} */ why) => reject(new Error(`VS Code's server ${why}:\n${output.trim()}`));
		const timer = setTimeout(fail, START_TIMEOUT, `did not listen within ${START_TIMEOUT / 1000} s`);
		for (const stream of [child.stdout, child.stderr]) {
			stream.setEncoding('utf8').on('data', (text) => {
				file.write(text);
				output = (output + text).slice(-10_000);
				const port = READY.exec(output)?.[1];
				if (port) {
					clearTimeout(timer);
					resolve(Number(port));
				}
			});
		}
		child.on('error', reject);
		child.on('exit', (status) => {
			clearTimeout(timer);
			file.end();
			fail(`ended with exit code ${status}`);
		});
	});
}

/**
 * Writes both scopes: the server reads machine settings, the workbench in the browser user settings.
 * @param {string} dataDir
 * @param {Record<string, unknown>} settings
 */
async function writeSettings(dataDir, settings) {
	for (const scope of ['Machine', 'User']) {
		const folder = path.join(dataDir, 'data', scope);
		await mkdir(folder, { recursive: true });
		await writeFile(path.join(folder, 'settings.json'), JSON.stringify(settings, null, '\t'));
	}
}

/**
 * Returns the address at which `server` shows `folder`. `payload` has the format of VS Code's web workbench.
 * @param {Server} server
 * @param {string} folder
 * @param {readonly (readonly [string, string])[]} [payload]
 */
export function workbenchUrl(server, folder, payload = []) {
	const url = new URL(`http://${server.authority}/`);
	url.searchParams.set('folder', folder);
	if (payload.length > 0) {
		url.searchParams.set('payload', JSON.stringify(payload));
	}
	return url.href;
}

/**
 * Returns the URI by which the workbench reaches a file on the server's machine.
 * @param {Server} server
 * @param {string} file
 */
export function remoteUri(server, file) {
	return `vscode-remote://${server.authority}${pathToFileURL(file).pathname}`;
}

/**
 * Installs a VSIX as a user's VS Code does.
 * @param {{ vscode: import('./provision.mjs').VsCode, vsix: string, dataDir: string, extensionsDir: string }} options
 */
export async function installExtension({ vscode, vsix, dataDir, extensionsDir }) {
	await mkdir(extensionsDir, { recursive: true });
	const output = await runOrThrow(
		`Installing ${vsix}`,
		vscode.node,
		[
			path.join(vscode.folder, 'out', 'server-main.js'),
			...['--install-extension', vsix, '--force', '--accept-server-license-terms', '--disable-telemetry'],
			...['--server-data-dir', dataDir, '--extensions-dir', extensionsDir],
		],
		{ timeout: START_TIMEOUT, env: NO_GALLERY },
	);
	// The exit code is 0 even if VS Code refuses the VSIX.
	if (!output.includes('was successfully installed')) {
		throw new Error(`VS Code did not install ${vsix}:\n${output.trim()}`);
	}
}
