import { decodeText } from '../../onnx/text.js';
import type { CheckpointModule } from '../checkpoint.js';
import type { CheckpointLimits } from '../limits.js';
import type { ZipArchive } from '../zip/archive.js';

interface Context {
	readonly archive: ZipArchive;
	/** Folder of all entries, for example "archive/". */
	readonly prefix: string;
	readonly limits: CheckpointLimits;
}

/** Maximum characters of code searched in a file. A class of a real model takes about 1,000. */
const MAX_CODE_BYTES = 2 ** 26;

/** Position of epsilon in torch.batch_norm(input, weight, bias, mean, variance, training, momentum, eps, cudnn). */
const EPSILON_ARGUMENT = 7;

/**
 * Adds epsilon to the settings of BN modules of TorchScript, by searching its source code as text. A scripted class has
 * epsilon as a constant, a traced class as an argument.
 * @param classes class of each module with its package, by the module's name
 */
export async function addScriptEpsilon(
	modules: readonly CheckpointModule[],
	classes: ReadonlyMap<string, string>,
	context: Context,
): Promise<readonly CheckpointModule[]> {
	const known = new Map<string, number | undefined>();
	let codeBytes = 0;
	const result: CheckpointModule[] = [];
	for (const module of modules) {
		const type = classes.get(module.name) ?? '';
		if (!module.className.includes('BatchNorm')) {
			result.push(module);
			continue;
		}
		if (!known.has(type) && codeBytes < MAX_CODE_BYTES) {
			const code = await readCode(type, context);
			codeBytes += code.length;
			known.set(type, findEpsilon(code, type));
		}
		const epsilon = known.get(type);
		const settings = epsilon === undefined ? module.settings : new Map([...module.settings, ['eps', epsilon] as const]);
		result.push({ ...module, settings });
	}
	return result;
}

/** Reads the file of a class: "__torch__.torch.nn.X" is in "code/__torch__/torch/nn.py". */
async function readCode(type: string, { archive, prefix, limits }: Context): Promise<string> {
	const name = `${prefix}code/${type.slice(0, type.lastIndexOf('.')).replaceAll('.', '/')}.py`;
	return archive.has(name) ? decodeText(await archive.read(name, { bytes: limits.codeBytes, name: 'codeBytes' })) : '';
}

function findEpsilon(code: string, type: string): number | undefined {
	const [, body = ''] = code.split(`class ${type.slice(type.lastIndexOf('.') + 1)}(Module):`);
	const [own = ''] = body.split(/^class /m);
	const constant = /\beps\s*:\s*Final\[float\]\s*=\s*([\d.e+-]+)/.exec(own)?.[1];
	const call = /\btorch\.batch_norm\(([^()]*)\)/.exec(own)?.[1]?.split(',')[EPSILON_ARGUMENT];
	const value = Number(constant ?? call?.trim() ?? Number.NaN);
	return Number.isFinite(value) ? value : undefined;
}
