import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { root } from './paths.mjs';
import { npm } from './processes.mjs';

/** Installs the project's packages if they are missing or differ from the lock file. Needs only Node. */
export async function ensureDependencies() {
	if (!isInstalled()) {
		console.error("Installing the project's packages (npm ci) …");
		await npm('npm ci', ['ci', '--no-audit', '--no-fund'], { cwd: root, timeout: 600_000 });
	}
}

/** Compares the lock file with npm's copy in node_modules, which lists the installed packages of this platform. */
function isInstalled() {
	const copy = path.join(root, 'node_modules', '.package-lock.json');
	if (!existsSync(copy)) {
		return false;
	}
	const installed = packagesOf(copy);
	return Object.entries(packagesOf(path.join(root, 'package-lock.json'))).every(
		([name, wanted]) =>
			name === '' || (installed[name]?.version ?? (wanted.optional && wanted.version)) === wanted.version,
	);
}

/**
 * @param {string} lockFile
 * @returns {Record<string, { version: string, optional?: boolean }>}
 */
function packagesOf(lockFile) {
	return JSON.parse(readFileSync(lockFile, 'utf8')).packages;
}
