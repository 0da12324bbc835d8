import type { Comparison } from '../core/report/comparison.js';
import type { Stage } from '../core/report/stages.js';

/** Messages between the extension host and the page of a comparison; packed like those of host-webview.ts. */
export type HostToComparison =
	/** Replaces what is shown, keeps selection and sorting. */
	| { readonly type: 'comparison'; readonly comparison: Comparison }
	/** null: nothing is under way. */
	| {
			readonly type: 'progress';
			readonly progress: { readonly stage: Stage; readonly done: number; readonly total: number } | null;
	  }
	/** The models that the page is about, for it to keep: all that a page in the next window is restored from. */
	| { readonly type: 'pair'; readonly pair: { readonly original: string; readonly deployed: string } }
	/** There is no comparison. With an earlier one already shown it becomes a banner above that. */
	| { readonly type: 'failure'; readonly message: string }
	/** The text of plotly.min.js in UTF-8, null when it cannot be read; answers get-plotly. */
	| { readonly type: 'plotly'; readonly script: Uint8Array<ArrayBuffer> | null };

export type ComparisonToHost =
	/** The page is listening; the host answers with all it has. */
	| { readonly type: 'ready' }
	| { readonly type: 'cancel' }
	| { readonly type: 'compare'; readonly order: 'same' | 'swapped' }
	/** A plot as a picture; which format is written is for the user to say. `name`: without extension. */
	| { readonly type: 'save-image'; readonly name: string; readonly png: Uint8Array; readonly svg: string }
	/** The page is about to draw its first plot; 4.8 MB of script would have delayed the table. */
	| { readonly type: 'get-plotly' }
	| { readonly type: 'show-log' }
	/** Something in the page threw. */
	| { readonly type: 'error'; readonly message: string }
	/** performance.now() of a milestone, for the log. */
	| { readonly type: 'mark'; readonly name: 'table' | 'plots'; readonly milliseconds: number };
