import {
	COLUMN_PITCH,
	COLUMN_ROWS,
	COLUMNS,
	DIFFERS,
	MIN_Y,
	RECORD_BYTES,
	RECORDS,
	RUN,
	RUN_X,
	RUN_Y,
	STREAMS,
	SUM_X,
	SUM_XX,
} from '../memory-map';
import { differenceRun } from './difference';
import { largest, MAGNITUDE, smallest } from './lanes';
import { predictRun } from './predict';
import { errorsUpTo, nearZeroOf } from './records';
import { mayBeLargest, relativeRun } from './relative';
import { sumRun } from './sums';

/**
 * Processes a run of a channel, see predictRun. If `length` is no multiple of 8, at least eight elements of the plane
 * lie before its end. y = 0: only sums of x.
 */
function work(x: usize, y: usize, length: i32, planes: i32, stride: usize, record: usize): void {
	sumRun(x, length, planes, stride, record);
	if (y !== 0) {
		compare(x, y, length, planes, stride, record);
		judgeRelative(x, y, length, planes, stride, record);
	}
}

function compare(x: usize, y: usize, length: i32, planes: i32, stride: usize, record: usize): void {
	predictRun(x, y, length, planes, stride, record);
	if (v128.any_true(v128.load(record, DIFFERS))) {
		differenceRun(x, y, length, planes, stride, record);
	}
}

/** Searches for a larger relative error, unless the bounds exclude it. */
function judgeRelative(x: usize, y: usize, length: i32, planes: i32, stride: usize, record: usize): void {
	const errors = errorsUpTo(record);
	const minY = v128.load(record, MIN_Y);
	if (mayBeLargest(errors, minY)) {
		const near = nearZeroOf(record, largest(errors));
		if (smallest(minY) < near) {
			relativeRun(x, y, length, planes, stride, record, near);
		}
	}
	v128.store(record, v128.load(MAGNITUDE), MIN_Y);
}

/**
 * Processes a run of n elements in RUN_X (and RUN_Y), filled up to whole octets with copies of the last element. The copies
 * change no maximum, and are subtracted from the sums.
 */
function workFilled(x: usize, y: usize, n: i32, record: usize): void {
	work(x, y, (n + 7) & ~7, 1, 0, record);
	const repeated = <f64>(-n & 7);
	const last = <f64>load<f32>(x + ((<usize>(n - 1)) << 2));
	takeOut(record + SUM_X, repeated * last);
	takeOut(record + SUM_XX, repeated * last * last);
}

function takeOut(sum: usize, part: f64): void {
	store<f64>(sum, load<f64>(sum) - part);
}

/**
 * Processes channels 0 to `channels`, each with `batch` planes of `planeSize` elements. Plane n of channel c starts `stride`
 * bytes after its plane n - 1, and `planeSize` elements after plane n of channel c - 1. y = 0: only moments of x.
 */
export function workPlanes(x: usize, y: usize, batch: i32, stride: usize, planeSize: i32, channels: i32): void {
	if (planeSize < 8) {
		for (let c = 0; c < channels; c++) {
			const first = (<usize>c * <usize>planeSize) << 2;
			workTiny(x + first, y === 0 ? 0 : y + first, batch, stride, planeSize, RECORDS + c * RECORD_BYTES);
		}
		return;
	}
	if (planeSize < RUN) {
		workSmall(x, y, batch, stride, planeSize, channels);
		return;
	}
	for (let n = 0; n < batch; n++) {
		for (let c = 0; c < channels; c++) {
			const first = <usize>n * stride + ((<usize>c * <usize>planeSize) << 2);
			for (let i = 0; i < planeSize; i += RUN) {
				const at = first + ((<usize>i) << 2);
				work(x + at, y === 0 ? 0 : y + at, min(RUN, planeSize - i), 1, 0, RECORDS + c * RECORD_BYTES);
			}
		}
	}
}

