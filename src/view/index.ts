/**
 * The view: a report becomes a page. It is handed an element and its document, and knows neither VS Code nor messaging.
 * What tests and other code may hold on to in the page is written down in attributes.ts.
 */
export { type Handle, PLOT_KINDS, type PlotKind } from './attributes.js';
export type { PlotImage, ViewActions } from './context.js';
export type { Progress } from './header.js';
export { View, type ViewOptions } from './page.js';
export { bringOwnPlotlyStyles } from './plots/own-styles.js';
export type { Plotly } from './plots/plotly.js';
export { parseViewState, type ViewState } from './state.js';
export { strings } from './strings.js';
