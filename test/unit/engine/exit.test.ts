import assert from 'node:assert/strict';
import { test } from 'node:test';
import { explainExit } from '../../../src/engine/exit.js';

const cases: [Parameters<typeof explainExit>[0], RegExp][] = [
	[{ code: null, signal: 'SIGSEGV' }, /memory that is not its own \(SIGSEGV\)$/],
	[{ code: 139, signal: null }, /memory that is not its own \(exit code 139, SIGSEGV\)$/],
	[{ code: 134, signal: null }, /aborted itself \(exit code 134, SIGABRT\)$/],
	[{ code: null, signal: 'SIGTRAP' }, /JavaScript engine.*address space \(SIGTRAP\)$/],
	[{ code: null, signal: 'SIGFPE' }, /divided by zero.*input shape.*\(SIGFPE\)$/],
	[{ code: null, signal: 'SIGKILL' }, /lack of memory \(SIGKILL\)$/],
	[{ code: null, signal: 'SIGILL' }, /processor instructions/],
	[{ code: null, signal: 'SIGTERM' }, /^it was ended by SIGTERM$/],
	[{ code: 0xc0000005, signal: null }, /memory that is not its own \(exit code 3221225477\)$/],
	[{ code: 0xc0000135, signal: null }, /library.*missing/],
	[{ code: 0, signal: null }, /without an answer/],
	[{ code: 1, signal: null }, /^it ended with exit code 1$/],
	[{ code: 128, signal: null }, /^it ended with exit code 128$/],
];

for (const [exit, expected] of cases) {
	test(`${exit.signal ?? exit.code} is explained in words`, () => assert.match(explainExit(exit), expected));
}
