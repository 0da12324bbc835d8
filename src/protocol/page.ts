import type { Stage } from '../core/report/stages.js';

/**
 * Messages that the page of a model and the page of a comparison share. VS Code sends messages as JSON with typed arrays
 * beside it, which turns NaN and infinities into null. So every message to a page passes through `pack` and `unpack` of
 * packing.ts, which lists the channel's other losses.
 */

/** Progress of a run. `done` of `total` layers, or 0 of 1 for a stage that cannot be counted. */
export interface PageProgress {
	readonly stage: Stage;
	readonly done: number;
	readonly total: number;
}

export type HostToPage =
	/** null: no run is active. */
	| { readonly type: 'progress'; readonly progress: PageProgress | null }
	/** The run or the reading of a file failed. If the page already shows a result, it shows a banner above it. */
	| { readonly type: 'failure'; readonly message: string }
	/** Answers `get-plotly`: the text of plotly.min.js in UTF-8, or null if that file cannot be read. */
	| { readonly type: 'plotly'; readonly script: Uint8Array<ArrayBuffer> | null };

export type PageToHost =
	/** The page is listening. The host answers with its full state, unless it has sent it ahead. */
	| { readonly type: 'ready' }
	| { readonly type: 'cancel' }
	/** A plot as a picture. The user chooses the format. `name` has no extension. */
	| { readonly type: 'save-image'; readonly name: string; readonly png: Uint8Array; readonly svg: string }
	/** The page is about to draw its first plot. Sending 4.8 MB of script earlier would delay the table. */
	| { readonly type: 'get-plotly' }
	| { readonly type: 'show-log' }
	/** The page's own code threw an error. */
	| { readonly type: 'error'; readonly message: string }
	/** performance.now() of a milestone, for the log and the end-to-end tests. Only the page of a model has verdicts. */
	| { readonly type: 'mark'; readonly name: 'table' | 'verdicts' | 'plots'; readonly milliseconds: number };
