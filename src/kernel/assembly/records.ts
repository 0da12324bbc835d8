import {
	BOUND_OFFSET,
	BOUND_SLOPE,
	LARGEST_X,
	MAX_ABS,
	MAX_RATIO,
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
	RESULT_MAX_RATIO,
	RESULT_MEAN,
	RESULT_SUM_SQUARES,
	RUN,
	SCALE,
	SHIFT,
	SUM_SQUARES,
	SUM_X,
	SUM_XX,
} from '../memory-map';
import { largest, sum } from './lanes';

/** Empty records of the first n channels, with the parameters that wait in PARAMETERS. */
export function startRecords(n: i32): void {
	const zero = i32x4.splat(0);
	for (let c = 0; c < n; c++) {
		const record = RECORDS + c * RECORD_BYTES;
		const at = (<usize>c) << 3;
		v128.store(record, v128.load64_splat(at, PARAMETER_SCALE), SCALE);
		v128.store(record, v128.load64_splat(at, PARAMETER_SHIFT), SHIFT);
		v128.store(record, f32x4.splat(<f32>load<f64>(at, PARAMETER_SLOPE)), BOUND_SLOPE);
		v128.store(record, f32x4.splat(<f32>load<f64>(at, PARAMETER_OFFSET)), BOUND_OFFSET);
		v128.store(record, zero, MAX_ABS);
		v128.store(record, zero, MAX_RATIO);
		v128.store(record, zero, LARGEST_X);
		v128.store(record, zero, SUM_SQUARES);
		v128.store(record, zero, SUM_X);
		v128.store(record, zero, SUM_XX);
	}
}

/** The records of n channels as arrays in RESULTS. `count`: values that went into each. */
export function finishRecords(n: i32, count: f64): void {
	const share = 1 / count;
	const cancelled = cancellation(count);
	for (let c = 0; c < n; c++) {
		const record = RECORDS + c * RECORD_BYTES;
		const at = (<usize>c) << 3;
		const maxAbs = largest(v128.load(record, MAX_ABS));
		const maxRatio = largest(v128.load(record, MAX_RATIO));
		const largestX = largest(v128.load(record, LARGEST_X));
		const total = sum(v128.load(record, SUM_X));
		const squares = sum(v128.load(record, SUM_XX));
		const mean = total * share;
		const m2 = squares - total * mean;
		store<f64>(at, <f64>maxAbs, RESULT_MAX_ABS);
		store<f64>(at, <f64>maxRatio, RESULT_MAX_RATIO);
		store<f64>(at, load<f64>(at, PARAMETER_SLOPE) * <f64>largestX + load<f64>(at, PARAMETER_OFFSET), RESULT_BOUND);
		store<f64>(at, sum(v128.load(record, SUM_SQUARES)), RESULT_SUM_SQUARES);
		store<f64>(at, mean, RESULT_MEAN);
		store<f64>(at, m2, RESULT_M2);
		const doubtful = isDoubtful(at, maxAbs, maxRatio, largestX);
		const redo = doubtful ? REDO_ALL : m2 < squares * cancelled ? REDO_MOMENTS : 0;
		store<f64>(at, <f64>redo, RESULT_FLAGS);
	}
}

/**
 * Share of sum x^2 below which m2 = sum x^2 - (sum x)^2 / n has lost too many digits.
 *
 * With u = 2^-53, each run adds up at most RUN / 4 + 3 pairs in a lane and each channel at most 2 n / RUN + 1 runs (some
 * of them short), so each of the two sums is off by at most (RUN / 4 + 2 n / RUN + 8) u times the sum of its terms'
 * magnitudes; x^2 is exact. As (sum |x|)^2 <= n sum x^2, m2 is off by less than 4 (…) u sum x^2. It is kept where that is
 * below 2^-28 of m2 itself.
 */
function cancellation(count: f64): f64 {
	const unit: f64 = 1.0 / 9007199254740992.0;
	const additions = <f64>(RUN / 4 + 8) + (2.0 / <f64>RUN) * count;
	return additions * (4.0 * 268435456.0 * unit);
}

/**
 * Whether float32 lanes may have misjudged this channel: something not finite, sums of squares that left float32's
 * range, parameters near its end, or a ratio that its rounding (2^-22) could put on the wrong side of 1. Negated
 * comparisons, so that NaN is doubtful.
 */
function isDoubtful(at: usize, maxAbs: f32, maxRatio: f32, largestX: f32): bool {
	const huge: f64 = 1e30;
	return (
		!(maxAbs < <f32>1e18) ||
		(maxAbs < <f32>2e-19 && maxAbs > 0) ||
		!(maxRatio < <f32>0.99999) ||
		!(largestX < Infinity) ||
		!(abs(load<f64>(at, PARAMETER_SCALE)) < huge) ||
		!(abs(load<f64>(at, PARAMETER_SHIFT)) < huge) ||
		!(load<f64>(at, PARAMETER_SLOPE) < huge)
	);
}
