import { buildTests } from '../../esbuild.mjs';
import { findTests, runNodeTests } from '../node-tests.mjs';
import { packageAndInstall } from '../workbench/installed.mjs';

/** Packages the extension, installs it into a clean VS Code, and checks the installed files. */
export async function runPackageTests() {
	const { vsix, folder } = await packageAndInstall();
	process.env.BATCHNORM_LENS_VSIX = vsix;
	process.env.BATCHNORM_LENS_INSTALLED = folder;
	return runNodeTests(await buildTests(findTests('test/vsix')), { concurrency: 1, timeout: 120_000 });
}
