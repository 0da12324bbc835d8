import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
	packedGrid,
	repack,
	repackZeroPoints,
	unpack,
} from '../../../../../src/core/folding/operators/packed-weight.js';
import { typeCode } from '../../../../../src/core/onnx/types.js';
import { seededRandom } from '../../../../../src/engine/child/tensors/random.js';

const tensor = (type: 'uint8' | 'float32', data: ArrayLike<number>) => ({
	dataType: typeCode(type),
	dims: [data.length],
	data: Float64Array.from(data),
});

/** Bits of a code, columns, and number of codes of a block. The last block of a row is not full, or has a single byte. */
const FORMS = [
	[2, 20, 16],
	[4, 40, 16],
	[4, 33, 32],
	[8, 17, 16],
] as const;

for (const [bits, columns, blockSize] of FORMS) {
	for (const hasZeros of [false, true]) {
		test(`codes of ${bits} bits are read and written in place: ${columns} columns, zero points ${hasZeros}`, () => {
			const random = seededRandom(bits + columns);
			const rows = 3;
			const blocks = Math.ceil(columns / blockSize);
			const draw = (length: number) => Uint8Array.from({ length }, () => Math.floor(random.uniform() * 256));
			const bytes = draw((rows * blocks * blockSize * bits) / 8);
			const scales = Float32Array.from({ length: rows * blocks }, () => random.uniform() + 0.1);
			const zeros = hasZeros ? draw(rows * Math.ceil((blocks * bits) / 8)) : undefined;
			const packed = { rows, columns, bits, blockSize, scale: 's', zeroPoint: hasZeros ? 'z' : '' };
			const tensors = {
				codes: tensor('uint8', bytes),
				scales: tensor('float32', scales),
				zeroPoints: zeros && tensor('uint8', zeros),
			};
			const bitsOf = (of: Uint8Array, at: number) =>
				Array.from({ length: bits }, (_, bit) => (of[(at + bit) >> 3] >> ((at + bit) & 7)) & 1).reduceRight(
					(value, bit) => value * 2 + bit,
					0,
				);
			const grid = packedGrid(packed, tensors);
			const { weight, steps } = unpack(packed, tensors);
			// A symmetric block of few bits that reaches both ends may have lost a whole step at the upper end.
			const stepOf = (row: number, block: number) => {
				const first = row * columns + block * blockSize;
				const codes = grid.codes.slice(first, Math.min(first + blockSize, (row + 1) * columns));
				const isClipped = !zeros && bits <= 4 && codes.includes(0) && codes.includes(2 ** bits - 1);
				return scales[row * blocks + block] * (isClipped ? 2 : 1);
			};
			for (let row = 0; row < rows; row++) {
				for (let column = 0; column < columns; column++) {
					const [block, inBlock] = [Math.floor(column / blockSize), column % blockSize];
					const cell = row * blocks + block;
					const code = bitsOf(bytes, (cell * blockSize + inBlock) * bits);
					const zero = zeros ? bitsOf(zeros, row * Math.ceil((blocks * bits) / 8) * 8 + block * bits) : 2 ** (bits - 1);
					const index = row * columns + column;
					assert.deepEqual([grid.codes[index], grid.zero[cell], grid.cellOf(index)], [code, zero, cell]);
					assert.equal(weight[index], Math.fround((code - zero) * scales[cell]));
				}
				assert.equal(steps[row], Math.max(...Array.from({ length: blocks }, (_, block) => stepOf(row, block))));
			}
			assert.deepEqual(repack(packed, bytes, grid.codes), Float64Array.from(bytes));
			const others = grid.codes.map((code) => 2 ** bits - 1 - code);
			const rewritten = Uint8Array.from(repack(packed, bytes, others));
			assert.deepEqual(packedGrid(packed, { ...tensors, codes: tensor('uint8', rewritten) }).codes, others);
			const restored = repack(packed, rewritten, grid.codes);
			assert.deepEqual(restored, Float64Array.from(bytes), 'bits behind the last column stay');
			if (tensors.zeroPoints) {
				const moved = grid.zero.map((zero) => 2 ** bits - 1 - zero);
				const data = repackZeroPoints(packed, tensors.zeroPoints, moved);
				const again = { ...tensors.zeroPoints, data };
				assert.deepEqual(packedGrid(packed, { ...tensors, zeroPoints: again }).zero, moved);
				assert.deepEqual(repackZeroPoints(packed, again, grid.zero), tensors.zeroPoints.data);
			}
		});
	}
}
