import {
	DIFFERENT,
	DIFFERS,
	ERROR_OFFSET,
	ERROR_SLOPE,
	LARGEST_DIFFERENCE,
	LARGEST_EXCESS,
	LARGEST_X,
	MAGNITUDE_SLOPE,
	MIN_Y,
	PARAMETER_LIKELY_SCALE,
	PARAMETER_LIKELY_SHIFT,
	PARAMETER_OFFSET,
	PARAMETER_SCALE,
	PARAMETER_SHIFT,
	PARAMETER_SLOPE,
	RECORD_BYTES,
	RECORDS,
	REDO_ALL,
	REDO_MOMENTS,
	RESULT_BOUND,
	RESULT_FLAGS,
	RESULT_M2,
	RESULT_MAX_ABS,
	RESULT_MEAN,
	RESULT_RATIO,
	RESULT_SQUARES,
	RUN,
	SCALE,
	SHIFT,
	STREAMS,
	SUM_X,
	SUM_XX,
} from '../memory-map';
import { largest, MAGNITUDE, sum } from './lanes';
import { nearZero } from './relative';

// Bound on |y - ref| for y = r, the prediction, and ref = s x + t. With the likely scale and shift S and T in float32,
// u = 2^-24 and e = 2^-150 (half the smallest positive float32; sums never underflow inexactly):
//
//     p = fl(S x) = S x (1 + d) + e'         |d| <= u, |e'| <= e
//     r = fl(p + T) = (p + T)(1 + d')        |d'| <= u
//     |r - ref| <= |S - s||x| + |T - t| + ulp(p) / 2 + ulp(r) / 2
//               <= (|S - s| + 2 u (1 + u)|S|)|x| + |T - t| + u|T| + 2 e     =: slope |x| + offset
//
// For y other than r, |y - ref| <= |y - r| + slope |x| + offset.
const U: f64 = 1.0 / 16777216.0;
/** 2^-149, the smallest positive float32. */
const TINY = reinterpret<f64>(<u64>0x36a0000000000000);
/** Factors that cover the rounding of a few float32 operations. */
const UP: f64 = 1.0 + 1.0 / 1048576.0;
const DOWN: f64 = 1.0 - 1.0 / 1048576.0;

/** Slope of the bound derived above, in float32, rounded up. */
function errorSlope(at: usize): f32 {
	const likely = load<f64>(at, PARAMETER_LIKELY_SCALE);
	const scale = <f64>(<f32>likely);
	return <f32>((abs(scale - load<f64>(at, PARAMETER_SCALE)) + 2 * U * abs(scale)) * UP + TINY);
}

/** Offset of the bound derived above, in float32, rounded up. */
function errorOffset(at: usize): f32 {
	const shift = <f64>(<f32>load<f64>(at, PARAMETER_LIKELY_SHIFT));
	return <f32>((abs(shift - load<f64>(at, PARAMETER_SHIFT)) + U * abs(shift)) * UP + 2 * TINY);
}

/** Resets the records of the first n channels from PARAMETERS. */
export function startRecords(n: i32): void {
	const zero = i32x4.splat(0);
	for (let c = 0; c < n; c++) {
		const record = RECORDS + c * RECORD_BYTES;
		const at = (<usize>c) << 3;
		const slope = errorSlope(at);
		v128.store(record, f32x4.splat(<f32>load<f64>(at, PARAMETER_LIKELY_SCALE)), SCALE);
		v128.store(record, f32x4.splat(<f32>load<f64>(at, PARAMETER_LIKELY_SHIFT)), SHIFT);
		v128.store(record, f32x4.splat(slope), ERROR_SLOPE);
		v128.store(record, f32x4.splat(errorOffset(at)), ERROR_OFFSET);
		v128.store(record, f32x4.splat(<f32>((load<f64>(at, PARAMETER_SLOPE) - <f64>slope) * DOWN)), MAGNITUDE_SLOPE);
		v128.store(record, zero, DIFFERS);
		v128.store(record, zero, LARGEST_X);
		v128.store(record, zero, LARGEST_DIFFERENCE);
		v128.store(record, f32x4.splat(-Infinity), LARGEST_EXCESS);
		v128.store(record, v128.load(MAGNITUDE), MIN_Y);
		v128.store(record, zero, SUM_X);
		v128.store(record, zero, SUM_XX);
	}
}

/** Upper limit of every error so far, lane by lane. */
export function errorsUpTo(record: usize): v128 {
	const rounding = f32x4.mul(v128.load(record, LARGEST_X), v128.load(record, ERROR_SLOPE));
	return f32x4.add(v128.load(record, LARGEST_DIFFERENCE), f32x4.add(rounding, v128.load(record, ERROR_OFFSET)));
}

/** Calls nearZero for a record. `error`: upper limit of the error of every element of the channel so far. */
export function nearZeroOf(record: usize, error: f32): f32 {
	const slope = <f64>f32x4.extract_lane(v128.load(record, ERROR_SLOPE), 0);
	const offset = <f64>f32x4.extract_lane(v128.load(record, ERROR_OFFSET), 0);
	const scale = abs(<f64>f32x4.extract_lane(v128.load(record, SCALE), 0));
	const shift = abs(<f64>f32x4.extract_lane(v128.load(record, SHIFT), 0));
	const difference = <f64>largest(v128.load(record, LARGEST_DIFFERENCE));
	return nearZero(slope, offset + difference, scale, shift, error);
}

