import { readFileSync } from 'node:fs';
import { type OpenModel, openBytes } from './open.js';

/** Path of a file of test/fixtures/models; tests run in the root of the repository. */
export function fixture(name: string): string {
	return `test/fixtures/models/${name}`;
}

export function openFixture(name: string): Promise<OpenModel> {
	return openBytes(readFileSync(fixture(name)));
}

/** One layer of NAME.expected.json, as PyTorch has it. */
export interface ExpectedLayer {
	readonly name: string;
	readonly eps: number;
	readonly weight: readonly number[] | null;
	readonly bias: readonly number[] | null;
	readonly running_mean: readonly number[];
	readonly running_var: readonly number[];
}

/** PyTorch's own numbers, in execution order. */
export function expectedLayers(name: string): readonly ExpectedLayer[] {
	return JSON.parse(readFileSync(fixture(`${name}.expected.json`), 'utf8')).layers;
}
