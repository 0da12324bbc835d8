import type { Comparison } from '../core/report/comparison/comparison.js';
import type { HostToPage, PageToHost } from './page.js';

/** Messages from the extension host to the page of a comparison. */
export type HostToComparison =
	| HostToPage
	/** Replaces the comparison shown; selection and sorting stay. */
	| { readonly type: 'comparison'; readonly comparison: Comparison }
	/** URIs of the two models. The page stores them, and VS Code restores the page from them after a restart. */
	| { readonly type: 'pair'; readonly pair: { readonly original: string; readonly deployed: string } };

/** Messages from the page of a comparison to the extension host. */
export type ComparisonToHost =
	| PageToHost
	/** Compares again, perhaps with original and deployed swapped. */
	| { readonly type: 'compare'; readonly order: 'same' | 'swapped' }
	/** Saves the deployed model with its wrong layers put right. */
	| { readonly type: 'repair' };
