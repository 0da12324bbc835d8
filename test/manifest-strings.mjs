/** Properties of a manifest with text for users. */
const SHOWN = new Set([
	...[
		'title',
		'displayName',
		'description',
		'markdownDescription',
		'category',
		'name',
		'label',
		'contents',
		'userDescription',
	],
	...['enumDescriptions', 'markdownEnumDescriptions', 'enumItemLabels'],
]);
/** Sections with such properties. */
const SECTIONS = ['displayName', 'description', 'capabilities', 'contributes'];

/**
 * Takes the texts out of a manifest, in VS Code's form for translation. package.json then holds "%key%",
 * package.nls.json the English text, and files such as package.nls.de.json the translations. Keys are paths, such as
 * contributes.commands.batchnormLens.run.title, which do not change when a list is reordered.
 * @param {Record<string, unknown>} manifest
 * @returns {{ manifest: Record<string, unknown>, texts: Record<string, string> }}
 */
export function takeOutTexts(manifest) {
	/** @type {Record<string, string>} */
	const texts = {};
	/** @type {(value: unknown, path: readonly string[], shown: boolean) => unknown} */
	const visit = (value, path, shown) => {
		if (typeof value === 'string' && shown) {
			const key = path.join('.');
			texts[key] = value;
			return `%${key}%`;
		}
		if (Array.isArray(value)) {
			return value.map((item, index) => visit(item, [...path, nameOf(item) ?? String(index)], shown));
		}
		if (typeof value !== 'object' || value === null) {
			return value;
		}
		const entries = Object.entries(value).map(([key, item]) => {
			return [key, visit(item, [...path, key], SHOWN.has(key) && !(key === 'name' && 'modelDescription' in value))];
		});
		return Object.fromEntries(entries);
	};
	const entries = Object.entries(manifest).map(([key, value]) => [
		key,
		SECTIONS.includes(key) ? visit(value, [key], SHOWN.has(key)) : value,
	]);
	return { manifest: Object.fromEntries(entries), texts };
}

/**
 * Returns a key of a list's item that does not depend on its place.
 * @param {unknown} item
 */
function nameOf(item) {
	const { command, id, viewType, toolReferenceName } = /** @type {Record<string, unknown>} */ (item ?? {});
	return [command, id, viewType, toolReferenceName].find((name) => typeof name === 'string');
}
