import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FLOAT_FORMATS, roundTo, ulp, ulpOfRounded } from '../../../../src/core/numbers/float-formats.js';
import { seededRandom } from '../../../../src/engine/child/tensors/random.js';
import { TYPES } from '../../support/kernel-cases.js';
import { fromNumbers, toNumbers } from '../../support/kernel-reference.js';

test('rounding to a format equals storing a number in it', () => {
	const random = seededRandom(1);
	for (const type of ['float32', 'float16'] as const) {
		const { max, tiny } = FLOAT_FORMATS[type];
		const special = [
			0,
			-0,
			max,
			-max,
			max * 1.0001,
			tiny,
			tiny / 2,
			tiny * 1.5,
			tiny * 0.49,
			1 / 0,
			-1 / 0,
			Number.NaN,
		];
		const values = Array.from({ length: 3000 }, () => random.normal() * 2 ** Math.floor(300 * random.uniform() - 160));
		for (const value of [...special, ...values]) {
			assert.ok(Object.is(roundTo(value, type), toNumbers(fromNumbers([value], type), type)[0]), `${value}`);
		}
	}
});

test('the unit in the last place is the distance to the next number of the format', () => {
	for (const type of TYPES) {
		const format = FLOAT_FORMATS[type];
		for (const value of [1, 1.5, -2, 2 ** -20, format.tiny, 3 * format.tiny, 0, format.max]) {
			const unit = ulp(value, type);
			assert.equal(
				roundTo(value - Math.sign(value || 1) * unit, type),
				value - Math.sign(value || 1) * unit,
				`${type} ${value}`,
			);
			assert.equal(roundTo(value + unit / 8, type), value === 0 ? roundTo(unit / 8, type) : value);
		}
		assert.equal(ulp(1, type), 2 ** -format.fractionBits);
		assert.equal(ulp(0, type), format.tiny);
	}
});

test('rounding up to a power of two doubles the unit', () => {
	const almost = 1 - 2 ** -30;
	assert.equal(ulp(almost, 'float32'), 2 ** -24);
	assert.equal(ulpOfRounded(almost, 'float32'), 2 ** -23);
	assert.equal(ulpOfRounded(1e39, 'float32'), 2 ** 104);
});
