import type { ComparisonToHost } from '../../protocol/host-comparison.js';
import type { PageToHost } from '../../protocol/page.js';
import { asRecord } from '../shared/page-message.js';

/** Messages that only the page of a comparison sends. */
export type ComparisonPageMessage = Exclude<ComparisonToHost, PageToHost>;

/**
 * Parses a message that only the page of a comparison sends.
 * @returns undefined for every other value.
 */
export function parseComparisonMessage(value: unknown): ComparisonPageMessage | undefined {
	const { type, order } = asRecord(value);
	if (type === 'repair') {
		return { type };
	}
	return type === 'compare' && (order === 'same' || order === 'swapped') ? { type, order } : undefined;
}
