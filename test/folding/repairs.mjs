// Repairs wrong folds of all kinds and counts the right results: node test/folding/repairs.mjs [--seed N] [--count N] [--form NAME] [--kind WORD]
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { buildTests } from '../../esbuild.mjs';

process.chdir(path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..'));
const [bundle] = await buildTests(['test/folding/repairs.ts']);
await import(pathToFileURL(bundle).href);
