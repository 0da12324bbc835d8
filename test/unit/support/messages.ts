import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { root } from '../../workbench/paths.mjs';

/** Sample values for the placeholders of a template, by words in the placeholder's expression. The first match counts. */
const SAMPLES: readonly (readonly [RegExp, string])[] = [
	[/^(?:count|formatInteger)\(|\.length$/, '3'],
	[/reason|message|sentence|evidence|why|remark/i, 'The reason.'],
	[/shape|dims/i, '[1, 3, 8, 8]'],
	[/path|file|folder|model\b|title/i, 'model.onnx'],
	[/percent|share|ratio|confidence/i, '28 %'],
	[/Milliseconds|time/i, '85 ms'],
	[/error|bound|residual|formatNumber|shortNumber|short\(|epsilon|value|range/i, '0.0012'],
	[/names?\b|layer\b|node\b|input\b|label|op\b|text|words?\b|into\b|visible/i, 'features.1'],
	[/count|length|\bn\b|number|total|size|index|formatInteger|channels?\b|layers\b|bytes|rows|position/i, '3'],
];

/** Returns all texts with at least two words of the product's sources and manifest, by file, sorted by file. */
export function messageTable(): string {
	const files = readdirSync(path.join(root, 'src'), { recursive: true, encoding: 'utf8' })
		.filter((file) => file.endsWith('.ts') && !file.includes('assembly'))
		.map((file) => file.split(path.sep).join('/'))
		.sort();
	const blocks = files.map((file) => ({
		title: `src/${file}`,
		messages: messagesOf(readFileSync(path.join(root, 'src', file), 'utf8')),
	}));
	const { contributes } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'));
	blocks.push({ title: 'package.json', messages: stringsIn(contributes).filter(isMessage) });
	return `${blocks
		.filter(({ messages }) => messages.length > 0)
		.map(({ title, messages }) => [title, ...messages.map((message) => `  ${oneLine(message)}`)].join('\n'))
		.join('\n\n')}\n`;
}

const oneLine = (text: string): string => text.replace(/\n/g, '\\n').replace(/\u00a0/g, ' ');

function stringsIn(value: unknown): string[] {
	return typeof value === 'string'
		? [value]
		: typeof value === 'object' && value !== null
			? Object.values(value).flatMap(stringsIn)
			: [];
}

/** Returns the texts of a source file in their order, templates with sample values, each once. */
export function messagesOf(source: string): string[] {
	return [...new Set(literals(source).filter(isMessage))];
}

/** True for a text with two words that people read; false for names of classes, selectors, paths and code. */
function isMessage(text: string): boolean {
	return (
		/[A-Za-z’']{2,}[,:;.)]? [(“"‘]?[A-Za-z0-9‹$]/.test(text) &&
		!/bnl-|^[.#[\w-]+ ?[>{[]|default-src|^(?:https?|use strict)\b|=>|\bvar\(--|^\d+px/.test(text)
	);
}

/** Returns the string and template literals of TypeScript code, without comments and regular expressions. */
function literals(source: string): string[] {
	const found: string[] = [];
	let at = 0;
	while (at < source.length) {
		const rest = source.slice(at, at + 2);
		if (rest === '//') {
			at = endOf(source, '\n', at);
		} else if (rest === '/*') {
			at = endOf(source, '*/', at + 2);
		} else if (source[at] === "'" || source[at] === '"') {
			const end = endOfString(source, at);
			found.push(withoutEscapes(source.slice(at + 1, end)));
			at = end + 1;
		} else if (source[at] === '`') {
			const template = readTemplate(source, at);
			found.push(template.text);
			found.push(...template.inner);
			at = template.end;
		} else if (source[at] === '/' && /[(,=:[!&|?{};\n]\s*$|\breturn\s+$/.test(source.slice(Math.max(0, at - 20), at))) {
			at = endOfExpression(source, at);
		} else {
			at++;
		}
	}
	return found;
}

function endOf(source: string, mark: string, from: number): number {
	const end = source.indexOf(mark, from);
	return end < 0 ? source.length : end + mark.length;
}

function endOfString(source: string, start: number): number {
	let at = start + 1;
	while (at < source.length && source[at] !== source[start]) {
		at += source[at] === '\\' ? 2 : 1;
	}
	return at;
}

/** Returns the end of a regular expression that begins at `start`. */
function endOfExpression(source: string, start: number): number {
	let isClass = false;
	let at = start + 1;
	while (at < source.length && (source[at] !== '/' || isClass) && source[at] !== '\n') {
		isClass = source[at] === '[' || (isClass && source[at] !== ']');
		at += source[at] === '\\' ? 2 : 1;
	}
	return at + 1;
}

interface Template {
	readonly text: string;
	/** Texts of literals inside the placeholders. */
	readonly inner: readonly string[];
	/** Index behind the closing backtick. */
	readonly end: number;
}

function readTemplate(source: string, start: number): Template {
	let text = '';
	let at = start + 1;
	const inner: string[] = [];
	while (at < source.length && source[at] !== '`') {
		if (source[at] === '\\') {
			text += source.slice(at, at + 2);
			at += 2;
		} else if (source.startsWith('${', at)) {
			const end = endOfPlaceholder(source, at + 2);
			const expression = source.slice(at + 2, end);
			inner.push(...literals(expression));
			text += sample(expression);
			at = end + 1;
		} else {
			text += source[at];
			at++;
		}
	}
	return { text: withoutEscapes(text), inner, end: at + 1 };
}

function endOfPlaceholder(source: string, start: number): number {
	let depth = 0;
	let at = start;
	while (at < source.length && (source[at] !== '}' || depth > 0)) {
		if (source[at] === '`') {
			at = readTemplate(source, at).end;
			continue;
		}
		if (source[at] === "'" || source[at] === '"') {
			at = endOfString(source, at) + 1;
			continue;
		}
		depth += source[at] === '{' ? 1 : source[at] === '}' ? -1 : 0;
		at++;
	}
	return at;
}

/** Returns both words of a choice, "is|are", or a sample value for an expression. */
function sample(expression: string): string {
	const choice = /\?\s*(['"`])([^'"`]*)\1\s*:\s*(['"`])([^'"`]*)\3\s*\)?$/.exec(expression);
	if (choice) {
		return [choice[2], choice[4]].join('|');
	}
	return SAMPLES.find(([words]) => words.test(expression))?.[1] ?? `‹${expression.replace(/\s+/g, ' ').slice(0, 24)}›`;
}

function withoutEscapes(text: string): string {
	return text
		.replace(/\\u([0-9a-fA-F]{4})/g, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)))
		.replace(/\\n/g, '\n')
		.replace(/\\(.)/g, '$1');
}
