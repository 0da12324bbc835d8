/** Segments that wrappers put in front of every name: DataParallel, torch.compile, Lightning, and usual attribute names. */
const WRAPPERS = new Set(['module', '_orig_mod', 'model', 'net', 'network', 'backbone', '_model', 'ema', 'state_dict']);

const ZERO = 0x30;
const NINE = 0x39;

/**
 * Orders names as people number modules: "2.bn" before "10.bn", "layer1.9" before "layer1.10".
 * @returns a negative number if `a` comes first
 */
export function compareNames(a: string, b: string): number {
	let i = 0;
	let j = 0;
	while (i < a.length && j < b.length) {
		const x = a.charCodeAt(i);
		const y = b.charCodeAt(j);
		if (isDigit(x) && isDigit(y)) {
			const endA = endOfDigits(a, i);
			const endB = endOfDigits(b, j);
			const difference = compareDigits(a.slice(i, endA), b.slice(j, endB));
			if (difference !== 0) {
				return difference;
			}
			i = endA;
			j = endB;
		} else if (x !== y) {
			return rank(x) - rank(y);
		} else {
			i++;
			j++;
		}
	}
	return a.length - i - (b.length - j);
}

/**
 * Splits "layer1.0.bn1.weight" into module "layer1.0.bn1" and leaf "weight", and Keras' "bn1/gamma" into "bn1" and
 * "gamma". The module is '' for a name without a separator.
 */
export function splitName(name: string): { readonly module: string; readonly leaf: string } {
	const end = Math.max(name.lastIndexOf('.'), name.lastIndexOf('/'));
	return { module: name.slice(0, Math.max(end, 0)), leaf: name.slice(end + 1) };
}

/** Returns the longest run of known wrappers that all names begin with, for example "module."; '' if there is none. */
export function commonPrefix(names: readonly string[]): string {
	const [first = ''] = names;
	let prefix = '';
	for (const segment of first.split('.').slice(0, -1)) {
		const longer = `${prefix}${segment}.`;
		if (!WRAPPERS.has(segment) || !names.every((name) => name.startsWith(longer))) {
			break;
		}
		prefix = longer;
	}
	return prefix;
}

/**
 * Rates by names how likely an operator is the neighbor of a layer. 0 for "conv1" and "bn1", or "0" and "1", in the
 * same parent; 1 for the same parent; 2 otherwise.
 */
export function nameDistance(operator: string, layer: string): number {
	const a = splitName(operator);
	const b = splitName(layer);
	if (a.module !== b.module) {
		return 2;
	}
	const numeric = /^\d+$/;
	if (numeric.test(a.leaf) && numeric.test(b.leaf)) {
		return Number(b.leaf) === Number(a.leaf) + 1 ? 0 : 1;
	}
	return trailingDigits(a.leaf) === trailingDigits(b.leaf) ? 0 : 1;
}

function trailingDigits(text: string): string {
	return /\d*$/.exec(text)?.[0] ?? '';
}

function isDigit(code: number): boolean {
	return code >= ZERO && code <= NINE;
}

function endOfDigits(text: string, start: number): number {
	let end = start;
	while (end < text.length && isDigit(text.charCodeAt(end))) {
		end++;
	}
	return end;
}

/** Compares numbers of any length without converting them. */
function compareDigits(a: string, b: string): number {
	const x = a.replace(/^0+(?=\d)/, '');
	const y = b.replace(/^0+(?=\d)/, '');
	return x.length - y.length || (x < y ? -1 : x > y ? 1 : 0);
}

/** Sorts "a.b" before "a2": the parts of a module come before modules with longer names. */
function rank(code: number): number {
	return code === 0x2e ? -1 : code;
}
