import type { Finding } from '../../core/report/types.js';
import { strings } from './strings.js';

/** A finding in two words, for tables and hover labels. Reports of later versions may know more codes. */
export function badge({ code, severity }: Finding): string {
	return (severity === 'info' ? strings.notes[code]?.badge : undefined) ?? strings.badges[code] ?? code;
}

/** What to do about it, or what to make of it. */
export function advice({ code, severity }: Finding): string {
	return (severity === 'info' ? strings.notes[code]?.advice : undefined) ?? strings.advice[code] ?? '';
}

export function badges(findings: readonly Finding[]): string {
	return [...new Set(findings.map(badge))].join(', ');
}
