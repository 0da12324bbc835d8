import type { ComparisonToHost } from '../../protocol/host-comparison.js';
import { parseWebviewMessage } from '../model/webview-message.js';

/**
 * Checks what the page of a comparison sent; see webview-message.ts for why.
 * @returns undefined for anything that is not a message of the protocol.
 */
export function parseComparisonMessage(value: unknown): ComparisonToHost | undefined {
	if (typeof value !== 'object' || value === null) {
		return undefined;
	}
	const { type, order } = value as Record<string, unknown>;
	if (type === 'compare') {
		return order === 'same' || order === 'swapped' ? { type, order } : undefined;
	}
	// What both pages send has one form.
	const message = parseWebviewMessage(value);
	switch (message?.type) {
		case 'ready':
		case 'cancel':
		case 'get-plotly':
		case 'show-log':
		case 'error':
		case 'save-image':
			return message;
		case 'mark':
			return message.name === 'verdicts' ? undefined : { ...message, name: message.name };
		default:
			return undefined;
	}
}
