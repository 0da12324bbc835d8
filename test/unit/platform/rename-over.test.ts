import assert from 'node:assert/strict';
import { test } from 'node:test';
import { renameOver } from '../../../src/platform/rename-over.js';
import { writeReason } from '../../../src/platform/write-reason.js';

const systemError = (code: string) => Object.assign(new Error(code), { code, syscall: 'rename' });

/** A system in which the first attempts fail. */
function systemWith(platform: NodeJS.Platform, code: string, failures: number) {
	const seen = { attempts: 0, milliseconds: 0 };
	return {
		seen,
		platform,
		rename: async () => {
			seen.attempts++;
			if (seen.attempts <= failures) {
				throw systemError(code);
			}
		},
		pause: async (milliseconds: number) => {
			seen.milliseconds += milliseconds;
		},
	};
}

test('on Windows a file that another program has open is tried again, for about a second', async () => {
	for (const code of ['EBUSY', 'EPERM', 'EACCES']) {
		const system = systemWith('win32', code, 3);
		await renameOver('a', 'b', system);
		assert.deepEqual(system.seen, { attempts: 4, milliseconds: 70 });
	}
	const locked = systemWith('win32', 'EBUSY', Number.POSITIVE_INFINITY);
	await assert.rejects(renameOver('a', 'b', locked), { code: 'EBUSY' });
	assert.ok(locked.seen.milliseconds > 1000 && locked.seen.milliseconds < 2000);
});

test('other errors, and other systems, fail at once', async () => {
	for (const system of [
		systemWith('win32', 'ENOENT', 1),
		systemWith('linux', 'EPERM', 1),
		systemWith('darwin', 'EBUSY', 1),
	]) {
		await assert.rejects(renameOver('a', 'b', system));
		assert.equal(system.seen.attempts, 1);
	}
});

test('the reason names the other program', () => {
	assert.match(writeReason('a', systemError('EBUSY'), 'linux'), /another program has it open/);
	assert.match(writeReason('a', systemError('EPERM'), 'win32'), /or another program has it open/);
	assert.equal(writeReason('a', systemError('EPERM'), 'linux'), 'writing it is not permitted');
});
