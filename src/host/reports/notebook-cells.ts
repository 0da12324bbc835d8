import { visible } from '../../core/text/names.js';

/** Source of the layers in a cell. The file media/cells/KIND.py holds the cell. */
export type CellKind = 'pytorch' | 'keras' | 'onnx' | 'compare' | 'reestimate';

export const CELL_KINDS: readonly CellKind[] = ['pytorch', 'keras', 'onnx', 'compare', 'reestimate'];

/** Placeholder of the path in the cells of media/cells. */
const PLACEHOLDER = '"model.onnx"';

/** Returns the cell with a model's path in place of the placeholder. */
export function withModelPath(cell: string, path: string): string {
	return cell.replace(PLACEHOLDER, () => pythonString(path));
}

/** Placeholder of the command line in media/cells. */
const PROGRAM = '["batchnorm-lens"]';

/** Returns the cell with program and arguments in place of the placeholder. */
export function withProgram(cell: string, command: readonly string[]): string {
	return cell.replace(PROGRAM, () => `[${command.map(pythonString).join(', ')}]`);
}

/**
 * Returns a Python string literal; JSON's escapes are a subset of Python's. Also escapes characters that make a line
 * look different from its content ("Trojan Source", CVE-2021-42574).
 */
function pythonString(text: string): string {
	return visible(JSON.stringify(text)).replace(
		/\\u\{([0-9a-f]+)\}/g,
		(_, code: string) => `\\U${code.padStart(8, '0')}`,
	);
}

/**
 * Returns the path for use in a notebook. It is relative to the notebook's folder, with slashes, if that path is valid
 * on other machines, too.
 * @param relative Path from the notebook's folder to the file, in the style of this platform; undefined for an unsaved
 * notebook and one on another file system.
 */
export function pathInNotebook(absolute: string, relative: string | undefined): string {
	const slashed = relative?.replaceAll('\\', '/');
	const leaves = slashed === undefined || slashed.startsWith('../../') || /^(?:[a-z]:|\/)/i.test(slashed);
	return leaves ? absolute : slashed;
}
