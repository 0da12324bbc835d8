// Prints the table of folds beyond the formulas, and keeps it in FORMS.md: node test/folding/forms.mjs [--seed N] [--write]
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { buildTests } from '../../esbuild.mjs';

process.chdir(path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..'));
const [bundle] = await buildTests(['test/folding/forms-table.ts']);
await import(pathToFileURL(bundle).href);
