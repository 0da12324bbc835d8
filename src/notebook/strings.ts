/** Words that only the notebook renderer uses. */
export const strings = {
	noHost: (path: string) =>
		`${path} cannot be inspected here: the BatchNorm Lens extension is not running beside this notebook.`,
	aborted: 'The output was replaced.',
} as const;
