import { accessSync, constants } from 'node:fs';
import path from 'node:path';
import { chromium } from 'playwright-core';
import { runOrThrow } from './processes.mjs';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable', 'microsoft-edge'];
const ELSEWHERE = [
	'/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
	'/Applications/Chromium.app/Contents/MacOS/Chromium',
	'C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe',
	'C:\\Program Files (x86)\\Microsoft\\Edge\\Application\\msedge.exe',
];

/** Flags of the browser. Headless mode needs no sandbox helper and no GPU; the other flags avoid network traffic. */
const FLAGS = [
	...['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking'],
	...['--disable-component-update', '--disable-sync', '--disable-dev-shm-usage'],
];

/**
 * Finds or installs the browser. Call it before tests run in parallel, because two installations at once disturb each
 * other.
 * @returns {Promise<string>} its program
 */
export async function provisionBrowser() {
	return findChromium() ?? (await installChromium());
}

/** @returns {Promise<import('playwright-core').Browser>} */
export async function launchBrowser() {
	return chromium.launch({ executablePath: await provisionBrowser(), args: FLAGS });
}

/** @returns {string | undefined} */
function findChromium() {
	const folders = (process.env.PATH ?? '').split(path.delimiter).filter(Boolean);
	const candidates = [
		process.env.CHROMIUM ?? '',
		...NAMES.flatMap((name) => folders.map((folder) => path.join(folder, name))),
		...ELSEWHERE,
	];
	return candidates.find((file) => path.isAbsolute(file) && isExecutable(file));
}

/** @param {string} file */
function isExecutable(file) {
	try {
		accessSync(file, constants.X_OK);
		return true;
	} catch {
		return false;
	}
}

/** Installs Debian's Chromium with apt, if this process is root. */
async function installChromium() {
	if (process.getuid?.() === 0 && isExecutable('/usr/bin/apt-get')) {
		console.error('Installing Chromium with apt-get …');
		const apt = { env: { DEBIAN_FRONTEND: 'noninteractive' }, timeout: 600_000 };
		await runOrThrow('Updating the package lists', 'apt-get', ['update'], apt);
		const packages = ['chromium', 'fonts-dejavu-core'];
		await runOrThrow('Installing Chromium', 'apt-get', ['install', '-y', '--no-install-recommends', ...packages], apt);
	}
	const found = findChromium();
	if (!found) {
		throw new Error(
			'The browser tests need Chromium, Chrome or Edge: install one (Debian: apt-get install chromium) or name its program in the environment variable CHROMIUM.',
		);
	}
	return found;
}
