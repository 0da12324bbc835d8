import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { root } from '../workbench/paths.mjs';
import { messagesOf, messageTable } from './support/messages.js';

/**
 * Every text that the product can show, with sample values. After an intended change run
 * UPDATE=1 npm run test:unit -- messages, and read the difference.
 */
const FILE = path.join(root, 'test', 'fixtures', 'messages.txt');

describe('the texts of the product', () => {
	it('equal the table that was read', () => {
		const table = messageTable();
		if (process.env.UPDATE) {
			writeFileSync(FILE, table);
		}
		const known = new Set(readFileSync(FILE, 'utf8').split('\n'));
		const lines = table.split('\n');
		const added = lines.filter((line) => !known.has(line));
		const current = new Set(lines);
		const removed = [...known].filter((line) => !current.has(line));
		assert.deepEqual({ added, removed }, { added: [], removed: [] });
	});

	it('are read from literals and templates, not from comments and regular expressions', () => {
		const source = [
			'// A comment with "quoted words" in it',
			"/* and 'one more' */ const a = 'Two words.';",
			"const b = /not 'a text' here/.test(a);",
			// biome-ignore lint/suspicious/noTemplateCurlyInString: the text is code with a template in it.
			'const c = `${count(n, "layer")} of ${name} ${n === 1 ? "is" : "are"} right: ${`see ${file} again`}.`;',
			"h('div', { class: 'bnl-row bnl-open' });",
		].join('\n');
		assert.deepEqual(messagesOf(source), [
			'Two words.',
			'3 of features.1 is|are right: model.onnx.',
			'see model.onnx again',
		]);
	});

	it('are whole: the catalogs, the page, the terminal and errors are among them', () => {
		const table = messageTable();
		for (const text of [
			'  Negative running variance',
			'  Over which axes does it normalize?',
			'  No layer matches the filter.',
			'  ‹command› needs a model file.',
		]) {
			assert.ok(table.includes(`${text}\n`), text);
		}
		assert.doesNotMatch(table, /\bcolour|\bnormalis|\bcentre\b/);
	});
});