/** Processes planes of 8 to RUN - 1 elements, several in a run. */
function workSmall(x: usize, y: usize, batch: i32, stride: usize, planeSize: i32, channels: i32): void {
	const planes = max(1, min(STREAMS, RUN / planeSize));
	for (let n = 0; n < batch; n += planes) {
		const count = min(planes, batch - n);
		for (let c = 0; c < channels; c++) {
			const at = <usize>n * stride + ((<usize>c * <usize>planeSize) << 2);
			const record = RECORDS + c * RECORD_BYTES;
			sumRun(x + at, planeSize, count, stride, record);
			if (y !== 0) {
				compare(x + at, y + at, planeSize, count, stride, record);
			}
		}
	}
	if (y !== 0) {
		judgeChannels(x, y, batch, stride, planeSize, channels);
	}
}

/** Judges the channel with the smallest |y| first. Most other channels then raise no maximum. */
function judgeChannels(x: usize, y: usize, batch: i32, stride: usize, planeSize: i32, channels: i32): void {
	let first = 0;
	let least: f32 = Infinity;
	for (let c = 0; c < channels; c++) {
		const minY = smallest(v128.load(RECORDS + c * RECORD_BYTES, MIN_Y));
		first = minY < least ? c : first;
		least = min(minY, least);
	}
	for (let k = -1; k < channels; k++) {
		const c = k < 0 ? first : k;
		const at = (<usize>c * <usize>planeSize) << 2;
		judgeRelative(x + at, y + at, planeSize, batch, stride, RECORDS + c * RECORD_BYTES);
	}
}

/** Processes planes of one to seven elements, which fill no octet. Joins up to RUN / 8 of them in RUN_X and RUN_Y. */
function workTiny(x: usize, y: usize, batch: i32, stride: usize, planeSize: i32, record: usize): void {
	const planes = RUN / 8;
	for (let n = 0; n < batch; n += planes) {
		const count = min(planes, batch - n);
		const at = <usize>n * stride;
		collect(x + at, count, stride, planeSize, RUN_X);
		if (y !== 0) {
			collect(y + at, count, stride, planeSize, RUN_Y);
		}
		workFilled(RUN_X, y === 0 ? 0 : RUN_Y, count * planeSize, record);
	}
}

/** Joins the first `width` (1 to 7) elements of all rows, and appends seven copies of the last element. */
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
 * Processes columns 0 to `columns`, a channel each (rank 2) or an activation each, with a value in each of `rows` rows,
 * `stride` bytes apart. Transposes blocks of 64 columns first. Otherwise each cache line would be read 16 times, and
 * rows a power of two apart would share the same sets of the cache.
 */
export function workColumns(x: usize, y: usize, rows: i32, stride: usize, columns: i32): void {
	for (let c = 0; c < columns; c += COLUMNS) {
		const at = (<usize>c) << 2;
		for (let r = 0; r < rows; r += COLUMN_ROWS) {
			const n = min(COLUMN_ROWS, rows - r);
			const start = at + <usize>r * stride;
			transpose(x + start, n, stride, RUN_X);
			transpose(y + start, n, stride, RUN_Y);
			for (let j = 0; j < min(COLUMNS, columns - c); j++) {
				const run = (j * COLUMN_PITCH) << 2;
				workFilled(RUN_X + run, RUN_Y + run, n, RECORDS + (c + j) * RECORD_BYTES);
			}
		}
	}
}

/**
 * Transposes columns of n rows into runs, in squares of 4 x 4:
 *
 *     a b c d        a e i m
 *     e f g h   ->   b f j n     two shuffles a row: interleave pairs of rows, then pairs of the results
 *     i j k l        c g k o
 *     m n o p        d h l p
 *
 * Fills runs up to whole octets with copies of the last row. Reads up to 63 columns too many; the kernels' memory is
 * larger by that much.
 */
function transpose(from: usize, n: i32, stride: usize, to: usize): void {
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
