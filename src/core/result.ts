/** A value, or the reason why there is none. */
export type Result<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly reason: string };

/** Returns a result that holds `value`. */
export function success<T>(value: T): Result<T> {
	return { ok: true, value };
}

/** Returns a result without a value. `reason`: words for users; the function that returns the result says whether it is a sentence. */
export function failure<T = never>(reason: string): Result<T> {
	return { ok: false, reason };
}
