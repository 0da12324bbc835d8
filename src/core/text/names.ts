/**
 * Replaces every invisible character by an escape: control characters (terminal escapes, newlines), direction marks,
 * invisible characters and lone surrogates. They become `\uXXXX`, or `\u{XXXXX}` above U+FFFF. The result is a single
 * line, safe for a terminal, and XML can hold it.
 */
export function visible(text: string): string {
	return text.replace(/[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029\ufffe\uffff]/gu, (character) => {
		const code = (character.codePointAt(0) ?? 0).toString(16).padStart(4, '0');
		return code.length > 4 ? `\\u{${code}}` : `\\u${code}`;
	});
}

/**
 * Makes a text safe for messages and lists of VS Code. VS Code turns `[text](command:id)` into a link that runs a
 * command, and `$(name)` into an icon. Also makes every character visible.
 */
export function inert(text: string): string {
	return visible(text).replace(/(?<=[\]$])\(/g, ' (');
}

/** Share of a shortened text that its end keeps. The end of a layer's name distinguishes it better than the beginning. */
const TAIL_SHARE = 0.6;

/** Shortens a text to `length` UTF-16 units by cutting its middle. */
export function shorten(text: string, length: number): string {
	if (text.length <= length) {
		return text;
	}
	const tail = Math.ceil((length - 1) * TAIL_SHARE);
	return `${text.slice(0, length - 1 - tail)}…${text.slice(text.length - tail)}`;
}

/** Returns a layer's name without the operator type that exporters append: "/bn1/BatchNormalization" is "/bn1". */
export function shortLayerName(name: string): string {
	return name.replace(/(?<=.)\/BatchNormalization$/, '');
}

/** Returns the last segment of a POSIX or Windows path. */
export function baseName(path: string): string {
	return path.slice(Math.max(path.lastIndexOf('/'), path.lastIndexOf('\\')) + 1) || path;
}

const ENTITIES: Readonly<Record<string, string>> = {
	'&': '&amp;',
	'<': '&lt;',
	'>': '&gt;',
	'"': '&quot;',
	"'": '&#39;',
};

/** Escapes content and quoted attributes of HTML and XML. */
export function escapeMarkup(text: string): string {
	return text.replace(/[&<>"']/g, (character) => ENTITIES[character] ?? character);
}

/** Returns a layer's name for a sentence: a module of a checkpoint may be called "4", which reads like a number of layers. */
export function nameInSentence(name: string): string {
	return /\p{L}/u.test(name) ? name : `layer "${name}"`;
}
