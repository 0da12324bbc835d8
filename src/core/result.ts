/** A value, or the reason why there is none: a clause for users that follows "because" or ends a sentence. */
export type Result<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly reason: string };

/** Returns a result that holds `value`. */
export function success<T>(value: T): Result<T> {
	return { ok: true, value };
}

/** Returns a result without a value. `reason`: a clause for users, without a full stop. */
export function failure<T = never>(reason: string): Result<T> {
	return { ok: false, reason };
}
