import { buildTests } from '../../esbuild.mjs';
import { findTests, runNodeTests } from '../node-tests.mjs';
import { packageCommandLine } from '../package.mjs';
import { packageAndInstall } from '../workbench/installed.mjs';

/**
 * Packages the extension, installs it into a clean VS Code, and checks the installed files. Packages the command line
 * for npm, and uses it as an installed package.
 */
export async function runPackageTests() {
	const { vsix, folder } = await packageAndInstall();
	process.env.BATCHNORM_LENS_VSIX = vsix;
	process.env.BATCHNORM_LENS_INSTALLED = folder;
	process.env.BATCHNORM_LENS_TARBALL = await packageCommandLine();
	return runNodeTests(await buildTests(findTests('test/vsix')), { concurrency: 1, timeout: 300_000 });
}
