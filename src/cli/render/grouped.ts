import { visible } from '../../core/text/names.js';

/** Maximum number of layers of a group that are named. */
const MAX_NAMED = 3;

/** Returns a line per reason: "bn: REASON", or "35 layers (bn1, bn2, bn3 …): REASON". */
export function grouped<T extends { readonly name: string }>(
	layers: readonly T[],
	reasonOf: (layer: T) => string,
): string[] {
	const byReason = new Map<string, string[]>();
	for (const layer of layers) {
		const reason = reasonOf(layer);
		const names = byReason.get(reason) ?? [];
		names.push(visible(layer.name));
		byReason.set(reason, names);
	}
	return Array.from(byReason, ([reason, names]) => {
		const named = names.slice(0, MAX_NAMED).join(', ');
		const more = names.length > MAX_NAMED ? ' …' : '';
		return `${names.length === 1 ? names[0] : `${names.length} layers (${named}${more})`}: ${visible(reason)}`;
	});
}
