import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SearchState } from '../../../../../src/core/folding/affine/search-state.js';
import { readNetwork } from '../../../../../src/core/folding/targets/network.js';
import { openGraph } from '../../../support/open.js';

test('a tensor that a broken node names many times is free once', async () => {
	const repeated = new Array<string>(2000).fill('g');
	const nodes = [
		{ op: 'Relu', inputs: ['x'], outputs: ['r'] },
		{ op: 'GlobalAveragePool', inputs: ['r'], outputs: repeated },
		{ op: 'Flatten', inputs: ['g'], outputs: ['y'] },
	];
	const { model, source } = await openGraph({ inputs: [{ name: 'x', shape: [1, 4, 2, 2] }], outputs: ['y'], nodes });
	const network = await readNetwork(model, { source });
	const pairs = new Map([['r', { deployed: 'r', order: 'same' as const }]]);
	const no = () => false;
	const context = {
		original: network,
		deployed: network,
		pairs,
		unitRoundoff: 2 ** -24,
		isProven: no,
		haveArrived: no,
	};
	assert.deepEqual(new SearchState(context, new Map()).freeTensors(), ['g', 'y']);
});
