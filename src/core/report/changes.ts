import type { LayerReport, Report } from './types.js';

/** Difference between two reports with the same layers, to be sent in place of the whole report. */
export interface ReportChanges {
	/** Everything beside the layers; absent if unchanged. */
	readonly rest?: Omit<Report, 'layers'>;
	readonly layers: readonly LayerChange[];
}

interface LayerChange {
	/** Layer index in the report. */
	readonly index: number;
	/** Fields that are new or have other values. */
	readonly fields: Partial<LayerReport>;
	/** Names of fields that the layer no longer has. */
	readonly removed: readonly string[];
}

/** Returns the changes that make `after` of `before`; undefined if the reports do not have the same layers. */
export function reportChanges(before: Report, after: Report): ReportChanges | undefined {
	const isSame =
		before.layers.length === after.layers.length &&
		before.layers.every(({ name }, index) => name === after.layers[index].name);
	if (!isSame) {
		return undefined;
	}
	const { layers: layersBefore, ...restBefore } = before;
	const { layers, ...rest } = after;
	return {
		...(!isEqual(restBefore, rest) && { rest }),
		layers: layers.flatMap((layer, index) => layerChange(layersBefore[index], layer, index) ?? []),
	};
}

/** Returns the report with the changes. Shares all unchanged parts. @param changes from a report like this one */
export function applyChanges(report: Report, { rest, layers: changes }: ReportChanges): Report {
	const layers = [...report.layers];
	for (const { index, fields, removed } of changes) {
		const kept = Object.entries(layers[index]).filter(([name]) => !removed.includes(name));
		layers[index] = { ...(Object.fromEntries(kept) as unknown as LayerReport), ...fields };
	}
	return { ...(rest ?? report), layers };
}

function layerChange(before: LayerReport, after: LayerReport, index: number): LayerChange | undefined {
	if (before === after) {
		return undefined;
	}
	const old = new Map<string, unknown>(Object.entries(before));
	const fields = Object.entries(after).filter(([name, value]) => !(old.has(name) && isEqual(old.get(name), value)));
	const removed = [...old.keys()].filter((name) => !(name in after));
	return fields.length + removed.length > 0 ? { index, fields: Object.fromEntries(fields), removed } : undefined;
}

/** Compares JSON-like values with Float64Arrays. NaN equals NaN, and 0 differs from -0. */
function isEqual(a: unknown, b: unknown): boolean {
	if (Object.is(a, b)) {
		return true;
	}
	if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) {
		return false;
	}
	if (a instanceof Float64Array || b instanceof Float64Array) {
		return a instanceof Float64Array && b instanceof Float64Array && equalNumbers(a, b);
	}
	const [left, right] = [a as Record<string, unknown>, b as Record<string, unknown>];
	const names = Object.keys(left);
	return (
		Array.isArray(a) === Array.isArray(b) &&
		names.length === Object.keys(right).length &&
		names.every((name) => Object.hasOwn(right, name) && isEqual(left[name], right[name]))
	);
}

function equalNumbers(a: Float64Array, b: Float64Array): boolean {
	return a.length === b.length && a.every((value, index) => Object.is(value, b[index]));
}
