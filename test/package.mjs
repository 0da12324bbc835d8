// Packages the extension for one platform into out/: npm run package [-- --target linux-arm64]
import { existsSync } from 'node:fs';
import { cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { createVSIX } from '@vscode/vsce';
import { build } from '../esbuild.mjs';
import { takeOutTexts } from './manifest-strings.mjs';
import { outDir, root } from './workbench/paths.mjs';

/** Platforms with binaries in onnxruntime-node. */
const TARGETS = ['linux-x64', 'linux-arm64', 'darwin-arm64', 'win32-x64', 'win32-arm64'];
const BESIDE_DIST = ['README.md', 'CHANGELOG.md', 'LICENSE', '.vscodeignore', 'media'];

/**
 * Packages from a separate folder. So dist/ stays the development build, and binaries of two platforms never mix.
 * @param {string} [target]
 * @returns {Promise<string>} The VSIX.
 */
export async function packageExtension(target = `${process.platform}-${process.arch}`) {
	if (!TARGETS.includes(target)) {
		throw new Error(
			`Cannot package for ${target}: onnxruntime-node has no binaries for it. Targets: ${TARGETS.join(', ')}.`,
		);
	}
	const stage = path.join(outDir, 'package', target);
	await rm(stage, { recursive: true, force: true });
	await mkdir(stage, { recursive: true });
	const {
		scripts,
		devDependencies,
		private: _,
		...manifest
	} = JSON.parse(await readFile(path.join(root, 'package.json'), 'utf8'));
	await writeManifest(stage, manifest);
	for (const name of BESIDE_DIST.filter((file) => existsSync(path.join(root, file)))) {
		await cp(path.join(root, name), path.join(stage, name), { recursive: true });
	}
	const packages = await build({ minify: true, outDir: path.join(stage, 'dist'), target });
	await checkNotices([...packages, 'plotly.js-dist-min']);
	const vsix = path.join(outDir, `${manifest.name}-${manifest.version}-${target}.vsix`);
	await createVSIX({
		cwd: stage,
		target,
		packagePath: vsix,
		dependencies: false,
		allowMissingRepository: true,
		rewriteRelativeLinks: false,
	});
	return vsix;
}

/**
 * Writes the manifest and its texts. Translations of the manifest are package.nls.*.json in media/l10n, beside
 * bundle.l10n.*.json with translations of messages.
 * @param {string} stage
 * @param {Record<string, unknown>} whole
 */
async function writeManifest(stage, whole) {
	const { manifest, texts } = takeOutTexts(whole);
	await writeFile(path.join(stage, 'package.json'), JSON.stringify(manifest, null, '\t'));
	await writeFile(path.join(stage, 'package.nls.json'), JSON.stringify(texts, null, '\t'));
	const translations = path.join(root, 'media', 'l10n');
	for (const name of existsSync(translations) ? await readdir(translations) : []) {
		if (/^package\.nls\..+\.json$/.test(name)) {
			await cp(path.join(translations, name), path.join(stage, name));
		}
	}
}

/**
 * Checks the notices of bundled packages, which their licenses require in every copy.
 * @param {readonly string[]} packages
 */
async function checkNotices(packages) {
	const notices = await readFile(path.join(root, 'media', 'ThirdPartyNotices.txt'), 'utf8');
	for (const name of packages) {
		const { version } = JSON.parse(await readFile(path.join(root, 'node_modules', name, 'package.json'), 'utf8'));
		if (!notices.includes(`${name} ${version}`)) {
			throw new Error(`media/ThirdPartyNotices.txt has no notice for ${name} ${version}, which the extension carries.`);
		}
	}
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
	const option = process.argv.indexOf('--target');
	const target = option < 0 ? undefined : process.argv[option + 1];
	try {
		console.log(path.relative(root, await packageExtension(target)));
	} catch (error) {
		console.error(error instanceof Error ? error.message : error);
		process.exitCode = 1;
	}
}
