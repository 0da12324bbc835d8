import { baselineSentence } from '../../core/report/baseline.js';
import {
	type CheckedItem,
	type CheckResult,
	checkAnswer,
	failingFindings,
	statusWord,
} from '../../core/report/export/check-result.js';
import { visible } from '../../core/text/names.js';
import type { FailOn } from '../fail-on.js';
import { type Column, type Destination, formatTable, widthOf, wrap } from './text.js';

const COLUMNS: readonly Column[] = [
	{ title: 'result', align: 'left' },
	{ title: 'model', align: 'left', least: 20 },
];

const INDENT = '  ';

/** Options of {@link renderCheck}. */
export interface CheckRendering {
	readonly failOn: FailOn;
	readonly destination: Destination;
}

/**
 * Renders a check as text: conclusion, table, and the findings of each item that failed or was not judged. Lines fit
 * the destination's width, except for longer words.
 */
export function renderCheck(result: CheckResult, { failOn, destination }: CheckRendering): string {
	const width = widthOf(destination);
	const rows = result.items.map((item) => [statusWord(item.status), itemName(item)]);
	const described = result.items.map((item) => describe(item, failOn, width)).filter((text) => text !== '');
	const parts = [wrap(checkAnswer(result), width), formatTable(COLUMNS, rows, width), ...described];
	return `${parts.join('\n\n')}\n`;
}

function itemName({ model, original }: CheckedItem): string {
	return visible(original === undefined ? model : `${model} against ${original}`);
}

function describe(item: CheckedItem, failOn: FailOn, width: number): string {
	const { status, answer, baseline } = item;
	const lines = [
		...(status === 0 ? [] : [answer]),
		...failingFindings(item, failOn).map(({ severity, code, layer, message }) => {
			return `${severity} ${code}: ${layer === '' ? '' : `${layer}: `}${message}`;
		}),
		...(baseline && baseline.vanished.length > 0 ? [baselineSentence(baseline)] : []),
	];
	const wrapped = lines.map((line) => wrap(visible(line), width, `${INDENT}${INDENT}`, INDENT));
	return lines.length === 0 ? '' : [wrap(itemName(item), width), ...wrapped].join('\n');
}
