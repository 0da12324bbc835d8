import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { INITIAL_STATE, parseViewState, type ViewState } from '../../../../src/view/model/state.js';

describe('parseViewState', () => {
	it('reads back what was stored', () => {
		const state: ViewState = {
			layer: 'features.1',
			channel: 3,
			sort: { by: 'verdict', descending: true },
			filter: 'conv',
			channelSort: { by: 'gamma', descending: false },
			flaggedOnly: true,
			finding: 'warning',
			metric: 'drift',
			overview: false,
			form: true,
			scroll: { page: 0, table: 120.5, detail: 7 },
		};
		assert.deepEqual(parseViewState(JSON.parse(JSON.stringify(state))), state);
	});

	it('takes each part that it understands and the initial value for the rest', () => {
		const parsed = parseViewState({
			filter: 'bn',
			channel: -1,
			metric: 'constructor',
			sort: { by: 5 },
			scroll: { table: 1 / 0 },
		});
		assert.deepEqual(parsed, { ...INITIAL_STATE, filter: 'bn' });
	});

	it('reads any value as a valid state, and reads that state unchanged', () => {
		fc.assert(
			fc.property(fc.anything(), (value) => {
				const state = parseViewState(value);
				assert.deepEqual(parseViewState(JSON.parse(JSON.stringify(state))), state);
			}),
		);
	});
});
