/** Messages between the notebook renderer and the extension. Only an output that names a model file uses them. */
export type NotebookToHost = { readonly type: 'inspect'; readonly id: string; readonly path: string };
export type HostToNotebook =
	| { readonly type: 'report'; readonly id: string; readonly report: unknown }
	| { readonly type: 'failure'; readonly id: string; readonly message: string };

export { MIME_TYPE } from '../core/report/export/mime-type.js';
