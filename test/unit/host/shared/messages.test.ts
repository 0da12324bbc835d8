/** Names of layers and files are text in VS Code's own surface, never a command link or an icon. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { inert } from '../../../../src/core/text/names.js';
import { root } from '../../../workbench/paths.mjs';
import { HOSTILE_NAMES } from '../../support/hostile.js';

/** Links in messages, as VS Code's linkedText.ts finds them, but with any address. */
const LINK = /\[[^\]]*\]\([^)]*\)/;
/** Icons in labels, as VS Code's iconLabels.ts finds them. */
const ICON = /\$\([A-Za-z0-9-]+(?:~[A-Za-z]+)?\)/;
const INVISIBLE = /[\p{Cc}\p{Cf}\p{Cs}]/u;

const NAMES = [
	...HOSTILE_NAMES,
	'[Update](command:workbench.action.terminal.new)',
	'[a](command:x "title")',
	'[[a]](command:x)',
	'[a](file:///etc/passwd)',
	'$(error) failed',
	'$(sync~spin)',
	'$$(error)',
	'](command:x)[',
	'\u202egpj.exe[x]\u200b(command:y)',
];

test('a name is neither a link nor an icon, and has no invisible character', () => {
	for (const name of NAMES) {
		const text = inert(name);
		// Names also meet each other and the words around them.
		for (const sentence of [text, `[${text}](${text})`.slice(1), `Not folded: ${text}: ${text}.`]) {
			assert.doesNotMatch(sentence, INVISIBLE, name);
		}
		assert.doesNotMatch(text, LINK, name);
		assert.doesNotMatch(text, ICON, name);
	}
	assert.equal(inert('features.0/conv (1) [3, 4]'), 'features.0/conv (1) [3, 4]');
});

/** Functions of VS Code that render texts with links or icons. */
const RENDERING = [
	...['showErrorMessage', 'showWarningMessage', 'showInformationMessage', 'showQuickPick', 'createQuickPick'],
	...['showInputBox', 'createInputBox', 'withProgress', 'setStatusBarMessage', 'createStatusBarItem'],
	...['MarkdownString', 'createInputBox'],
];

/** The only file that may call them, because it makes every text inert. */
const MESSAGES = path.join('src', 'host', 'shared', 'messages.ts');

function sources(folder: string): string[] {
	return readdirSync(path.join(root, folder), { recursive: true })
		.map((name) => path.join(folder, String(name)))
		.filter((name) => name.endsWith('.ts'));
}

test('every message, list and progress of the extension goes through the functions that make texts inert', () => {
	const files = [...sources(path.join('src', 'host')), path.join('src', 'extension.ts')];
	assert.ok(files.length > 40 && files.includes(MESSAGES));
	for (const file of files) {
		const text = readFileSync(path.join(root, file), 'utf8');
		for (const name of RENDERING) {
			const calls = text.split(new RegExp(`\\b${name}\\b`)).length - 1;
			assert.ok(file === MESSAGES || calls === 0, `${file} calls ${name}: use ${MESSAGES}`);
		}
	}
	const calls = readFileSync(path.join(root, MESSAGES), 'utf8').matchAll(/vscode\.window\.\w+\((.*)/g);
	for (const [line, given] of calls) {
		assert.match(given, /^(?:message, |options, |items\.map\(plainItem\), (?:plainTexts|\{ \.\.\.plainTexts))/, line);
	}
});

test('rows of the tree and of Problems are inert', () => {
	for (const [file, made] of [
		['tree-rows.ts', /\binert\(shorten\(/],
		['problem-list.ts', /\binert\(shorten\(/],
		['tree.ts', /description = document \? inert\(/],
	] as const) {
		const text = readFileSync(path.join(root, 'src', 'host', 'reports', file), 'utf8');
		assert.match(text, made);
		assert.doesNotMatch(text, /\bvisible\(/, file);
	}
});
