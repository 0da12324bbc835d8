import { FLOAT_FORMATS, type FloatType } from '../core/numbers/float-formats.js';
import { checkArray } from './arrays.js';
import type { ApplyRequest, FloatData, Layout, VerifyRequest } from './types.js';

/** Number of elements. @throws {RangeError} if a size is not an integer of 0 or more */
export function elementCount({ batch, channels, planeSize }: Layout): number {
	const count = batch * channels * planeSize;
	if (![batch, channels, planeSize, count].every((n) => Number.isSafeInteger(n) && n >= 0)) {
		throw new RangeError(`A layout of ${batch} x ${channels} x ${planeSize} values is not possible.`);
	}
	return count;
}

/** @throws {RangeError} if the length of `data` is not that of `layout`, {TypeError} if it does not hold `dtype` */
export function checkTensor(name: string, data: FloatData, dtype: FloatType, layout: Layout): void {
	checkArray(name, data, dtype);
	const expected = elementCount(layout);
	if (data.length !== expected) {
		const { batch, channels, planeSize } = layout;
		throw new RangeError(
			`${name} has ${data.length} elements, but ${batch} x ${channels} x ${planeSize} values make ${expected}.`,
		);
	}
}

function checkParameters(values: Readonly<Record<string, Float64Array>>, expected: number): void {
	for (const [name, { length }] of Object.entries(values)) {
		if (length !== expected) {
			throw new RangeError(`${name} has ${length} values, but this layout needs ${expected}.`);
		}
	}
}

function parameterCount({ channels, planeSize }: Layout, perActivation: boolean | undefined): number {
	return perActivation ? channels * planeSize : channels;
}

/** Type of the output. A half type may become float32. */
function outputDtype(dtype: FloatType, out: FloatData): FloatType {
	return FLOAT_FORMATS[dtype].bytes === 2 && out instanceof Float32Array ? 'float32' : dtype;
}

export function checkApply(request: ApplyRequest): void {
	const { x, out, dtype, layout, scale, shift, center, perActivation } = request;
	checkTensor('x', x, dtype, layout);
	checkTensor('out', out, outputDtype(dtype, out), layout);
	checkParameters({ scale, shift, ...(center && { center }) }, parameterCount(layout, perActivation));
}

export function checkVerify(request: VerifyRequest): void {
	const { x, y, dtype, layout, scale, shift, boundSlope, boundOffset, likely, perActivation } = request;
	checkTensor('x', x, dtype, layout);
	checkTensor('y', y, dtype, layout);
	const expected = parameterCount(layout, perActivation);
	checkParameters({ scale, shift, boundSlope, boundOffset }, expected);
	if (likely) {
		checkParameters({ 'likely.scale': likely.scale, 'likely.shift': likely.shift }, expected);
	}
	checkBound('boundSlope', boundSlope);
	checkBound('boundOffset', boundOffset);
}

function checkBound(name: string, values: Float64Array): void {
	for (let i = 0; i < values.length; i++) {
		if (!(values[i] >= 0)) {
			throw new RangeError(`${name}[${i}] is ${values[i]}, but an allowed error is 0 or more.`);
		}
	}
}
