import type { FloatType } from '../core/numbers/float-formats.js';
import { emptyMoments, type Moments } from '../core/numbers/moments.js';
import { toHalf } from '../core/numbers/small-floats.js';
import { VerifyAccumulator } from './accumulator.js';
import { createArray } from './arrays.js';
import { takeExactMoments } from './moments.js';
import { checkApply, checkTensor, checkVerify } from './request.js';
import { matrixOf, readSpan } from './spans.js';
import type { ApplyRequest, FloatData, Kernel, Layout, StatisticsAxes, VerifyRequest } from './types.js';

/** Kernel in plain TypeScript, for float64 and for engines without WebAssembly SIMD. */
export class ScalarKernel implements Kernel {
	readonly kind = 'scalar';

	verify(request: VerifyRequest) {
		checkVerify(request);
		const accumulator = new VerifyAccumulator(request);
		for (let unit = 0; unit < accumulator.matrix.units; unit++) {
			accumulator.addUnit(unit);
		}
		return accumulator.finish();
	}

	apply(request: ApplyRequest): void {
		checkApply(request);
		const { dtype, layout, scale, shift, center, perActivation, out } = request;
		const { batch, channels, planeSize } = layout;
		const half = out instanceof Uint16Array && (dtype === 'float16' || dtype === 'bfloat16');
		const parameters = perActivation ? channels * planeSize : channels;
		const length = perActivation ? 1 : planeSize;
		const image = parameters * length;
		for (let n = 0; n < batch; n++) {
			const { values, at } = readSpan(request.x, dtype, { start: n * image, stride: 1, length: image });
			for (let p = 0, i = 0; p < parameters; p++) {
				const s = scale[p];
				const t = shift[p];
				const c = center ? center[p] : 0;
				for (const end = i + length; i < end; i++) {
					const value = s * (values[at.start + i] - c) + t;
					out[n * image + i] = half ? toHalf(value, dtype) : value;
				}
			}
		}
	}

	moments(x: FloatData, dtype: FloatType, layout: Layout, axes: StatisticsAxes = 'channel'): Moments {
		checkTensor('x', x, dtype, layout);
		const matrix = matrixOf(layout, axes);
		const moments = emptyMoments(matrix.units);
		for (let unit = 0; unit < matrix.units; unit++) {
			takeExactMoments(moments, unit, { data: x, dtype, matrix });
		}
		return moments;
	}

	allocate(dtype: FloatType, length: number): FloatData {
		return createArray(dtype, length);
	}

	reserve(): void {}

	reset(): void {}

	borrow(bytes: number): Uint8Array {
		return new Uint8Array(bytes);
	}
}
