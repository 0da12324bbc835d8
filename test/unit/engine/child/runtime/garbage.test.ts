import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { collectGarbage } from '../../../../../src/engine/child/runtime/garbage.js';

test('frees an array that no variable holds, at each call', async () => {
	for (let call = 0; call < 2; call++) {
		const array = new WeakRef(new Float64Array(1024));
		// A WeakRef keeps its target until the current job ends.
		await setImmediate();
		collectGarbage();
		assert.equal(array.deref(), undefined);
	}
});
