import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
	capitalize,
	count,
	countChannels,
	joinWords,
	listChannels,
	messageOf,
} from '../../../../src/core/text/sentences.js';

test('counts with the right plural', () => {
	assert.deepEqual(
		[0, 1, 64].map((number) => count(number, 'channel')),
		['0 channels', '1 channel', '64 channels'],
	);
});

test('joins words with commas and "and"', () => {
	assert.deepEqual([[], ['a'], ['a', 'b'], ['a', 'b', 'c']].map(joinWords), ['', 'a', 'a and b', 'a, b and c']);
});

test('names up to three channels and counts more', () => {
	assert.equal(countChannels([3], 64), 'channel 3');
	assert.equal(countChannels([3, 5], 64, true), 'Channels 3 and 5 are');
	assert.equal(countChannels([1, 2, 3, 4], 64), '4 of 64 channels');
	assert.equal(countChannels([0, 1], 2, true), 'Both channels are');
	assert.equal(countChannels([0], 1, true), 'Channel 0 is');
});

test('lists up to five channels and counts the rest', () => {
	assert.equal(listChannels([3]), 'channel 3');
	assert.equal(listChannels([3, 17, 20]), 'channels 3, 17 and 20');
	assert.equal(listChannels([1, 2, 3, 4, 5, 6, 7]), 'channels 1, 2, 3, 4, 5 and 2 more');
});

test('capitalizes, and describes any thrown value', () => {
	assert.equal(capitalize('the weights fit'), 'The weights fit');
	assert.equal(messageOf(new TypeError('bad')), 'bad');
	assert.equal(messageOf('bad'), 'bad');
	assert.equal(messageOf(undefined), 'undefined');
});
