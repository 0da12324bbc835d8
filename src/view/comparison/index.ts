/** The view of a comparison: what became of every BatchNormalization in a deployed model. */
export type { ComparisonActions } from './context.js';
export { ComparisonView, type ComparisonViewOptions } from './page.js';
export { type ComparisonState, parseComparisonState } from './state.js';
