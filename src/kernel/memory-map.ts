/**
 * Layout of the kernels' memory, in bytes. Compiled twice, as TypeScript and into WebAssembly with the kernels, so it
 * contains plain constants only.
 *
 * A record holds one channel's parameters and accumulators, each field a 16-byte vector:
 *
 *     SCALE, SHIFT                              4 x float32, all lanes equal: the likely parameters
 *     ERROR_SLOPE, ERROR_OFFSET                 4 x float32: bound on |predicted y - exact y|
 *     MAGNITUDE_SLOPE                           4 x float32: bound's slope less ERROR_SLOPE, for y that differ from the prediction
 *     DIFFERS                                   bits in which y differed from the prediction
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

/** Channels (or columns) that are processed together. Their records take 96 KiB, which fit in the second-level cache. */
export const TILE = 512;

/** Elements of a run. Its sums are then added to the record's. */
export const RUN = 1024;

/**
 * Maximum number of small planes of a channel in a run. x and y of the images are read side by side. If images are a power
 * of two apart, more planes would compete for the same few lines of the first-level cache.
 */
export const STREAMS = 4;

/** Columns transposed into runs together: four cache lines. */
export const COLUMNS = 64;
/** Rows of such a block. */
export const COLUMN_ROWS = 128;
/**
 * Elements from a run's start to the next: 9 cache lines. A power of two would map all runs to a few sets of the cache.
 */
export const COLUMN_PITCH = COLUMN_ROWS + 16;

/** The compiled module's static data lies below. */
const START = 4096;
/**
 * Bytes from the start of an array of TILE float64 values to the next. A power of two would map all arrays to the same
 * set of the first-level cache, which holds eight lines.
 */
const TILE_BYTES = TILE * 8 + 192;

/** Largest relative error and largest error in ulps of the layer: 2 x float64 each. */
export const MAX_REL = START;
export const MAX_ULP = START + 16;
/** Consecutive input arrays of TILE float64 values, indexed by unit. */
export const PARAMETERS = START + 128;
export const PARAMETER_SCALE = PARAMETERS;
export const PARAMETER_SHIFT = PARAMETERS + TILE_BYTES;
export const PARAMETER_SLOPE = PARAMETERS + 2 * TILE_BYTES;
export const PARAMETER_OFFSET = PARAMETERS + 3 * TILE_BYTES;
export const PARAMETER_LIKELY_SCALE = PARAMETERS + 4 * TILE_BYTES;
export const PARAMETER_LIKELY_SHIFT = PARAMETERS + 5 * TILE_BYTES;
/** Apply takes a center in place of a bound. */
export const PARAMETER_CENTER = PARAMETER_SLOPE;

/** Consecutive output arrays of TILE float64 values, indexed by unit. */
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

/** Workspace for small planes put together, or columns transposed into runs. */
export const RUN_X = RECORDS + TILE * RECORD_BYTES;
export const RUN_Y = RUN_X + COLUMNS * COLUMN_PITCH * 4 + 64;

/** Elements copied at once from a tensor outside of the kernels' memory. All buffers fit in the second-level cache. */
export const STAGE = 16384;
export const STAGE_X = RUN_Y + COLUMNS * COLUMN_PITCH * 4 + 64;
export const STAGE_Y = STAGE_X + STAGE * 4 + 64;
/** Half-precision elements before they are widened. */
export const STAGE_HALF = STAGE_Y + STAGE * 4 + 64;

/** Start of the allocated arrays. */
export const HEAP = (STAGE_HALF + STAGE * 2 + 4095) & ~4095;

/** Compute the whole channel again in float64: not finite, or perhaps above its bound. */
export const REDO_ALL = 1;
/** Compute only the moments again: too many digits canceled. */
export const REDO_MOMENTS = 2;
/** Some y differ from their prediction. This alone requires no second computation. */
export const DIFFERENT = 4;
