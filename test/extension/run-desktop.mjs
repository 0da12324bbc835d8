// Runs the same suite in a desktop VS Code, which it downloads: npm test -- --only package && node
// test/extension/run-desktop.mjs
import { runTests } from '@vscode/test-electron';
import { installedFolder } from '../workbench/installed.mjs';
import { buildExtensionTests, readResults } from './run.mjs';

await runTests({
	version: '1.100.3',
	extensionDevelopmentPath: await installedFolder(),
	extensionTestsPath: await buildExtensionTests(),
	launchArgs: ['--disable-extensions', '--disable-workspace-trust'],
});
const { passed, failed } = await readResults();
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed > 0 || passed === 0 ? 1 : 0;
