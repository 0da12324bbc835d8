/**
 * Handles that tests and styles rely on, as `data-bnl="…"`. Class names may change at any time.
 *
 * | data-bnl | element | further attributes |
 * |---|---|---|
 * | page | the root that the view fills | data-layout="page" or "embedded" |
 * | title | file name of the model | |
 * | answer | the answer in one sentence | data-severity |
 * | data | the sentence on the data of the run | |
 * | facts, fact | kinds of warnings and errors as buttons that limit the table | fact: data-code, data-severity, aria-pressed |
 * | finding-filter | choice of a finding that limits the table | |
 * | compared | disclosure: objects of the comparison | |
 * | run | result of the run, or why there is none | data-status = pending, ok, failed, skipped |
 * | progress | progress of the run, hidden otherwise | data-stage |
 * | cancel, run-again, run-options, compare, reestimate, preprocess, more-images, explain-axes, inference, show-log, trust | buttons | run-options: aria-expanded |
 * | run-form | form of run options; form-run applies it | |
 * | form-input | values of an input | data-input = its position |
 * | choose-files | buttons of an input | data-input, data-from = files, folder, random |
 * | form-field | a field | data-field = batch, dimension, seed, random, normalize, colors, mean, deviation, memory |
 * | failure | sentence in place of the content | |
 * | banner | warning above the last content that could be read | |
 * | empty | the model has no BatchNormalization | |
 * | heatmap | layers x channels overview | data-metric, data-drawn |
 * | heatmap-metric | choice of the metric of the overview | |
 * | first-drift | button that leads to the first layer that does not fit the data | data-layer |
 * | filter, filter-count | filter of the layer table, and its number of rows | |
 * | layer-table, layer-row | the table and its rows | row: data-layer = index in the report |
 * | verdict | recompute verdict, in rows and in the detail | data-status = match, mismatch, skipped, pending |
 * | badge | a finding, in rows | data-code, data-severity |
 * | detail | the open layer | data-layer |
 * | finding | a finding in words | data-code, data-severity |
 * | channel-chip | button that chooses a channel | data-channel; aria-pressed: it is chosen |
 * | axes | axes that the layer normalizes over | data-method = 2 or 3 |
 * | fold | fold state in words | |
 * | plot | one figure | data-plot = one of PLOT_KINDS, data-drawn = "true" once plotly finished |
 * | channel-table, channel-row | the numbers behind the plots | row: data-channel |
 * | channel-readout | numbers of the chosen channel | data-channel |
 *
 * The page of a comparison (`page` has data-view="comparison") uses the same handles, and:
 * | data-bnl | element | further attributes |
 * |---|---|---|
 * | status | status of a layer, in rows | data-status = match, mismatch, kept, unmatched, not-identifiable |
 * | cause | cause of the status, in rows | data-cause = a cause code or '' |
 * | evidence | one sentence with the numbers, in the detail | data-status |
 * | advice | advice, one item per cause | items: data-cause |
 * | outputs | comparison of the outputs of both models | data-status = match, mismatch, skipped |
 * | note | note about the pair of models | |
 * | swap, repair | buttons: exchange the roles of the models, save the repaired model | |
 * | only-wrong | checkbox that leaves only wrong channels in the table | |
 * | plot | one figure | data-plot = one of COMPARISON_PLOTS, or parting |
 * | parting | values along the network, with the place where the models part | data-first = index of that layer |
 * | parting-toggle | button that shows or hides this picture | |
 */
export type Handle =
	| 'page'
	| 'title'
	| 'answer'
	| 'data'
	| 'run'
	| 'facts'
	| 'fact'
	| 'finding-filter'
	| 'compared'
	| 'progress'
	| 'cancel'
	| 'run-again'
	| 'run-options'
	| 'compare'
	| 'reestimate'
	| 'preprocess'
	| 'more-images'
	| 'explain-axes'
	| 'inference'
	| 'trust'
	| 'run-form'
	| 'form-input'
	| 'choose-files'
	| 'form-field'
	| 'form-run'
	| 'show-log'
	| 'failure'
	| 'banner'
	| 'empty'
	| 'heatmap'
	| 'heatmap-metric'
	| 'first-drift'
	| 'filter'
	| 'filter-count'
	| 'layer-table'
	| 'layer-row'
	| 'verdict'
	| 'badge'
	| 'detail'
	| 'close'
	| 'finding'
	| 'channel-chip'
	| 'axes'
	| 'fold'
	| 'plot'
	| 'channel-table'
	| 'channel-row'
	| 'channel-readout'
	| 'status'
	| 'cause'
	| 'evidence'
	| 'advice'
	| 'outputs'
	| 'note'
	| 'noise'
	| 'swap'
	| 'repair'
	| 'repair-layer'
	| 'only-wrong'
	| 'parting'
	| 'parting-toggle'
	| 'live';

export const PLOT_KINDS = ['gamma-beta', 'affine', 'statistics', 'batch', 'drift', 'recompute'] as const;
export type PlotKind = (typeof PLOT_KINDS)[number];

export const COMPARISON_PLOTS = ['weights', 'bias', 'explained'] as const;
export type ComparisonPlot = (typeof COMPARISON_PLOTS)[number];
