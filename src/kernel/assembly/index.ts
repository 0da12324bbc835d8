// The module's exports; simd.ts says what they take.
export { applyColumns, applyPlanes } from './apply';
export { columnMoments } from './columns';
export { widenBfloat16, widenFloat16 } from './half';
export { workColumns, workPlanes } from './planes';
export { finishMoments, finishRecords, startRecords } from './records';
export { largestRel, largestUlp, startLayer } from './relative';
