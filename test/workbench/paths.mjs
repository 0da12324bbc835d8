import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');
/** Downloads that outlive a test run. */
export const cacheDir = path.join(root, '.vscode-test');
/** Everything that a test run writes. */
export const outDir = path.join(root, 'out');

/** Names the VS Code that this process and its children test with, one of those in provision.mjs. */
export const VERSION_VARIABLE = 'BATCHNORM_LENS_VSCODE';

/** Where the browser tests leave their pictures, a folder for each VS Code. */
export function screenshotsDir() {
	return path.join(outDir, 'screenshots', process.env[VERSION_VARIABLE] ?? 'oldest');
}
