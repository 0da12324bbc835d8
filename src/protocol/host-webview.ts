import type { RunChoices, RunForm } from '../core/report/run-choices.js';
import type { Stage } from '../core/report/stages.js';
import type { LayerReport, Report, RunSummary } from '../core/report/types.js';

/**
 * Messages between the extension host and a model's page. VS Code sends them as JSON with typed arrays beside it, which
 * turns NaN and infinities into null: every message passes through `pack` and `unpack` of packing.ts, which says what else the channel loses.
 */
export type HostToWebview =
	/** The whole report; replaces what is shown, keeps selection and sorting. */
	| { readonly type: 'report'; readonly report: Report }
	| { readonly type: 'layer'; readonly index: number; readonly layer: LayerReport }
	| { readonly type: 'run'; readonly run: RunSummary }
	/** Follows the report, and every change of it. */
	| { readonly type: 'form'; readonly form: RunForm }
	/** null: nothing is under way. */
	| {
			readonly type: 'progress';
			readonly progress: { readonly stage: Stage; readonly done: number; readonly total: number } | null;
	  }
	/** The file cannot be read. With a report already shown it becomes a banner above the last good page. */
	| { readonly type: 'failure'; readonly message: string }
	/** Clears a banner. */
	| { readonly type: 'recovered' }
	| { readonly type: 'select'; readonly layer: string }
	/** The text of plotly.min.js in UTF-8, null when it cannot be read; answers get-plotly. */
	| { readonly type: 'plotly'; readonly script: Uint8Array<ArrayBuffer> | null };

export type WebviewToHost =
	/** The page is listening; the host answers with all it has. */
	| { readonly type: 'ready' }
	| { readonly type: 'cancel' }
	/** Run again: in the same way, or as chosen, which is remembered. */
	| { readonly type: 'run'; readonly choices?: RunChoices }
	/** Let the user choose what an input is fed; the host shows the dialog and keeps the paths to itself. */
	| { readonly type: 'choose-files'; readonly input: string; readonly from: 'files' | 'folder' | 'random' }
	/** Let the user say whether the workspace can be trusted. */
	| { readonly type: 'manage-trust' }
	/** Let the user choose a model to compare this one with. */
	| { readonly type: 'compare' }
	/** Which layer is open on the page, by its place in the report. */
	| { readonly type: 'layer-chosen'; readonly index: number | null }
	/** A plot as a picture; which format is written is for the user to say. `name`: without extension. */
	| { readonly type: 'save-image'; readonly name: string; readonly png: Uint8Array; readonly svg: string }
	/** The page is about to draw its first plot; 4.8 MB of script would have delayed the table. */
	| { readonly type: 'get-plotly' }
	| { readonly type: 'show-log' }
	/** Something in the page threw. */
	| { readonly type: 'error'; readonly message: string }
	/** performance.now() of a milestone, for the log and the end-to-end measurements. */
	| { readonly type: 'mark'; readonly name: 'table' | 'verdicts' | 'plots'; readonly milliseconds: number };
