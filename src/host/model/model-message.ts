import { parseRunChoices } from '../../core/report/run-choices.js';
import type { WebviewToHost } from '../../protocol/host-webview.js';
import type { PageToHost } from '../../protocol/page.js';
import { asRecord, isText } from '../shared/page-message.js';

/** Messages that only the page of a model sends. */
export type ModelPageMessage = Exclude<WebviewToHost, PageToHost>;

/**
 * Parses a message that only the page of a model sends.
 * @returns undefined for every other value.
 */
export function parseModelMessage(value: unknown): ModelPageMessage | undefined {
	const message = asRecord(value);
	switch (message.type) {
		case 'manage-trust':
		case 'compare':
		case 'reestimate':
		case 'inference':
			return { type: message.type };
		case 'run':
			return parseRun(message);
		case 'choose-files':
			return parseChooseFiles(message);
		case 'layer-chosen':
			return parseLayerChosen(message);
		default:
			return undefined;
	}
}

function parseRun({ choices }: Record<string, unknown>): ModelPageMessage | undefined {
	if (choices === undefined) {
		return { type: 'run' };
	}
	const parsed = parseRunChoices(choices);
	return parsed && { type: 'run', choices: parsed };
}

function parseChooseFiles({ input, from }: Record<string, unknown>): ModelPageMessage | undefined {
	const known = from === 'files' || from === 'folder' || from === 'random';
	return known && isText(input) ? { type: 'choose-files', input, from } : undefined;
}

function parseLayerChosen({ index }: Record<string, unknown>): ModelPageMessage | undefined {
	const known = index === null || (typeof index === 'number' && Number.isSafeInteger(index) && index >= 0);
	return known ? { type: 'layer-chosen', index } : undefined;
}
