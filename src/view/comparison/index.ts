/** View of a comparison: shows how each layer of the original model was folded into the deployed model. */
export type { ComparisonActions } from './context.js';
export { ComparisonView, type ComparisonViewOptions } from './page.js';
export { type ComparisonState, parseComparisonState } from './state.js';
