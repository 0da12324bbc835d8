// Prints the confusion table of the diagnosis, and keeps it in CONFUSION.md: node test/folding/confusion.mjs [--seed N] [--write]
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { buildTests } from '../../esbuild.mjs';

process.chdir(path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..'));
const [bundle] = await buildTests(['test/folding/confusion.ts']);
await import(pathToFileURL(bundle).href);
