import { visible } from '../../core/text/names.js';

/** Where a cell gets the layers from; media/cells has the cell of each, NAME.py. */
export type CellKind = 'pytorch' | 'keras' | 'onnx';

export const CELL_KINDS: readonly CellKind[] = ['pytorch', 'keras', 'onnx'];

/** What stands in media/cells/onnx.py for the path. */
const PLACEHOLDER = '"model.onnx"';

/** The cell with the path of a model in it. */
export function withModelPath(cell: string, path: string): string {
	return cell.replace(PLACEHOLDER, () => pythonString(path));
}

/**
 * JSON's escapes are a subset of Python's. Characters that would make the line look like another one are escaped, too
 * ("Trojan Source", CVE-2021-42574).
 */
function pythonString(text: string): string {
	return visible(JSON.stringify(text)).replace(
		/\\u\{([0-9a-f]+)\}/g,
		(_, code: string) => `\\U${code.padStart(8, '0')}`,
	);
}

/**
 * How a notebook names a file: relative to its folder, with slashes, where that means the same on another machine.
 * @param relative the path from the notebook's folder to the file, in the style of this platform; undefined: the
 * notebook was never saved, or is elsewhere.
 */
export function pathInNotebook(absolute: string, relative: string | undefined): string {
	const slashed = relative?.replaceAll('\\', '/');
	const leaves = slashed === undefined || slashed.startsWith('../../') || /^(?:[a-z]:|\/)/i.test(slashed);
	return leaves ? absolute : slashed;
}
