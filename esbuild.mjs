// Builds all files that ship into dist/: node esbuild.mjs [--watch] [--minify]. Test runners import `buildTests`.
import { cp, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import asc from 'assemblyscript/asc';
import * as esbuild from 'esbuild';

const root = path.dirname(fileURLToPath(import.meta.url));
const require = createRequire(import.meta.url);

/**
 * Compilations by entry. Several bundles embed the same module at the same time.
 * @type {Map<string, Promise<esbuild.OnLoadResult>>}
 */
const compiled = new Map();

/**
 * Compiles AssemblyScript to WebAssembly, in memory. Uses plain SIMD, because relaxed SIMD is behind a flag in Node 20.
 * Imports the memory, because the runtime writes tensors into it before a kernel runs. The stub runtime has no garbage
 * collector, and no kernel allocates. Warning 112 concerns v128 in signatures, which are all internal.
 * @param {string} entry
 * @returns {Promise<esbuild.OnLoadResult>}
 */
async function compileAssembly(entry) {
	/** @type {Uint8Array | undefined} */
	let binary;
	const { error, stderr } = await asc.main(
		[
			...[path.relative(root, entry), '--baseDir', root, '--outFile', 'module.wasm', '--runtime', 'stub'],
			...['--enable', 'simd', '--optimizeLevel', '3', '--converge', '--importMemory', '--noExportMemory'],
			...['--disableWarning', '112'],
		],
		{
			writeFile: (_, contents) => {
				binary = Buffer.from(contents);
			},
		},
	);
	return error ? { errors: [{ text: `${error.message}\n${stderr.toString()}` }] } : { contents: binary };
}

/** `import bytes from './assembly/NAME.wasm'` compiles assembly/NAME.ts and embeds the binary as a Uint8Array. @type {esbuild.Plugin} */
const assemblyScript = {
	name: 'assemblyscript',
	setup(build) {
		// Sources may have changed since the last build.
		build.onStart(() => compiled.clear());
		build.onResolve({ filter: /\.wasm$/ }, (args) => ({
			path: path.resolve(args.resolveDir, args.path.replace(/\.wasm$/, '.ts')),
			namespace: 'assemblyscript',
		}));
		build.onLoad({ filter: /.*/, namespace: 'assemblyscript' }, async ({ path: entry }) => {
			const compilation = compiled.get(entry) ?? compileAssembly(entry);
			compiled.set(entry, compilation);
			const folder = path.dirname(entry);
			const sources = [
				...(await readdir(folder)).map((file) => path.join(folder, file)),
				path.join(folder, '..', 'memory-map.ts'),
			];
			return { ...(await compilation), loader: 'binary', watchFiles: sources };
		});
	},
};

/** @type {esbuild.BuildOptions} */
const node = { platform: 'node', target: 'node20', format: 'cjs', bundle: true, plugins: [assemblyScript] };
/** @type {esbuild.BuildOptions} */
const browser = { platform: 'browser', target: 'es2022', bundle: true };

/** @type {esbuild.BuildOptions} */
const ENGINE = { ...node, entryPoints: { 'engine/main': 'src/engine/child/main.ts' }, external: ['*.node'] };
/** @type {esbuild.BuildOptions} */
const PARENT_WATCH = { ...node, entryPoints: { 'engine/parent-watch': 'src/engine/child/parent-watch.ts' } };
/** @type {esbuild.BuildOptions} */
const IMAGE_THREAD = { ...node, entryPoints: { 'engine/image-thread': 'src/engine/child/inputs/image-thread.ts' } };
/** @type {esbuild.BuildOptions} */
const COMMAND_LINE = { ...node, entryPoints: { cli: 'src/cli/main.ts' }, banner: { js: '#!/usr/bin/env node' } };
/** @type {esbuild.BuildOptions} */
const ASSISTANT_SERVER = { ...node, entryPoints: { mcp: 'src/mcp/server.ts' } };
/** @type {esbuild.BuildOptions} */
const STANDALONE = { ...browser, entryPoints: { standalone: 'src/standalone/main.ts' }, format: 'iife' };

/** @type {readonly esbuild.BuildOptions[]} */
const entries = [
	{ ...node, entryPoints: { extension: 'src/extension.ts' }, external: ['vscode'] },
	ENGINE,
	PARENT_WATCH,
	IMAGE_THREAD,
	COMMAND_LINE,
	ASSISTANT_SERVER,
	{ ...browser, entryPoints: { webview: 'src/webview/main.ts' }, format: 'iife' },
	{ ...browser, entryPoints: { comparison: 'src/webview/comparison.ts' }, format: 'iife' },
	STANDALONE,
	{ ...browser, entryPoints: { notebook: 'src/notebook/main.ts' }, format: 'esm', loader: { '.css': 'text' } },
];

/** Minus sign of plotly's labels, which it takes from no setting. The page writes a hyphen, as JSON and terminals do. */
const PLOTLY_MINUS = String.raw`"\u2212"`;

/**
 * Copies plotly.js with the minus sign of the page.
 * @param {string} outDir
 */
async function copyPlotly(outDir) {
	const parts = (await readFile(require.resolve('plotly.js-dist-min/plotly.min.js'), 'utf8')).split(PLOTLY_MINUS);
	if (parts.length !== 2) {
		throw new Error(`plotly.js has ${parts.length - 1} definitions of its minus sign instead of 1: see PLOTLY_MINUS.`);
	}
	await writeFile(path.join(outDir, 'plotly.min.js'), parts.join('"-"'));
}

/**
 * Shared library that the binding of each platform loads from its own folder.
 * @type {Readonly<Record<string, string>>}
 */
export const RUNTIME_LIBRARY = {
	linux: 'libonnxruntime.so.1',
	darwin: 'libonnxruntime.1.dylib',
	win32: 'onnxruntime.dll',
};

/**
 * Copies onnxruntime's files, which the bundle in dist/engine looks for in ../bin/napi-v6/OS/ARCH. Copies only the
 * files of the CPU provider. The package also has a GPU provider for Windows and a copy of macOS's library. Throws for
 * a platform without binaries.
 * @param {string} outDir
 * @param {string} platform
 * @param {string} arch
 */
export async function copyRuntime(outDir, platform, arch) {
	const folder = path.join('bin', 'napi-v6', platform, arch);
	const from = path.join(path.dirname(require.resolve('onnxruntime-node/package.json')), folder);
	await mkdir(path.join(outDir, folder), { recursive: true });
	for (const file of ['onnxruntime_binding.node', RUNTIME_LIBRARY[platform]]) {
		await cp(path.join(from, file), path.join(outDir, folder, file));
	}
}

/**
 * Returns operating system and processor of a target such as "linux-x64".
 * @param {string} target
 * @returns {[platform: string, arch: string]}
 */
export function splitTarget(target) {
	const [platform, arch] = target.split('-');
	return [platform, arch];
}

/**
 * Builds for this machine, or for `target` ("linux-x64"). Without onnxruntime the extension still opens models, so a
 * missing binary is an error only for an explicit target.
 * @param {{ watch?: boolean, minify?: boolean, outDir?: string, target?: string }} options `outDir` is absolute.
 * @returns {Promise<string[]>} The packages whose code went into the bundles, plotly.js and the runtime apart.
 */
export async function build({ watch = false, minify = false, outDir = path.join(root, 'dist'), target } = {}) {
	/** @type {esbuild.BuildOptions} */
	const common = {
		absWorkingDir: root,
		outdir: outDir,
		minify,
		sourcemap: minify ? false : 'linked',
		metafile: true,
		logLevel: 'warning',
	};
	const contexts = await Promise.all(entries.map((entry) => esbuild.context({ ...entry, ...common })));
	const results = watch ? [] : await Promise.all(contexts.map((context) => context.rebuild()));
	await copyPlotly(outDir);
	const [platform, arch] = target ? splitTarget(target) : [process.platform, process.arch];
	await copyRuntime(outDir, platform, arch).catch((error) => {
		if (target) {
			throw error;
		}
		console.warn(`No onnxruntime for ${platform}-${arch}, models can be opened but not run: ${error.message}`);
	});
	await Promise.all(contexts.map((context) => (watch ? context.watch() : context.dispose())));
	return bundledPackages(results);
}

/**
 * Builds the command line for npm: without the extension, and with onnxruntime-node as a package beside it.
 * @param {string} outDir Absolute.
 * @returns {Promise<string[]>} The packages whose code went into the bundles, plotly.js apart.
 */
export async function buildCommandLine(outDir) {
	const options = { absWorkingDir: root, outdir: outDir, minify: true, metafile: true, logLevel: 'warning' };
	const engine = { ...ENGINE, external: ['onnxruntime-node'] };
	const results = await Promise.all(
		[engine, PARENT_WATCH, IMAGE_THREAD, COMMAND_LINE, ASSISTANT_SERVER, STANDALONE].map((entry) =>
			esbuild.build({ ...entry, .../** @type {esbuild.BuildOptions} */ (options) }),
		),
	);
	await copyPlotly(outDir);
	return bundledPackages(results);
}

/**
 * Returns the names of the packages in the bundles.
 * @param {readonly esbuild.BuildResult[]} results
 */
function bundledPackages(results) {
	const inputs = results.flatMap(({ metafile }) => Object.keys(metafile?.inputs ?? {}));
	return [...new Set(inputs.flatMap((input) => /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(input)?.[1] ?? []))];
}

const REQUIRE_IN_ESM =
	"import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);";

/** Leaves scripts in their folders, so that they find the project's files. @type {esbuild.Plugin} */
const scriptsApart = {
	name: 'scripts-apart',
	setup(build) {
		build.onResolve({ filter: /^\..*\.mjs$/ }, ({ kind, path: script, resolveDir }) =>
			kind === 'entry-point'
				? undefined
				: { path: pathToFileURL(path.resolve(resolveDir, script)).href, external: true },
		);
	},
};

/**
 * Bundles each test file to out/. Node resolves packages.
 * @param {readonly string[]} files Relative to the project's folder.
 * @param {{ format?: 'esm' | 'cjs', external?: string[] }} [options]
 * @returns {Promise<string[]>} The bundles' absolute paths, in the same order.
 */
export async function buildTests(files, { format = 'esm', external = [] } = {}) {
	const extension = format === 'esm' ? '.mjs' : '.cjs';
	await esbuild.build({
		absWorkingDir: root,
		entryPoints: [...files],
		outbase: 'test',
		outdir: 'out/test',
		bundle: true,
		platform: 'node',
		target: 'node20',
		format,
		packages: 'external',
		external,
		// The engine loads the native runtime with `require` on first use.
		banner: format === 'esm' ? { js: REQUIRE_IN_ESM } : {},
		sourcemap: 'inline',
		plugins: [assemblyScript, scriptsApart],
		logLevel: 'warning',
		outExtension: { '.js': extension },
	});
	return files.map((file) => path.join(root, 'out', file.replace(/\.ts$/, extension)));
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
	await build({ watch: process.argv.includes('--watch'), minify: process.argv.includes('--minify') });
}
