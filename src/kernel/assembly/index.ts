// Exports of the module; compiled.ts declares their types.
export { applyColumns, applyPlanes } from './apply';
export { columnMoments } from './columns';
export { widenBfloat16, widenFloat16 } from './half';
export { workColumns, workPlanes } from './planes';
export { finishMoments, finishRecords, startRecords } from './records';
export { largestRel, largestUlp, startLayer } from './relative';
