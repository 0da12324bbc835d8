/**
 * The view turns a report into a page. It gets an element and its document, and knows neither VS Code nor messages.
 * ui/attributes.ts lists the handles in the page that tests and other code may rely on.
 */

export type { ViewActions } from './model/context.js';
export { View, type ViewOptions } from './model/page.js';
export { parseViewState, type ViewState } from './model/state.js';
export { bringOwnPlotlyStyles } from './plots/own-styles.js';
export type { Plotly } from './plots/plotly.js';
export type { PlotImage } from './shared/context.js';
export type { Progress } from './shared/page-header.js';
export { type Handle, PLOT_KINDS, type PlotKind } from './ui/attributes.js';
