/**
 * The kernels' memory, byte by byte. Compiled twice: as TypeScript, and into WebAssembly with the kernels; plain
 * constants only.
 *
 * A record holds one channel's parameters and accumulators, each field one 16-byte vector:
 *
 *     SCALE, SHIFT                              4 x float32, all lanes the same: the likely ones
 *     ERROR_SLOPE, ERROR_OFFSET                 4 x float32: how far a predicted y may be from the exact one
 *     MAGNITUDE_SLOPE                           4 x float32: what the bound's slope leaves to y that are not as predicted
 *     DIFFERS                                   bits that differed from those predicted
 *     LARGEST_X, LARGEST_DIFFERENCE, MIN_Y      4 x float32, lane by lane; compared as int32 (assembly/predict.ts)
 *     LARGEST_EXCESS                            4 x float32, lane by lane
 *     SUM_X, SUM_XX                             2 x float64, lane by lane
 */
export const SCALE = 0;
export const SHIFT = 16;
export const ERROR_SLOPE = 32;
export const ERROR_OFFSET = 48;
export const MAGNITUDE_SLOPE = 64;
export const DIFFERS = 80;
export const LARGEST_X = 96;
export const LARGEST_DIFFERENCE = 112;
export const LARGEST_EXCESS = 128;
export const SUM_X = 144;
export const SUM_XX = 160;
export const MIN_Y = 176;
export const RECORD_BYTES = 192;

/** Channels (or columns) that are worked on together: 96 KiB of records, which the second-level cache holds. */
export const TILE = 512;

/** Elements that are summed up before the sums are added to a record's. */
export const RUN = 1024;

/**
 * Small planes of a channel that make a run, at most: x and y of a few images are read side by side, each from front to
 * back. More of them, where images are a power of two apart, share too few lines of the first-level cache.
 */
export const STREAMS = 4;

/** Columns that are turned into runs together: four cache lines of a row. */
export const COLUMNS = 64;
/** Rows of such a block. */
export const COLUMN_ROWS = 128;
/** Elements from one of these runs to the next: 9 cache lines, because a power of two would put all of them into a few
 * sets of the cache. */
export const COLUMN_PITCH = COLUMN_ROWS + 16;

/** Static data of the compiled module lie below. */
const START = 4096;
/** From one array of TILE float64 values to the next: a power of two would put all of them into one set of the first-level
 * cache, which has room for eight lines. */
const TILE_BYTES = TILE * 8 + 192;

/** Largest relative error, and largest error in ulps, of the whole layer so far: 2 x float64 each. */
export const MAX_REL = START;
export const MAX_ULP = START + 16;
/** Arrays of TILE float64 values, one after another: what the kernels are given, … */
export const PARAMETERS = START + 128;
export const PARAMETER_SCALE = PARAMETERS;
export const PARAMETER_SHIFT = PARAMETERS + TILE_BYTES;
export const PARAMETER_SLOPE = PARAMETERS + 2 * TILE_BYTES;
export const PARAMETER_OFFSET = PARAMETERS + 3 * TILE_BYTES;
export const PARAMETER_LIKELY_SCALE = PARAMETERS + 4 * TILE_BYTES;
export const PARAMETER_LIKELY_SHIFT = PARAMETERS + 5 * TILE_BYTES;
/** Apply takes a center in place of a bound. */
export const PARAMETER_CENTER = PARAMETER_SLOPE;

/** … and what they give back. */
export const RESULTS = PARAMETERS + 6 * TILE_BYTES;
export const RESULT_MAX_ABS = RESULTS;
export const RESULT_BOUND = RESULTS + TILE_BYTES;
export const RESULT_MEAN = RESULTS + 2 * TILE_BYTES;
export const RESULT_M2 = RESULTS + 3 * TILE_BYTES;
/** 0, or a sum of REDO_… and DIFFERENT below. */
export const RESULT_FLAGS = RESULTS + 4 * TILE_BYTES;
export const RESULT_RATIO = RESULTS + 5 * TILE_BYTES;
export const RESULT_SQUARES = RESULTS + 6 * TILE_BYTES;

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
/** Nothing to be done: some of its y are not, bit for bit, the predicted ones. */
export const DIFFERENT = 4;
