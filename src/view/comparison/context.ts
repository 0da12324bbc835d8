import type { PlotImage, ViewContext } from '../shared/context.js';
import type { ComparisonState } from './state.js';

/** What a comparison page can ask of the world around it. Missing ones are not offered. */
export interface ComparisonActions {
	cancel?(): void;
	/** Compare again: as before, or with the roles of the models exchanged. */
	compare?(order: 'same' | 'swapped'): void;
	saveImage?(image: PlotImage): void;
	showLog?(): void;
	/** The user changed what is shown; store it to restore it later. */
	stateChanged?(state: ComparisonState): void;
	/** The table is painted; the plots of a layer are drawn. */
	mark?(name: 'table' | 'plots'): void;
}

/** Shared by the parts of one page. */
export interface ComparisonContext extends Omit<ViewContext, 'actions'> {
	readonly actions: ComparisonActions;
}
