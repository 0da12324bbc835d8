// Files of the VSIX of each platform, checked one by one whenever a VSIX is made.
import { readFileSync, statSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { unzipSync } from 'fflate';
import { RUNTIME_LIBRARY } from '../esbuild.mjs';
import { root } from './workbench/paths.mjs';

/** Platforms with binaries in onnxruntime-node. */
export const TARGETS = ['linux-x64', 'linux-arm64', 'darwin-arm64', 'win32-x64', 'win32-arm64'];
/** Bytes. Nine tenths are the runtime's library. */
export const MAX_VSIX = 21e6;
/** VS Code does not show pictures that lie beside a README. */
const README_PICTURE = 'page.png';
const TEXTS = ['package.json', 'package.nls.json', 'readme.md', 'changelog.md', 'LICENSE.txt'];
const PROGRAM = [
	...['extension.js', 'engine/main.js', 'engine/parent-watch.js', 'engine/image-thread.js', 'cli.js', 'mcp.js'],
	...['webview.js', 'comparison.js', 'notebook.js', 'standalone.js', 'plotly.min.js'],
];

/**
 * Returns the paths of the runtime's files below the extension's folder.
 * @param {string} target
 */
export function runtimeFiles(target) {
	const [platform, arch] = target.split('-');
	const names = ['onnxruntime_binding.node', RUNTIME_LIBRARY[platform]];
	return names.map((name) => `dist/bin/napi-v6/${platform}/${arch}/${name}`);
}

/**
 * Returns the paths of all files below the extension's folder, sorted.
 * @param {string} target
 */
export async function expectedFiles(target) {
	const media = await readdir(path.join(root, 'media'), { recursive: true, withFileTypes: true });
	const shown = media
		.filter((entry) => entry.isFile() && entry.name !== README_PICTURE)
		.map((entry) => path.relative(root, path.join(entry.parentPath, entry.name)).split(path.sep).join('/'));
	return [...TEXTS, ...PROGRAM.map((name) => `dist/${name}`), ...runtimeFiles(target), ...shown].sort();
}

/**
 * Checks files against those of a target.
 * @param {readonly string[]} files below the extension's folder
 * @param {string} target
 * @throws {Error} with the missing and the unexpected files
 */
export async function checkFiles(files, target) {
	const expected = await expectedFiles(target);
	const missing = expected.filter((name) => !files.includes(name));
	const unexpected = files.filter((name) => !expected.includes(name));
	if (missing.length + unexpected.length > 0) {
		throw new Error(
			`The package for ${target} lacks [${missing.join(', ')}] and must not hold [${unexpected.join(', ')}].`,
		);
	}
}

/**
 * Checks the contents and the size of a VSIX.
 * @param {string} vsix
 * @param {string} target
 * @returns {Promise<string>} its size, for people
 */
export async function checkVsix(vsix, target) {
	/** @type {string[]} */
	const files = [];
	unzipSync(readFileSync(vsix), {
		filter: ({ name }) => {
			files.push(name);
			return false;
		},
	});
	const inside = files.filter((name) => name.startsWith('extension/')).map((name) => name.slice('extension/'.length));
	await checkFiles(inside, target);
	const { size } = statSync(vsix);
	if (size > MAX_VSIX) {
		throw new Error(`The package for ${target} has ${size} bytes; at most ${MAX_VSIX} are allowed.`);
	}
	return `${path.basename(vsix)}: ${inside.length} files, ${(size / 1e6).toFixed(2)} MB`;
}

/** Machine codes of ELF, PE and Mach-O files, by processor. @type {Readonly<Record<string, readonly number[]>>} */
const MACHINES = { x64: [0x3e, 0x8664], arm64: [0xb7, 0xaa64, 0x0100000c] };

/**
 * Returns the processor that a library was made for: "x64", "arm64", or "unknown".
 * @param {string} file
 */
export function processorOf(file) {
	const bytes = readFileSync(file);
	const magic = bytes.readUInt32BE(0);
	const machine =
		magic === 0x7f454c46
			? bytes.readUInt16LE(18)
			: magic === 0xcffaedfe
				? bytes.readUInt32LE(4)
				: bytes.toString('latin1', 0, 2) === 'MZ'
					? bytes.readUInt16LE(bytes.readUInt32LE(0x3c) + 4)
					: 0;
	return Object.keys(MACHINES).find((name) => MACHINES[name].includes(machine)) ?? 'unknown';
}
