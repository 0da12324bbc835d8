import type { ReportChanges } from '../core/report/changes.js';
import type { RunChoices, RunForm } from '../core/report/run-choices.js';
import type { Report } from '../core/report/types.js';
import type { HostToPage, PageToHost } from './page.js';

/** Messages from the extension host to the page of a model. */
export type HostToWebview =
	| HostToPage
	/** Replaces the whole report; selection and sorting stay. */
	| { readonly type: 'report'; readonly report: Report }
	/** Changes of the report since the last message about it. */
	| { readonly type: 'changes'; readonly changes: ReportChanges }
	/** Follows every report, and every change of the form. */
	| { readonly type: 'form'; readonly form: RunForm }
	/** Removes the banner of a failure. */
	| { readonly type: 'recovered' }
	/** `layer`: name of the layer to open; `part`: section of its detail to open and scroll to. */
	| { readonly type: 'select'; readonly layer: string; readonly part?: 'axes' };

/** Messages from the page of a model to the extension host. */
export type WebviewToHost =
	| PageToHost
	/** Runs the model again. The host remembers `choices`; without them it repeats the last choices. */
	| { readonly type: 'run'; readonly choices?: RunChoices }
	/** Asks the user for the files of an input. The host shows the dialog; the page never sees the paths. */
	| { readonly type: 'choose-files'; readonly input: string; readonly from: 'files' | 'folder' | 'random' }
	/** Asks the user whether to trust the workspace. */
	| { readonly type: 'manage-trust' }
	/** Asks the user for a model to compare this model with. */
	| { readonly type: 'compare' }
	/** Asks the user for data to compute running statistics from. */
	| { readonly type: 'reestimate' }
	/** Saves a model in training mode as an inference model. */
	| { readonly type: 'inference' }
	/** Report index of the layer open on the page, or null. */
	| { readonly type: 'layer-chosen'; readonly index: number | null };
