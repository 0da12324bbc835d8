import { rangeOf } from '../numbers/arrays.js';

const INFINITIES = new Map<number, string>([
	[Number.POSITIVE_INFINITY, 'infinity'],
	[Number.NEGATIVE_INFINITY, '-infinity'],
]);

/** Returns "NaN", "infinity" or "-infinity", or undefined for a finite number. */
export function nonFiniteName(value: number): string | undefined {
	return Number.isNaN(value) ? 'NaN' : INFINITIES.get(value);
}

/** Formats a number with `digits` significant digits, without trailing zeros. Uses powers of ten outside [1e-4, 1e6). */
export function formatNumber(value: number, digits = 4): string {
	const name = nonFiniteName(value);
	if (name !== undefined) {
		return name;
	}
	const rounded = Number(value.toPrecision(digits));
	const magnitude = Math.abs(rounded);
	if (rounded === 0) {
		return '0';
	}
	if (magnitude >= 1e-4 && magnitude < 1e6) {
		return String(rounded);
	}
	// Rounding up may exceed the largest float64.
	return Number.isFinite(rounded) ? exponential(rounded) : exponential(value, digits - 1);
}

/**
 * Formats a number for a sentence: three significant digits, and all digits of an integer below a million, so that counts
 * stay exact. "0.0012", "386", "12544", "2.78e-5".
 */
export function shortNumber(value: number): string {
	return formatNumber(value, Number.isInteger(value) && Math.abs(value) < 1e6 ? 6 : 3);
}

/** Digits that distinguish any two float32 numbers. */
const FLOAT32_DIGITS = 9;

/** Formats with the fewest digits that give the same float32 number: "1e-5", "0.001", "1.001e-5". */
export function float32Number(value: number): string {
	for (let digits = 1; digits < FLOAT32_DIGITS; digits++) {
		if (Math.fround(Number(value.toPrecision(digits))) === Math.fround(value)) {
			return formatNumber(value, digits);
		}
	}
	return formatNumber(value, FLOAT32_DIGITS);
}

/** Formats as a power of ten with `digits` decimals, by default as many as the number needs. */
export function exponential(value: number, digits?: number): string {
	return value.toExponential(digits).replace('e+', 'e');
}

/** Formats the smallest and the largest value, "-0.12 to 3.4", and counts the values that are not finite. */
export function formatRange(values: ArrayLike<number>): string {
	const { min, max, nonFinite } = rangeOf(values);
	const range = Number.isNaN(min)
		? ''
		: min === max
			? formatNumber(min)
			: `${formatNumber(min)} to ${formatNumber(max)}`;
	return [range, nonFinite > 0 ? `${nonFinite} not finite` : ''].filter((part) => part !== '').join(', ');
}

/**
 * Formatter for all calls. toLocaleString makes its own in each call, which costs more than the rest of a table's row.
 */
const INTEGERS = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });

/** Formats an integer with thousands separators: "12,544". */
export function formatInteger(value: number): string {
	return Number.isFinite(value) ? INTEGERS.format(value) : formatNumber(value);
}

/** Formats a size in decimal units, as file managers do: 14.0 MB is 14,000,000 bytes. */
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

/** Formats a duration given in ms: "85 ms", "1.6 s". */
export function formatMilliseconds(milliseconds: number): string {
	return milliseconds < 1000 ? `${Math.round(milliseconds)} ms` : `${(milliseconds / 1000).toFixed(1)} s`;
}

/**
 * Returns a format for a whole column, so that decimal points align. The largest magnitude gets about five digits. A
 * value that the format would round to 0 is written as a power of ten.
 */
export function columnFormatter(values: ArrayLike<number>): (value: number) => string {
	const { min, max } = rangeOf(values);
	const largest = Number.isNaN(min) ? 0 : Math.max(Math.abs(min), Math.abs(max));
	if (largest !== 0 && (largest < 1e-3 || largest >= 1e6)) {
		return (value) => nonFiniteName(value) ?? (value === 0 ? '0' : exponential(value, 2));
	}
	const decimals = Math.min(5, Math.max(0, 4 - Math.floor(Math.log10(largest || 1))));
	const smallest = 0.5 * 10 ** -decimals;
	return (value) =>
		nonFiniteName(value) ??
		(value !== 0 && Math.abs(value) < smallest ? exponential(value, 1) : value.toFixed(decimals));
}

/** Formats a share with two significant digits: "16 %", "0.31 %", "160 %". */
export function formatPercent(share: number): string {
	return `${formatNumber(100 * share, 2)} %`;
}

/** Formats a ratio to a limit, short: "28 %", "<1 %", or above the limit "3.2 times". */
export function formatRatio(ratio: number): string {
	if (!Number.isFinite(ratio) || ratio >= 1.005) {
		return `${ratio < 100 ? formatNumber(ratio, 2) : formatInteger(Number(ratio.toPrecision(2)))} times`;
	}
	const percent = Math.round(ratio * 100);
	return percent < 1 && ratio > 0 ? '<1 %' : `${percent} %`;
}

/** Formats a ratio for the words that name the limit: "28 % of", "3.2 times". */
export function ratioOf(ratio: number): string {
	const text = formatRatio(ratio);
	return text.endsWith('%') ? `${text} of` : text;
}
