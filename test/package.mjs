// Packages into out/: npm run package [-- --target linux-arm64] makes the extension, npm run package -- --npm the command line.
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { createVSIX } from '@vscode/vsce';
import { build, buildCommandLine, copyRuntime, splitTarget } from '../esbuild.mjs';
import { takeOutTexts } from './manifest-strings.mjs';
import { checkVsix, TARGETS } from './vsix-contents.mjs';
import { outDir, root } from './workbench/paths.mjs';

const BESIDE_DIST = ['README.md', 'CHANGELOG.md', 'LICENSE', '.vscodeignore', 'media'];

/** This machine as a target. */
const OWN_TARGET = `${process.platform}-${process.arch}`;

/**
 * Packages the extension, and checks the files of the package and its size.
 * @param {string} [target]
 * @returns {Promise<string>} The VSIX.
 */
export async function packageExtension(target = OWN_TARGET) {
	const { stage, manifest } = await stageExtension(target);
	const vsix = path.join(outDir, `${manifest.name}-${manifest.version}-${target}.vsix`);
	await createVSIX({
		cwd: stage,
		target,
		packagePath: vsix,
		dependencies: false,
		allowMissingRepository: true,
		rewriteRelativeLinks: false,
	});
	console.log(await checkVsix(vsix, target));
	return vsix;
}

/**
 * Puts the files of a package into a separate folder. So dist/ stays the development build, and binaries of two platforms
 * never mix.
 * @param {string} target
 * @param {string} [bundles] `dist` of another platform's folder, to copy the bundles from instead of making them
 */
export async function stageExtension(target, bundles) {
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
	const dist = path.join(stage, 'dist');
	if (bundles === undefined) {
		const packages = await build({ minify: true, outDir: dist, target });
		await checkNotices([...packages, 'plotly.js-dist-min']);
	} else {
		await cp(bundles, dist, { recursive: true, filter: (file) => path.basename(file) !== 'bin' });
		await copyRuntime(dist, ...splitTarget(target));
	}
	return { stage, manifest };
}

/** Fields of package.json that the package on npm shares with the extension. */
const SHARED_FIELDS = ['name', 'version', 'description', 'license', 'keywords', 'bin'];
/** Files outside dist/ that the package holds: texts, and the styles of an exported HTML report. */
const BESIDE_COMMAND_LINE = [
	...['README.md', 'CHANGELOG.md', 'LICENSE', 'media/ThirdPartyNotices.txt'],
	...['theme.css', 'page.css', 'comparison.css', 'plotly.css'].map((name) => `media/${name}`),
];

/**
 * Packages the command line for npm. onnxruntime-node is a dependency, so that npm installs it for any platform.
 * @returns {Promise<string>} The tarball.
 */
export async function packageCommandLine() {
	const stage = path.join(outDir, 'package', 'npm');
	await rm(stage, { recursive: true, force: true });
	const packages = await buildCommandLine(path.join(stage, 'dist'));
	await checkNotices([...packages, 'plotly.js-dist-min']);
	for (const name of BESIDE_COMMAND_LINE) {
		await cp(path.join(root, name), path.join(stage, name));
	}
	/** @type {Record<string, unknown> & { devDependencies: Record<string, string>, engines: Record<string, string> }} */
	const whole = JSON.parse(await readFile(path.join(root, 'package.json'), 'utf8'));
	const manifest = {
		...Object.fromEntries(SHARED_FIELDS.flatMap((field) => (whole[field] ? [[field, whole[field]]] : []))),
		engines: { node: whole.engines.node },
		files: ['CHANGELOG.md', 'dist', 'media'],
		dependencies: { 'onnxruntime-node': whole.devDependencies['onnxruntime-node'] },
	};
	await writeFile(path.join(stage, 'package.json'), JSON.stringify(manifest, null, '\t'));
	const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
	const options = { cwd: stage, shell: process.platform === 'win32' };
	const { stdout } = await promisify(execFile)(npm, ['pack', '--json', '--pack-destination', outDir], options);
	const [{ filename }] = JSON.parse(stdout);
	return path.join(outDir, filename);
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
		const isNpm = process.argv.includes('--npm');
		console.log(path.relative(root, await (isNpm ? packageCommandLine() : packageExtension(target))));
	} catch (error) {
		console.error(error instanceof Error ? error.message : error);
		process.exitCode = 1;
	}
}
