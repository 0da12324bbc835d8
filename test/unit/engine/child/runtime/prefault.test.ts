import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makePages } from '../../../../../src/engine/child/runtime/prefault.js';
import { createKernel } from '../../../../../src/kernel/index.js';

test('writing to prefaulted memory causes no page faults', {
	skip: process.platform !== 'linux',
}, async () => {
	const faults = () => process.resourceUsage().minorPageFault;
	const pages = 8192;
	const write = (memory: Uint8Array) => {
		const before = faults();
		for (let at = 0; at < memory.length; at += 4096) {
			memory[at] = 1;
		}
		return faults() - before;
	};
	const fresh = async () => (await createKernel()).borrow(pages * 4096);
	assert.ok(write(await fresh()) > pages / 2, 'the first write to fresh memory causes page faults');
	const made = await fresh();
	await makePages(made);
	assert.ok(write(made) < pages / 20);
	await makePages(new Uint8Array(0));
});
