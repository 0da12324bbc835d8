/** Words of the notebook renderer beside those of the view. */
export const strings = {
	noHost: (path: string) =>
		`${path} cannot be inspected here: the BatchNorm Lens extension is not running beside this notebook.`,
	aborted: 'The output was replaced.',
} as const;
