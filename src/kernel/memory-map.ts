/**
 * The kernels' memory, byte by byte. Compiled twice: as TypeScript, and into WebAssembly with the kernels; plain
 * constants only.
 *
 * A record holds one channel's parameters and accumulators, each field one 16-byte vector:
 *
 *     SCALE, SHIFT                            2 x float64, both lanes the same
 *     BOUND_SLOPE, BOUND_OFFSET               4 x float32, all lanes the same
 *     MAX_ABS, MAX_RATIO, LARGEST_X           4 x float32, lane by lane; compared as int32 (assembly/verify.ts)
 *     SUM_SQUARES, SUM_X, SUM_XX              2 x float64, lane by lane
 */
export const SCALE = 0;
export const SHIFT = 16;
export const BOUND_SLOPE = 32;
export const BOUND_OFFSET = 48;
export const MAX_ABS = 64;
export const MAX_RATIO = 80;
export const LARGEST_X = 96;
export const SUM_SQUARES = 112;
export const SUM_X = 128;
export const SUM_XX = 144;
export const RECORD_BYTES = 160;

/** Channels (or columns) that are worked on together: 80 KiB of records, which the second-level cache holds. */
export const TILE = 512;

/** Elements that are summed up before the sums are added to a record's. */
export const RUN = 1024;

/** Columns that are turned into runs together: four cache lines of a row. */
export const COLUMNS = 64;
/** Rows of such a block. */
export const COLUMN_ROWS = 128;
/** Elements from one of these runs to the next: 9 cache lines, because a power of two would put all of them into a few
 * sets of the cache. */
export const COLUMN_PITCH = COLUMN_ROWS + 16;

/** Static data of the compiled module lie below. */
const START = 4096;
const TILE_BYTES = TILE * 8;

/** Largest relative error, and largest error in ulps, of the whole layer so far: 2 x float64 each. */
export const MAX_REL = START;
export const MAX_ULP = START + 16;
/** Smallest |y| of the last run: 4 x float32. */
export const MIN_Y = START + 32;
/** Arrays of TILE float64 values, one after another: what the kernels are given, … */
export const PARAMETERS = START + 128;
export const PARAMETER_SCALE = PARAMETERS;
export const PARAMETER_SHIFT = PARAMETERS + TILE_BYTES;
export const PARAMETER_SLOPE = PARAMETERS + 2 * TILE_BYTES;
export const PARAMETER_OFFSET = PARAMETERS + 3 * TILE_BYTES;
/** Apply takes a center in place of a bound. */
export const PARAMETER_CENTER = PARAMETER_SLOPE;

/** … and what they give back. */
export const RESULTS = PARAMETERS + 4 * TILE_BYTES;
export const RESULT_MAX_ABS = RESULTS;
export const RESULT_MAX_RATIO = RESULTS + TILE_BYTES;
export const RESULT_BOUND = RESULTS + 2 * TILE_BYTES;
export const RESULT_SUM_SQUARES = RESULTS + 3 * TILE_BYTES;
export const RESULT_MEAN = RESULTS + 4 * TILE_BYTES;
export const RESULT_M2 = RESULTS + 5 * TILE_BYTES;
/** 0, or a sum of REDO_… below. */
export const RESULT_FLAGS = RESULTS + 6 * TILE_BYTES;

export const RECORDS = RESULTS + 7 * TILE_BYTES;

/** What is left of small planes put together, or columns turned into runs. */
export const RUN_X = RECORDS + TILE * RECORD_BYTES;
export const RUN_Y = RUN_X + COLUMNS * COLUMN_PITCH * 4 + 64;

/** Elements of a tensor outside the kernels' memory that are brought in at a time; all buffers fit the second level. */
export const STAGE = 16384;
export const STAGE_X = RUN_Y + COLUMNS * COLUMN_PITCH * 4 + 64;
export const STAGE_Y = STAGE_X + STAGE * 4 + 64;
/** Half-precision elements as they are, before they are widened. */
export const STAGE_HALF = STAGE_Y + STAGE * 4 + 64;

/** From here on arrays are handed out. */
export const HEAP = (STAGE_HALF + STAGE * 2 + 4095) & ~4095;

/** The channel is to be done again in full float64: something in it is not finite, or it may break its bound. */
export const REDO_ALL = 1;
/** Only its moments: too many digits cancelled. */
export const REDO_MOMENTS = 2;
