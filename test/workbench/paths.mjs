import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');
/** Downloads that are kept between test runs. */
export const cacheDir = path.join(root, '.vscode-test');
/** Output of test runs. */
export const outDir = path.join(root, 'out');

/** Environment variable with the name of a version in provision.mjs. */
export const VERSION_VARIABLE = 'BATCHNORM_LENS_VSCODE';

/** Returns the folder for screenshots of the current VS Code version. */
export function screenshotsDir() {
	return path.join(outDir, 'screenshots', process.env[VERSION_VARIABLE] ?? 'oldest');
}
