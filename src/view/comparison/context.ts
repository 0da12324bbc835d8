import type { PageActions, PageContext } from '../shared/context.js';
import type { ComparisonState } from './state.js';

/** Requests of a comparison page to its host. The page offers only requests that the host implements. */
export interface ComparisonActions extends PageActions {
	/** Compares again, as before or with the models exchanged. */
	compare?(order: 'same' | 'swapped'): void;
	/** Saves the deployed model with its wrong layers put right. */
	repair?(): void;
	/** Stores the user's choices. */
	stateChanged?(state: ComparisonState): void;
}

export type ComparisonContext = PageContext<ComparisonActions>;
