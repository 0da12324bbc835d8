import { findingWords } from '../../core/report/findings.js';
import type { Finding } from '../../core/report/types.js';

/** Returns the badges of all findings, each once. */
export function badges(findings: readonly Finding[]): string {
	return [...new Set(findings.map((finding) => findingWords(finding).badge))].join(', ');
}
