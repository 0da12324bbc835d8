import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { failure, type Result, success } from '../core/result.js';
import { reasonOf } from './file-source.js';

/** Maximum number of files that a pattern names. */
const MAX_FILES = 10_000;
const WILDCARD = /[*?]/;

/**
 * Returns the files that a path names: a file itself, every `.onnx` file below a folder, or the files that match a pattern
 * with `*`, `?` and `**`. Folders named `node_modules`, hidden folders and links to folders are left out.
 * @param from folder that a relative path begins at
 * @param system paths of the system, for tests
 * @returns absolute paths, sorted; or the reason, a sentence, why there is none
 */
export async function findModels(
	pattern: string,
	from: string,
	system: path.PlatformPath = path,
): Promise<Result<readonly string[]>> {
	const whole = system.resolve(from, pattern);
	const found = await stat(whole).catch((error: unknown) => error);
	if (!(found instanceof Error) && typeof found === 'object' && found !== null && 'isFile' in found) {
		return (found as Awaited<ReturnType<typeof stat>>).isDirectory()
			? below(whole, /\.onnx$/i, pattern)
			: success([whole]);
	}
	if (!WILDCARD.test(pattern)) {
		return failure(`${pattern} cannot be read: ${reasonOf(found)}.`);
	}
	const parts = whole.split(system.sep);
	const fixed = parts.findIndex((part) => WILDCARD.test(part));
	const folder = parts.slice(0, fixed).join(system.sep) || system.sep;
	return below(folder, wildcardRule(parts.slice(fixed), system), pattern);
}

/** Returns the expression for paths below the fixed part of a pattern, with forward slashes. */
export function wildcardRule(parts: readonly string[], system: Pick<path.PlatformPath, 'sep'> = path): RegExp {
	const source = parts
		.map((part, index) => {
			const isLast = index === parts.length - 1;
			if (part === '**') {
				return isLast ? '.*' : '(?:[^/]+/)*';
			}
			const name = part
				.replace(/[.+^${}()|[\]\\]/g, '\\$&')
				.replaceAll('*', '[^/]*')
				.replaceAll('?', '[^/]');
			return isLast ? name : `${name}/`;
		})
		.join('');
	// Windows compares names without their case.
	return new RegExp(`^${source}$`, system.sep === '\\' ? 'i' : '');
}

async function below(folder: string, rule: RegExp, pattern: string): Promise<Result<readonly string[]>> {
	const found: string[] = [];
	const visit = async (current: string, prefix: string): Promise<void> => {
		const entries = await readdir(current, { withFileTypes: true }).catch(() => []);
		for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
			const name = `${prefix}${entry.name}`;
			if (found.length > MAX_FILES) {
				return;
			}
			if (entry.isDirectory()) {
				if (!entry.name.startsWith('.') && entry.name !== 'node_modules') {
					await visit(path.join(current, entry.name), `${name}/`);
				}
			} else if (rule.test(name)) {
				found.push(path.join(current, entry.name));
			}
		}
	};
	await visit(folder, '');
	if (found.length > MAX_FILES) {
		return failure(`${pattern} names more than ${MAX_FILES} files: name a folder below it.`);
	}
	return found.length > 0
		? success(found)
		: failure(`No ${WILDCARD.test(pattern) ? `file matches ${pattern}` : `.onnx file is below ${pattern}`}.`);
}
