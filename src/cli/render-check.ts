import { baselineSentence } from '../core/report/baseline.js';
import {
	type CheckedItem,
	type CheckResult,
	checkAnswer,
	failingFindings,
	statusWord,
} from '../core/report/check-result.js';
import { visible } from '../core/text/names.js';
import type { FailOn } from './fail-on.js';
import { formatTable } from './text.js';

const COLUMNS = [
	{ title: 'result', align: 'left' },
	{ title: 'model', align: 'left' },
] as const;

/** Renders a check as text: conclusion, table, and the findings of each item that failed or was not judged. */
export function renderCheck(result: CheckResult, failOn: FailOn): string {
	const rows = result.items.map((item) => [statusWord(item.status), itemName(item)]);
	const described = result.items.map((item) => describe(item, failOn)).filter((text) => text !== '');
	const parts = [checkAnswer(result), formatTable(COLUMNS, rows), ...described];
	return `${parts.join('\n\n')}\n`;
}

function itemName({ model, original }: CheckedItem): string {
	return visible(original === undefined ? model : `${model} against ${original}`);
}

function describe(item: CheckedItem, failOn: FailOn): string {
	const { status, answer, baseline } = item;
	const lines = [
		...(status === 0 ? [] : [visible(answer)]),
		...failingFindings(item, failOn).map(({ severity, code, layer, message }) => {
			return `${severity} ${code}: ${layer === '' ? '' : `${visible(layer)}: `}${visible(message)}`;
		}),
		...(baseline && baseline.vanished.length > 0 ? [visible(baselineSentence(baseline))] : []),
	];
	return lines.length === 0 ? '' : `${itemName(item)}\n${lines.map((line) => `  ${line}`).join('\n')}`;
}