/** Writes the moments of n channels to RESULTS. `count`: number of values of each channel, in at most `runs` runs. */
export function finishMoments(n: i32, count: f64, runs: i32): void {
	const share = 1 / count;
	const cancelled = cancellation(runs);
	for (let c = 0; c < n; c++) {
		const record = RECORDS + c * RECORD_BYTES;
		const at = (<usize>c) << 3;
		const total = sum(v128.load(record, SUM_X));
		const squares = sum(v128.load(record, SUM_XX));
		const mean = total * share;
		const m2 = squares - total * mean;
		store<f64>(at, mean, RESULT_MEAN);
		store<f64>(at, m2, RESULT_M2);
		// Sums of float32 never overflow float64. A non-finite sum therefore has a non-finite element.
		const finite = abs(total) < Infinity;
		store<f64>(at, finite ? (m2 < squares * cancelled ? REDO_MOMENTS : 0) : REDO_ALL, RESULT_FLAGS);
	}
}

/** Writes moments, errors and flags of n channels to RESULTS. */
export function finishRecords(n: i32, count: f64, runs: i32): void {
	finishMoments(n, count, runs);
	for (let c = 0; c < n; c++) {
		const record = RECORDS + c * RECORD_BYTES;
		const at = (<usize>c) << 3;
		const differs = v128.any_true(v128.load(record, DIFFERS));
		const largestX = <f64>largest(v128.load(record, LARGEST_X));
		const difference = differs ? <f64>largest(v128.load(record, LARGEST_DIFFERENCE)) : 0;
		const bound = load<f64>(at, PARAMETER_SLOPE) * largestX + load<f64>(at, PARAMETER_OFFSET);
		const error = min(bound, largestError(at, largestX, difference));
		store<f64>(at, error, RESULT_MAX_ABS);
		store<f64>(at, bound, RESULT_BOUND);
		// Upper limits, as in VerifyAccumulator. Uncertain channels are computed again.
		store<f64>(at, error > 0 ? error / bound : 0, RESULT_RATIO);
		store<f64>(at, count * error * error, RESULT_SQUARES);
		const certain = difference < Infinity && isInRange(at, largestX) && isWithinBound(at, record, differs);
		const flags = certain ? load<f64>(at, RESULT_FLAGS) : <f64>REDO_ALL;
		store<f64>(at, flags + (differs ? DIFFERENT : 0), RESULT_FLAGS);
	}
}

/** Half an ulp of float32 at v. */
function halfUlp(v: f64): f64 {
	const power = reinterpret<f64>(reinterpret<u64>(v) & 0x7ff0000000000000);
	return max(power * U, TINY / 2);
}

/** Bound derived above, with the rounding at the largest |x|, for y at most `difference` from the prediction. */
function largestError(at: usize, largestX: f64, difference: f64): f64 {
	const scale = <f64>(<f32>load<f64>(at, PARAMETER_LIKELY_SCALE));
	const shift = <f64>(<f32>load<f64>(at, PARAMETER_LIKELY_SHIFT));
	const product = abs(scale) * largestX;
	const parameters =
		abs(scale - load<f64>(at, PARAMETER_SCALE)) * largestX + abs(shift - load<f64>(at, PARAMETER_SHIFT));
	// A product with 0 is exact.
	const rounding = product > 0 ? halfUlp(product * UP) + halfUlp((product + abs(shift)) * UP) : 0;
	return (difference + parameters + rounding) * UP;
}

/**
 * True if every element is within its bound. If y equals the prediction, comparing slopes and offsets shows it.
 * Otherwise the difference must be at most the rest of the bound at each |x|.
 */
function isWithinBound(at: usize, record: usize, differs: bool): bool {
	const slope = f32x4.extract_lane(v128.load(record, MAGNITUDE_SLOPE), 0);
	const left = <f32>((load<f64>(at, PARAMETER_OFFSET) - <f64>errorOffset(at)) * DOWN);
	if (!(slope >= 0 && left >= 0)) {
		return false;
	}
	const excess = v128.load(record, LARGEST_EXCESS);
	return !differs || i32x4.all_true(f32x4.le(excess, f32x4.splat(left)));
}

/** True if x and parameters are finite and far from overflow. False for NaN. */
function isInRange(at: usize, largestX: f64): bool {
	const huge: f64 = 1e30;
	const scale = abs(load<f64>(at, PARAMETER_SCALE));
	const shift = abs(load<f64>(at, PARAMETER_SHIFT));
	return (
		largestX < Infinity &&
		scale < huge &&
		shift < huge &&
		largestX * scale < 1e37 &&
		load<f64>(at, PARAMETER_SLOPE) < huge
	);
}

/**
 * Returns the share of sum x^2 below which m2 = sum x^2 - (sum x)^2 / n has lost too many digits.
 *
 * With u = 2^-53: a run adds at most RUN / 8 sums of four and 2 STREAMS sums of two in a lane. A channel adds `runs` such
 * sums, and as many of the last elements of planes. So the error of each of the two sums is at most (RUN / 8 + 2 STREAMS +
 * 2 runs + 4) u times the sum of its terms' magnitudes; x^2 is exact. As (sum |x|)^2 <= n sum x^2, the error of m2 is below
 * 4 (…) u sum x^2. m2 is kept if that is below 2^-28 of m2.
 */
function cancellation(runs: i32): f64 {
	const unit: f64 = 1.0 / 9007199254740992.0;
	const additions = <f64>(RUN / 8 + 2 * STREAMS + 4) + 2.0 * <f64>runs;
	return additions * (4.0 * 268435456.0 * unit);
}
