import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Locator, Page } from 'playwright-core';
import { bnl, type Harness, startHarness, withPage } from './harness.js';
import { mobilenet } from './networks.js';
import { FORM } from './states.js';

let harness: Harness;
before(async () => {
	harness = await startHarness();
});
after(() => harness.close());

const field = (page: Page, name: string): Locator => page.locator(bnl('form-field', `[data-field="${name}"]`));
const runs = (received: readonly { readonly type: string }[]) => received.filter(({ type }) => type === 'run');

describe('the run options', () => {
	it('are hidden until requested, and then show the current choices', () =>
		withPage(harness, {}, async ({ page, send, show, storedState }) => {
			await show('done');
			assert.equal(await page.locator(bnl('run-options')).isVisible(), false, 'nothing is known yet');
			await send({ type: 'form', form: FORM });
			const options = page.locator(bnl('run-options'));
			assert.equal(await page.locator(bnl('run-form')).isVisible(), false);
			assert.equal(await options.getAttribute('aria-expanded'), 'false');
			await options.click();
			assert.equal(await options.getAttribute('aria-expanded'), 'true');
			assert.equal(((await storedState()) as { form?: boolean }).form, true);
			assert.match((await page.locator(bnl('form-input')).first().textContent()) ?? '', /cat\.png.*and 2 more/);
			assert.match(
				(await page.locator(bnl('form-input')).nth(1).textContent()) ?? '',
				/bool \[batch, \?, \?\].*random/,
			);
			assert.equal(await field(page, 'batch').inputValue(), '8');
			assert.equal(await field(page, 'seed').getAttribute('placeholder'), '0');
			assert.deepEqual(
				await field(page, 'dimension').evaluateAll((all) => all.map((one) => (one as HTMLInputElement).value)),
				['320', '', '', ''],
			);
			assert.equal(await field(page, 'mean').inputValue(), '0.5');
			assert.equal(await field(page, 'deviation').inputValue(), '0.25, 0.2, 0.2');
		}));

	it('list guessed sizes until these are chosen or come from files', () =>
		withPage(harness, {}, async ({ page, send, show }) => {
			await show('done');
			const run = async () => (await page.locator(bnl('run')).textContent()) ?? '';
			assert.doesNotMatch(await run(), /guessed/);
			await send({ type: 'form', form: FORM });
			assert.match(await run(), /leaves sizes open \(width, mask:1, mask:2\); they were guessed/);
			const dimensions = FORM.dimensions.map((name) => ({ name, size: 8 }));
			await send({ type: 'form', form: { ...FORM, choices: { dimensions } } });
			assert.doesNotMatch(await run(), /guessed/);
			const inputs = FORM.inputs.map((input) => ({ ...input, files: ['/data/a.npy'] }));
			await send({ type: 'form', form: { ...FORM, inputs } });
			assert.doesNotMatch(await run(), /guessed/);
		}));

	it('send the filled fields only, by keyboard alone', () =>
		withPage(harness, {}, async ({ page, received, show }) => {
			await show('form');
			await page.getByRole('spinbutton', { name: 'Batch' }).focus();
			await page.keyboard.press('ControlOrMeta+A');
			await page.keyboard.type('16');
			await page.keyboard.press('Tab');
			await page.keyboard.press('ControlOrMeta+A');
			await page.keyboard.press('Delete');
			await page.keyboard.press('Tab');
			await page.keyboard.type('224');
			await page.getByLabel('Distribution').selectOption('uniform');
			await page.getByLabel('Seed').fill('7');
			await page.getByLabel('Pixels become').selectOption('-1..1');
			assert.equal(await field(page, 'mean').isVisible(), false);
			await page.getByLabel('Tensors held at a time').fill('64');
			await page.keyboard.press('Enter');
			assert.deepEqual(runs(await received()), [
				{
					type: 'run',
					choices: {
						batch: 16,
						dimensions: [{ name: 'width', size: 224 }],
						seed: 7,
						random: 'uniform',
						normalize: '-1..1',
						memoryBudget: 64 * 2 ** 20,
					},
				},
			]);
		}));

	it('reject values that no run accepts, and give the reason', () =>
		withPage(harness, {}, async ({ page, received, show }) => {
			await show('form');
			const apply = page.locator(bnl('form-run'));
			const invalid = () =>
				page.evaluate(() => document.querySelector(':invalid:not(form, fieldset)')?.getAttribute('data-field'));
			for (const [name, wrong, right] of [
				['batch', '0', '2'],
				['mean', 'half', '0.5'],
				['deviation', '0', '0.1, 0.2, 0.3'],
				['deviation', '1, 2', '0.5'],
			] as const) {
				await field(page, name).fill(wrong);
				await apply.click();
				assert.equal(await invalid(), name === 'deviation' ? 'mean' : name);
				await field(page, name).fill(right);
			}
			assert.deepEqual(runs(await received()), []);
			await apply.click();
			assert.equal(runs(await received()).length, 1);
		}));

	it('keep typed text and keyboard focus while files are chosen', () =>
		withPage(harness, {}, async ({ page, received, send, show }) => {
			await show('form');
			await field(page, 'seed').fill('12');
			const mask = bnl('form-input', '[data-input="1"]');
			await page.locator(`${mask} [data-from="folder"]`).focus();
			await page.keyboard.press('Enter');
			assert.deepEqual((await received()).at(-1), { type: 'choose-files', input: 'mask', from: 'folder' });
			const inputs = FORM.inputs.map((input) => ({ ...input, files: input.name === 'mask' ? ['/data/masks'] : [] }));
			await send({ type: 'form', form: { ...FORM, inputs } });
			await page.locator(mask).getByText('masks').waitFor();
			assert.equal(await field(page, 'seed').inputValue(), '12');
			assert.equal(await page.evaluate(() => document.activeElement?.getAttribute('data-from')), 'folder');
			await page.locator(`${mask} [data-from="random"]`).click();
			assert.deepEqual((await received()).at(-1), { type: 'choose-files', input: 'mask', from: 'random' });
		}));

	it('lead from data that do not fit to the choice of what pixels become', () =>
		withPage(harness, {}, async ({ page, received, send, show }) => {
			await show('drift');
			const report = mobilenet();
			const mistake = 'The input is probably not normalized as in training.';
			const data = { verdict: 'does-not-fit', images: 24, sentence: `They do not fit. ${mistake}`, mistake } as const;
			await send({ type: 'report', report: { ...report, run: { ...report.run, data } as typeof report.run } });
			await send({ type: 'form', form: FORM });
			assert.equal(await page.locator(bnl('heatmap')).getAttribute('data-metric'), 'drift');
			assert.equal(await page.locator(bnl('preprocess')).count(), 2, 'below the headline and in the finding');
			for (const place of ['.bnl-data', bnl('finding')]) {
				await page.locator(`${place} ${bnl('preprocess')}`).click();
				assert.equal(await page.locator(bnl('run-form')).isVisible(), true);
				assert.equal(await page.evaluate(() => document.activeElement?.getAttribute('data-field')), 'normalize');
				await page.locator(bnl('run-options')).click();
			}
			await page.locator(bnl('heatmap-metric')).selectOption('scale');
			await page.locator(bnl('run-options')).click();
			await page.getByLabel('Color order').selectOption('bgr');
			await page.locator(bnl('form-run')).click();
			const [run] = runs(await received()) as readonly { readonly choices?: { readonly colors?: string } }[];
			assert.equal(run?.choices?.colors, 'bgr');
			assert.equal(await page.locator(bnl('heatmap')).getAttribute('data-metric'), 'scale', 'the own choice stays');
		}));

	it('lead from too few images to the choice of more', () =>
		withPage(harness, {}, async ({ page, send, show }) => {
			await show('form');
			const report = mobilenet();
			const data = { verdict: 'too-few', images: 2, sentence: '2 images are too few.' } as const;
			await send({ type: 'report', report: { ...report, run: { ...report.run, data } as typeof report.run } });
			await page.locator(bnl('more-images')).click();
			assert.equal(await page.locator(bnl('run-form')).isVisible(), true);
			assert.equal(await page.evaluate(() => document.activeElement?.getAttribute('data-from')), 'folder');
		}));

	it('offer a button that repeats the run', () =>
		withPage(harness, {}, async ({ page, received, show }) => {
			await show('form');
			await page.locator(bnl('run-again')).click();
			assert.deepEqual((await received()).at(-1), { type: 'run' });
		}));

	it('show the names of a hostile model as text', () =>
		withPage(harness, {}, async ({ page, show }) => {
			await show('hostileForm');
			assert.equal(await page.evaluate(() => 'hacked' in window), false);
			assert.equal(await page.locator(`${bnl('run-form')} :is(a, b, img, script)`).count(), 0);
		}));
});

describe('an untrusted workspace', () => {
	it('shows the link to workspace trust in place of the Run button', () =>
		withPage(harness, {}, async ({ page, received, send, show }) => {
			await show('untrusted');
			assert.equal(await page.locator(bnl('run-again')).isVisible(), false);
			assert.equal(await page.locator(bnl('run-options')).isVisible(), false);
			await page.locator(bnl('trust')).click();
			assert.deepEqual((await received()).at(-1), { type: 'manage-trust' });
			await send({ type: 'form', form: FORM });
			await page.locator(bnl('run-again')).waitFor();
			assert.equal(await page.locator(bnl('trust')).isVisible(), false);
		}));
});
