import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');
/** Downloads that outlive a test run. */
export const cacheDir = path.join(root, '.vscode-test');
/** Everything that a test run writes. */
export const outDir = path.join(root, 'out');
