import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { root } from '../workbench/paths.mjs';
import { bnl, type Harness, startHarness, withPage } from './harness.js';
import type { StateName } from './states.js';
import { THEMES, type ThemeName } from './themes.js';

/**
 * Content of the page in each state as assistive technology sees it, compared with the record beside this file. After
 * an intended change run UPDATE=1 node test/view-harness/run.mjs structure, and read the difference.
 */
const STATES: readonly StateName[] = ['opening', 'mismatch', 'skipped', 'noParameters', 'one', 'empty', 'failure'];

let harness: Harness;
before(async () => {
	harness = await startHarness();
});
after(() => harness.close());

const structureOf = async (state: StateName, theme: ThemeName): Promise<string> => {
	let structure = '';
	await withPage(harness, { theme }, async ({ page, show }) => {
		await show(state);
		const snapshot = await page.locator(bnl('page')).ariaSnapshot();
		// Texts inside plots depend on fonts, and the name of the surrounding image describes the plot.
		structure = `${snapshot.replace(/^ +- img(: .*)?\n/gm, '')}\n`;
	});
	return structure;
};

describe('the structure of the page', () => {
	for (const state of STATES) {
		it(`${state} equals its record`, async () => {
			const file = path.join(root, 'test/view-harness/structure', `${state}.yml`);
			const structure = await structureOf(state, 'dark');
			if (process.env.UPDATE) {
				await writeFile(file, structure);
			}
			assert.equal(structure, await readFile(file, 'utf8'));
		});
	}

	it('is the same in every theme', async () => {
		const themes = Object.keys(THEMES) as ThemeName[];
		const structures = await Promise.all(themes.map((theme) => structureOf('skipped', theme)));
		assert.equal(new Set(structures).size, 1);
	});
});
