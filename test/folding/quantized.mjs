// Prints the table of quantized wrong folds, and keeps it in QUANTIZED.md: node test/folding/quantized.mjs [--seed N] [--write]
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { buildTests } from '../../esbuild.mjs';

process.chdir(path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..'));
const [bundle] = await buildTests(['test/folding/quantized-table.ts']);
await import(pathToFileURL(bundle).href);
