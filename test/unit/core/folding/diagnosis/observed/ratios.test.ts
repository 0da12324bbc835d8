import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { mostAgreed, weightOutside } from '../../../../../../src/core/folding/diagnosis/observed/intervals.js';
import {
	countMultiples,
	RowState,
	ratioInterval,
	rowCosine,
	rowRatios,
} from '../../../../../../src/core/folding/diagnosis/observed/ratios.js';
import { alongAxis } from '../../../../../../src/core/folding/operators/layout.js';

const finite = { noNaN: true, noDefaultInfinity: true };

test('an interval holds exactly the factors that every element allows', () => {
	const numbers = fc.double({ ...finite, min: -10, max: 10 });
	fc.assert(
		fc.property(
			fc.array(fc.tuple(numbers, fc.double({ ...finite, min: -0.02, max: 0.02 })), { minLength: 1, maxLength: 5 }),
			fc.double({ ...finite, min: -3, max: 3 }),
			fc.double({ ...finite, min: -0.1, max: 0.1 }),
			(elements, factor, nudge) => {
				const original = Float64Array.from(elements, ([w]) => w);
				const deployed = Float64Array.from(elements, ([w, error]) => w * factor * (1 + error));
				const layout = alongAxis([1, elements.length], 0);
				const [relative, absolute] = [0.01, 0.001];
				const options = { deployed, original, layout, relative, absolute: Float64Array.of(absolute) };
				const [low, high] = ratioInterval(options, 0, 0);
				const probe = factor + nudge;
				const isAllowed = elements.every((_, index) => {
					const exact = probe * original[index];
					return Math.abs(deployed[index] - exact) <= relative * Math.abs(exact) + absolute;
				});
				const slack = 1e-9;
				if (isAllowed) {
					assert.ok(low <= probe + slack && probe - slack <= high);
				} else if (low <= high) {
					assert.ok(!(low + slack < probe && probe < high - slack));
				}
			},
		),
	);
});

test('rows are multiples, empty, or distorted', () => {
	const layout = alongAxis([5, 2], 0);
	const { state, low, high } = rowRatios({
		original: Float32Array.of(1, 2, 0, 0, 1, 2, 1, 2, 0, 0),
		deployed: Float32Array.of(3, 6, 0, 0, 3, 6.1, Number.NaN, 1, 0, 1),
		layout,
		relative: 1e-6,
		absolute: new Float64Array(5),
	});
	const { multiple, empty, distorted } = RowState;
	assert.deepEqual(Array.from(state), [multiple, empty, distorted, distorted, distorted]);
	assert.ok(low[0] < 3 && 3 < high[0] && high[0] - low[0] < 1e-5);
	assert.deepEqual(countMultiples({ state }), { multiples: 1, informative: 4 });
});

test('a deployed row can be held against another original row', () => {
	const layout = alongAxis([3, 2], 1);
	const original = Float32Array.of(1, 10, 2, 20, 3, 31);
	const deployed = Float32Array.of(20, 0, 40, 0, 62, 0);
	const options = { original, deployed, layout, relative: 1e-6, absolute: new Float64Array(2) };
	const [low, high] = ratioInterval(options, 0, 1);
	assert.ok(low <= 2 && 2 <= high);
	assert.ok(Math.abs(rowCosine(options, 0, 1) - 1) < 1e-12);
	assert.ok(rowCosine(options, 0, 0) < 0.9999);
});

test('finds the value on which most intervals agree, as a brute-force search does', () => {
	const interval = fc.tuple(
		fc.integer({ min: 0, max: 20 }),
		fc.integer({ min: -2, max: 8 }),
		fc.integer({ min: 1, max: 5 }),
	);
	fc.assert(
		fc.property(fc.array(interval, { maxLength: 12 }), (list) => {
			const low = Float64Array.from(list, ([start]) => start);
			const high = Float64Array.from(list, ([start, length]) => start + length);
			const weight = Float64Array.from(list, ([, , own]) => own);
			const agreed = mostAgreed({ low, high, weight });
			const total = list.filter(([, length]) => length >= 0).reduce((sum, [, , own]) => sum + own, 0);
			const covered = (value: number) =>
				list.reduce((sum, [start, length, own]) => sum + (start <= value && value <= start + length ? own : 0), 0);
			const best = Math.max(0, ...Array.from({ length: 57 }, (_, step) => covered(step / 2)));
			assert.equal(agreed?.weight ?? 0, best);
			if (agreed) {
				assert.equal(covered(agreed.low), best);
				assert.equal(covered(agreed.high), best);
				const everything = weight.reduce((sum, own) => sum + own, 0);
				assert.equal(weightOutside({ low, high, weight }, agreed.low), everything - best);
				assert.ok(best <= total);
			}
		}),
	);
});
