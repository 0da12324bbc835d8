/** Numbers as people read them. ASCII minus signs throughout, so that a copied number pastes into code. */

const NAMES = new Map<number, string>([
	[Number.POSITIVE_INFINITY, 'infinity'],
	[Number.NEGATIVE_INFINITY, '-infinity'],
]);

/** "NaN", "infinity" or "-infinity", undefined for a finite number. */
export function nonFiniteName(value: number): string | undefined {
	return Number.isNaN(value) ? 'NaN' : NAMES.get(value);
}

/** `digits` significant digits without trailing zeros; powers of ten outside [1e-4, 1e6). */
export function formatNumber(value: number, digits = 4): string {
	const name = nonFiniteName(value);
	if (name !== undefined) {
		return name;
	}
	const rounded = Number(value.toPrecision(digits));
	const size = Math.abs(rounded);
	if (rounded === 0) {
		return '0';
	}
	if (size >= 1e-4 && size < 1e6) {
		return String(rounded);
	}
	// Rounding up may have left the range of numbers.
	return Number.isFinite(rounded) ? rounded.toExponential() : value.toExponential(digits - 1);
}

/** toLocaleString would make one of these on every call, which costs more than all else in a table's row. */
const INTEGERS = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });

export function formatInteger(value: number): string {
	return Number.isFinite(value) ? INTEGERS.format(value) : formatNumber(value);
}

/** Decimal units as file managers show them: 14.0 MB is 14,000,000 bytes. */
export function formatBytes(bytes: number): string {
	const units = ['bytes', 'kB', 'MB', 'GB', 'TB'];
	let value = bytes;
	let unit = 0;
	while (value >= 999.95 && unit < units.length - 1) {
		value /= 1000;
		unit++;
	}
	return unit === 0
		? `${formatInteger(value)} ${bytes === 1 ? 'byte' : 'bytes'}`
		: `${value.toFixed(1)} ${units[unit]}`;
}

export function formatMilliseconds(milliseconds: number): string {
	return milliseconds < 1000 ? `${Math.round(milliseconds)} ms` : `${(milliseconds / 1000).toFixed(1)} s`;
}

/**
 * One format for a whole column, so that decimal points line up under tabular figures: the largest magnitude gets about
 * five digits. What that would round away entirely is written as a power of ten instead.
 */
export function columnFormatter(values: ArrayLike<number>): (value: number) => string {
	let largest = 0;
	for (let i = 0; i < values.length; i++) {
		const size = Math.abs(values[i] ?? 0);
		if (Number.isFinite(size) && size > largest) {
			largest = size;
		}
	}
	if (largest !== 0 && (largest < 1e-3 || largest >= 1e6)) {
		return (value) => nonFiniteName(value) ?? (value === 0 ? '0' : value.toExponential(2));
	}
	const decimals = Math.min(5, Math.max(0, 4 - Math.floor(Math.log10(largest || 1))));
	const smallest = 0.5 * 10 ** -decimals;
	return (value) =>
		nonFiniteName(value) ??
		(value !== 0 && Math.abs(value) < smallest ? value.toExponential(1) : value.toFixed(decimals));
}

export interface Range {
	readonly min: number;
	readonly max: number;
	/** Values that are NaN or infinite; they take no part in min and max. */
	readonly nonFinite: number;
}

/** Smallest and largest finite value; NaN for both when there is none. */
export function rangeOf(values: ArrayLike<number>): Range {
	let min = Number.POSITIVE_INFINITY;
	let max = Number.NEGATIVE_INFINITY;
	let nonFinite = 0;
	for (let i = 0; i < values.length; i++) {
		const value = values[i] ?? Number.NaN;
		if (!Number.isFinite(value)) {
			nonFinite++;
			continue;
		}
		min = Math.min(value, min);
		max = Math.max(value, max);
	}
	return min > max ? { min: Number.NaN, max: Number.NaN, nonFinite } : { min, max, nonFinite };
}

/** Shortens the middle: the ends of a layer's name tell more than its middle. */
export function shorten(text: string, length: number): string {
	if (text.length <= length) {
		return text;
	}
	const head = Math.ceil((length - 1) / 2);
	return `${text.slice(0, head)}…${text.slice(text.length - (length - 1 - head))}`;
}

/** Last segment of a POSIX or Windows path. */
export function baseName(path: string): string {
	return path.slice(Math.max(path.lastIndexOf('/'), path.lastIndexOf('\\')) + 1) || path;
}

/**
 * Characters that would reorder, hide or break a line of text are shown as visible escapes: a name must not be able to
 * make the text around it lie.
 */
export function visibleText(text: string): string {
	return text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, (character) => {
		const code = (character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0');
		return `\\u{${code}}`;
	});
}
