import type { RunChoices } from '../../core/report/run-choices.js';
import type { PageActions, PageContext } from '../shared/context.js';
import type { ViewState } from './state.js';

/** Requests of a model's page to its host. The page offers only requests that the host implements. */
export interface ViewActions extends PageActions {
	/** Runs the model again: as before, or with other choices. */
	run?(choices?: RunChoices): void;
	/** Lets the user choose the values of an input. */
	chooseFiles?(input: string, from: 'files' | 'folder' | 'random'): void;
	/** Lets the user decide about trust in the workspace. */
	manageTrust?(): void;
	/** Lets the user choose a second model for a comparison. */
	compare?(): void;
	/** Lets the user choose data to compute running statistics from. */
	reestimate?(): void;
	/** Opens the choice of what pixels become. The page itself supplies it. */
	preprocess?(): void;
	/** Opens the choice of input files. The page itself supplies it. */
	moreImages?(): void;
	/** Saves a model in training mode as an inference model. */
	inference?(): void;
	/** Reports the open layer's index in the report, or null. */
	layerChosen?(index: number | null): void;
	/** Stores the user's choices. */
	stateChanged?(state: ViewState): void;
	/** Reports that the table is painted, every verdict is known, or the plots of a layer are drawn. */
	mark?(name: 'table' | 'verdicts' | 'plots'): void;
}

export type ViewContext = PageContext<ViewActions>;
