import { readdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { packageExtension } from '../package.mjs';
import { outDir } from './paths.mjs';
import { provision } from './provision.mjs';
import { installExtension } from './server.mjs';

/** Folder in which the tests' VS Code finds the extension, installed as users install it. */
export const extensionsDir = path.join(outDir, 'vscode', 'extensions');
const dataDir = path.join(outDir, 'vscode', 'install-data');

/** Packages the extension and installs it into a clean VS Code. */
export async function packageAndInstall() {
	const vsix = await packageExtension();
	await rm(extensionsDir, { recursive: true, force: true });
	await installExtension({ vscode: await provision(), vsix, dataDir, extensionsDir });
	return { vsix, folder: await installedFolder() };
}

/** Returns the folder of the installed extension. */
export async function installedFolder(extensions = extensionsDir) {
	const names = await readdir(extensions);
	const name = names.find((entry) => entry.startsWith('batchnorm-lens.'));
	if (!name) {
		throw new Error(`The extension is not in ${extensions}: run \`npm test -- --only package\` first.`);
	}
	return path.join(extensions, name);
}
