import {
	COLUMN_PITCH,
	COLUMN_ROWS,
	COLUMNS,
	MAX_ABS,
	MIN_Y,
	RECORD_BYTES,
	RECORDS,
	RUN,
	RUN_X,
	RUN_Y,
	SCALE,
	SHIFT,
	SUM_SQUARES,
	SUM_X,
	SUM_XX,
} from '../memory-map';
import { largest, smallest } from './lanes';
import { mayBeLargest, relativeRun } from './relative';
import { sumRun } from './sums';
import { verifyRun } from './verify';

/** A run of one channel, see verifyRun; y = 0: only its sums. */
function work(x: usize, y: usize, octets: i32, planes: i32, stride: usize, record: usize): void {
	if (y === 0) {
		sumRun(x, octets, planes, stride, record);
		return;
	}
	verifyRun(x, y, octets, planes, stride, record);
	const error = largest(v128.load(record, MAX_ABS));
	if (mayBeLargest(error, smallest(v128.load(MIN_Y)))) {
		relativeRun(x, y, octets, planes, stride, record, error);
	}
}

/**
 * A run of n elements in RUN_X (and RUN_Y), filled up to whole octets with repetitions of the last. Maxima do not notice
 * those; what they put into the sums is taken out again.
 */
function workFilled(x: usize, y: usize, n: i32, record: usize): void {
	work(x, y, (n + 7) >> 3, 1, 0, record);
	const repeated = <f64>(-n & 7);
	const lastX = <f64>load<f32>(x + ((<usize>(n - 1)) << 2));
	takeOut(record + SUM_X, repeated * lastX);
	takeOut(record + SUM_XX, repeated * lastX * lastX);
	if (y !== 0) {
		const lastY = <f64>load<f32>(y + ((<usize>(n - 1)) << 2));
		const error = load<f64>(record, SCALE) * lastX + load<f64>(record, SHIFT) - lastY;
		takeOut(record + SUM_SQUARES, repeated * error * error);
	}
}

function takeOut(sum: usize, part: f64): void {
	store<f64>(sum, load<f64>(sum) - part);
}

/**
 * Channels 0 to `channels`, each with its `batch` planes of `inner` elements: channel c's plane n starts `stride` bytes
 * after its plane n - 1 and `inner` elements after channel c - 1's. y = 0: moments of x only.
 */
export function workPlanes(x: usize, y: usize, batch: i32, stride: usize, inner: i32, channels: i32): void {
	const whole = inner & ~7;
	for (let c = 0; c < channels; c++) {
		const record = RECORDS + c * RECORD_BYTES;
		const first = (<usize>c * <usize>inner) << 2;
		const ys: usize = y === 0 ? 0 : y + first;
		// Either several planes in a run or several runs to a plane.
		const planes = max(1, RUN / max(1, whole));
		for (let n = 0; n < batch && whole > 0; n += planes) {
			const plane = <usize>n * stride;
			for (let i = 0; i < whole; i += RUN) {
				const at = plane + ((<usize>i) << 2);
				const octets = min(RUN, whole - i) >> 3;
				work(x + first + at, ys === 0 ? 0 : ys + at, octets, min(planes, batch - n), stride, record);
			}
		}
		if (inner > whole) {
			workRest(x + first, ys, batch, stride, inner, record);
		}
	}
}

/** The last one to seven elements of each plane, which fill no octet, put together. */
function workRest(x: usize, y: usize, batch: i32, stride: usize, inner: i32, record: usize): void {
	const rest = inner & 7;
	const last = (<usize>(inner - rest)) << 2;
	const planes = RUN / 8;
	for (let n = 0; n < batch; n += planes) {
		const count = min(planes, batch - n);
		const at = last + <usize>n * stride;
		collect(x + at, count, stride, rest, RUN_X);
		if (y !== 0) {
			collect(y + at, count, stride, rest, RUN_Y);
		}
		workFilled(RUN_X, y === 0 ? 0 : RUN_Y, count * rest, record);
	}
}

/** The first `width` (1 to 7) elements of each row one after another, and the last of them seven times more. */
function collect(from: usize, rows: i32, stride: usize, width: i32, to: usize): void {
	const bytes = (<usize>width) << 2;
	for (let r = 0; r < rows; r++) {
		for (let i: usize = 0; i < bytes; i += 4) {
			store<f32>(to + i, load<f32>(from + i));
		}
		from += stride;
		to += bytes;
	}
	const last = v128.load32_splat(to - 4);
	v128.store(to, last);
	v128.store(to, last, 16);
}

/**
 * Columns 0 to `columns`, each a channel of its own with one value in each of `rows` rows, `stride` bytes apart (rank
 * 2, or one statistic per activation). A block of 64 columns is turned first: what was next to each other in a row would
 * otherwise be taken out of one cache line 16 times, and rows that are a power of two apart share the same sets of the cache.
 */
export function workColumns(x: usize, y: usize, rows: i32, stride: usize, columns: i32): void {
	for (let c = 0; c < columns; c += COLUMNS) {
		const at = (<usize>c) << 2;
		for (let r = 0; r < rows; r += COLUMN_ROWS) {
			const n = min(COLUMN_ROWS, rows - r);
			const start = at + <usize>r * stride;
			turn(x + start, n, stride, RUN_X);
			turn(y + start, n, stride, RUN_Y);
			for (let j = 0; j < min(COLUMNS, columns - c); j++) {
				const run = (j * COLUMN_PITCH) << 2;
				workFilled(RUN_X + run, RUN_Y + run, n, RECORDS + (c + j) * RECORD_BYTES);
			}
		}
	}
}

/**
 * Columns of n rows into runs, in squares of 4 x 4:
 *
 *     a b c d        a e i m
 *     e f g h   ->   b f j n     two shuffles a row: pairs of rows interleaved, then pairs of those
 *     i j k l        c g k o
 *     m n o p        d h l p
 *
 * Runs are filled up to whole octets with repetitions of the last row. Up to 63 columns too many are read, which the
 * kernels' memory leaves room for.
 */
function turn(from: usize, n: i32, stride: usize, to: usize): void {
	for (let r = 0; r < n + 4; r += 4) {
		for (let c = 0; c < COLUMNS; c += 4) {
			const at = from + ((<usize>c) << 2);
			const row0 = v128.load(at + <usize>min(r, n - 1) * stride);
			const row1 = v128.load(at + <usize>min(r + 1, n - 1) * stride);
			const row2 = v128.load(at + <usize>min(r + 2, n - 1) * stride);
			const row3 = v128.load(at + <usize>min(r + 3, n - 1) * stride);
			const low01 = v128.shuffle<i32>(row0, row1, 0, 4, 1, 5);
			const high01 = v128.shuffle<i32>(row0, row1, 2, 6, 3, 7);
			const low23 = v128.shuffle<i32>(row2, row3, 0, 4, 1, 5);
			const high23 = v128.shuffle<i32>(row2, row3, 2, 6, 3, 7);
			const run = to + ((<usize>(c * COLUMN_PITCH + r)) << 2);
			v128.store(run, v128.shuffle<i64>(low01, low23, 0, 2));
			v128.store(run + 4 * COLUMN_PITCH, v128.shuffle<i64>(low01, low23, 1, 3));
			v128.store(run + 8 * COLUMN_PITCH, v128.shuffle<i64>(high01, high23, 0, 2));
			v128.store(run + 12 * COLUMN_PITCH, v128.shuffle<i64>(high01, high23, 1, 3));
		}
	}
}
