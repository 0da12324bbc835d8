/**
 * Decodes untrusted JSON strictly, by small decoders that compose and name the place of a failure. A saved notebook
 * output or a report from another machine ends up in a page, so every value is checked here.
 */
export class ReportError extends Error {
	override readonly name = 'ReportError';
	/** Place in the document, for example `layers[3].parameters.gamma[2]`; '' is the document itself. */
	readonly path: string;

	constructor(path: string, problem: string) {
		super(`${path === '' ? 'The document' : path} ${problem}.`);
		this.path = path;
	}
}

/** Checks the `value` at `path` and returns it typed. @throws {ReportError} */
export type Decoder<T> = (value: unknown, path: string) => T;

/**
 * Maximum length of a text. A message may name several tensors, whose names have up to 65,536 characters (`nameBytes` in
 * core/onnx/limits.ts). Exporters write a few hundred.
 */
export const MAX_TEXT = 1_000_000;
/**
 * Maximum number of elements in an array: above any layer's channels or activations, below a size that would stall a
 * page.
 */
export const MAX_ELEMENTS = 1 << 22;

/** A short form of a wrong value, for messages. */
function shown(value: unknown): string {
	if (Array.isArray(value)) {
		return `an array of ${value.length}`;
	}
	if (typeof value === 'object' && value !== null) {
		return 'an object';
	}
	return typeof value === 'string' ? JSON.stringify(value.slice(0, 40)) : String(value);
}

export function fail(path: string, expected: string, value: unknown): never {
	throw new ReportError(path, `must be ${expected}, not ${shown(value)}`);
}

function join(path: string, key: string): string {
	return path === '' ? key : `${path}.${key}`;
}

export const text: Decoder<string> = (value, path) => {
	if (typeof value !== 'string') {
		return fail(path, 'a text', value);
	}
	if (value.length > MAX_TEXT) {
		throw new ReportError(path, `has ${value.length} characters; at most ${MAX_TEXT} are read`);
	}
	return value;
};

/**
 * Returns a number that is finite, or written as a string that JSON cannot hold otherwise; undefined for other values.
 */
function toNumber(value: unknown): number | undefined {
	if (typeof value === 'number') {
		return value;
	}
	return value === 'NaN' || value === 'Infinity' || value === '-Infinity' ? Number(value) : undefined;
}

export const real: Decoder<number> = (value, path) =>
	toNumber(value) ?? fail(path, 'a number, "NaN", "Infinity" or "-Infinity"', value);

/** A non-negative safe integer. */
export const count: Decoder<number> = (value, path) =>
	Number.isSafeInteger(value) && Number(value) >= 0 ? Number(value) : fail(path, 'a whole number from 0 on', value);

export const integer: Decoder<number> = (value, path) =>
	Number.isSafeInteger(value) ? Number(value) : fail(path, 'a whole number', value);

export function oneOf<T extends string>(...choices: readonly T[]): Decoder<T> {
	return (value, path) =>
		choices.find((choice) => choice === value) ??
		fail(path, choices.map((choice) => JSON.stringify(choice)).join(' or '), value);
}

export function literal<T extends string | number | boolean>(expected: T): Decoder<T> {
	return (value, path) => (value === expected ? expected : fail(path, JSON.stringify(expected), value));
}

export function nullable<T>(decode: Decoder<T>): Decoder<T | null> {
	return (value, path) => (value === null ? null : decode(value, path));
}

export function optional<T>(decode: Decoder<T>): Decoder<T | undefined> {
	return (value, path) => (value === undefined ? undefined : decode(value, path));
}

/** Reason in a document that states none. */
export const NO_REASON = 'The report gives no reason.';

/** Ignores the field. */
export const absent: Decoder<undefined> = () => undefined;

/** Returns the given value for an absent field, which writers of other programs may leave out. */
export function orElse<T>(value: T, decode: Decoder<T>): Decoder<T> {
	return (field, path) => (field === undefined ? value : decode(field, path));
}

function elements(value: unknown, path: string, limit: number): readonly unknown[] {
	if (!Array.isArray(value)) {
		return fail(path, 'an array', value);
	}
	if (value.length > limit) {
		throw new ReportError(path, `has ${value.length} elements; at most ${limit} are read`);
	}
	return value;
}

export function list<T>(decode: Decoder<T>, limit = MAX_ELEMENTS): Decoder<readonly T[]> {
	return (value, path) => elements(value, path, limit).map((element, index) => decode(element, `${path}[${index}]`));
}

/** Per-channel numbers. */
export const values: Decoder<Float64Array> = (value, path) => {
	const source = elements(value, path, MAX_ELEMENTS);
	const result = new Float64Array(source.length);
	for (let index = 0; index < source.length; index++) {
		// The path is put together on failure only: a network has hundreds of thousands of these.
		const element = source[index];
		result[index] = toNumber(element) ?? real(element, `${path}[${index}]`);
	}
	return result;
};

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
	return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Decodes an object with these fields. Ignores other fields, so that a newer writer may add some. */
export function record<T>(fields: { readonly [K in keyof T]-?: Decoder<T[K]> }): Decoder<T> {
	return (value, path) => {
		if (!isObject(value)) {
			return fail(path, 'an object', value);
		}
		const result: Partial<T> = {};
		for (const key in fields) {
			const field = Object.hasOwn(value, key) ? value[key] : undefined;
			const decoded = fields[key](field, join(path, key));
			// An absent field stays absent: reports equal their JSON copies.
			if (decoded !== undefined) {
				result[key] = decoded;
			}
		}
		return result as T;
	};
}

/** Decodes an object by the decoder for its `status`. */
export function byStatus<T extends { readonly status: string }>(
	variants: {
		readonly [S in T['status']]: Decoder<Extract<T, { readonly status: S }>>;
	},
): Decoder<T> {
	const header = record({ status: oneOf(...(Object.keys(variants) as T['status'][])) });
	return (value, path) => variants[header(value, path).status](value, path);
}

/** An object used as a map from any name to T. */
export function dictionary<T>(decode: Decoder<T>, limit: number): Decoder<Readonly<Record<string, T>>> {
	return (value, path) => {
		if (!isObject(value)) {
			return fail(path, 'an object', value);
		}
		const entries = Object.entries(value);
		elements(entries, path, limit);
		return Object.fromEntries(entries.map(([key, element]) => [key, decode(element, join(path, key))]));
	};
}
