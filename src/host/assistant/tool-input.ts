import { isObject } from '../../core/report/decode.js';
import type { DigestOptions } from '../../core/report/export/digest.js';
import { failure, type Result, success } from '../../core/result.js';

/** Input of a tool that a language model calls. VS Code does not check it against the schema of package.json. */
export interface ToolInput extends DigestOptions {
	/** Paths by the names of the schema's properties, each from a workspace folder or absolute. */
	readonly files: readonly string[];
	/** False: the model does not run. */
	readonly run: boolean;
}

const MAX_PATH = 4096;
const MAX_NAME = 2000;
/** Maximum number of layers that an answer describes. */
const MAX_LAYERS = 5;

/**
 * Parses the input of a tool.
 * @param names properties that hold the paths, in the order of `files`
 * @returns the input, or a sentence that names the wrong property
 */
export function parseToolInput(value: unknown, names: readonly string[]): Result<ToolInput> {
	const input = isObject(value) ? value : {};
	const files: string[] = [];
	for (const name of names) {
		const file = input[name];
		if (typeof file !== 'string' || file === '' || file.length > MAX_PATH) {
			return failure(`The input lacks "${name}", the path of a model.`);
		}
		files.push(file);
	}
	const { run = true, layers, offset } = input;
	if (typeof run !== 'boolean') {
		return failure('"run" must be true or false.');
	}
	if (offset !== undefined && !isIndex(offset)) {
		return failure('"offset" must be the index of a layer.');
	}
	const chosen = layers === undefined ? undefined : Array.isArray(layers) ? layers : [layers];
	if (chosen && !(chosen.length > 0 && chosen.length <= MAX_LAYERS && chosen.every(isLayer))) {
		return failure(`"layers" must be 1 to ${MAX_LAYERS} names or indices of layers.`);
	}
	return success({ files, run, ...(chosen && { layers: chosen }), ...(offset !== undefined && { offset }) });
}

function isLayer(value: unknown): value is string | number {
	return isIndex(value) || (typeof value === 'string' && value.length <= MAX_NAME);
}

function isIndex(value: unknown): value is number {
	return Number.isSafeInteger(value) && Number(value) >= 0;
}

/**
 * Returns the paths that a name may mean in a workspace folder. "models/net.onnx" of the folder "app" is also named
 * "app/models/net.onnx", as VS Code shows it in a workspace with several folders.
 */
export function pathsIn(folder: string, name: string): readonly string[] {
	const [first, ...rest] = name.split(/[\\/]/);
	return first === folder && rest.length > 0 ? [name, rest.join('/')] : [name];
}
