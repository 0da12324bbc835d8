/** Part of an extension that its manifest states. */
export interface InstalledExtension {
	readonly id: string;
	/** Untrusted content of its package.json. */
	readonly packageJSON: unknown;
}

/**
 * Returns the names of other extensions with a default editor for `.onnx` files. VS Code then opens a model with either
 * editor, so the user may want to choose.
 * @param own identifier of this extension
 */
export function otherDefaultEditors(extensions: readonly InstalledExtension[], own: string): string[] {
	return extensions
		.filter(({ id, packageJSON }) => id.toLowerCase() !== own.toLowerCase() && claimsModels(packageJSON))
		.map(({ id, packageJSON }) => textOf(fieldOf(packageJSON, 'displayName')) ?? id);
}

function claimsModels(packageJSON: unknown): boolean {
	return listOf(fieldOf(fieldOf(packageJSON, 'contributes'), 'customEditors')).some((editor) => {
		const priority = fieldOf(editor, 'priority') ?? 'default';
		const patterns = listOf(fieldOf(editor, 'selector')).map((one) => textOf(fieldOf(one, 'filenamePattern')) ?? '');
		return priority === 'default' && patterns.some(matchesModels);
	});
}

/** True for "*.onnx", with folders in front of it, and among alternatives in braces. */
function matchesModels(pattern: string): boolean {
	return /(^|\/)\*\.(onnx|\{([^{}]*,)?onnx(,[^{}]*)?\})$/i.test(pattern);
}

/** True if another editor claims models, and the user has neither been asked nor chosen an editor. */
export function isChoiceOpen(choice: {
	readonly others: readonly string[];
	readonly isOffered: boolean;
	/** VS Code's setting for the editors of file names. */
	readonly setting: unknown;
}): boolean {
	return choice.others.length > 0 && !choice.isOffered && !hasAssociation(choice.setting);
}

/** VS Code's setting for the editors of file names. */
export type Associations = Readonly<Record<string, string>>;

/** True if the user's setting already chooses an editor for `.onnx` files. */
function hasAssociation(setting: unknown): boolean {
	return Object.keys(associations(setting)).some(matchesModels);
}

/** Returns the setting with our editor for `.onnx` files, and with all other entries. */
export function withAssociation(setting: unknown, viewType: string): Associations {
	return { ...associations(setting), '*.onnx': viewType };
}

function associations(setting: unknown): Associations {
	return typeof setting === 'object' && setting !== null && !Array.isArray(setting) ? (setting as Associations) : {};
}

function fieldOf(value: unknown, name: string): unknown {
	return typeof value === 'object' && value !== null && Object.hasOwn(value, name)
		? (value as Readonly<Record<string, unknown>>)[name]
		: undefined;
}

const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);

const textOf = (value: unknown): string | undefined => (typeof value === 'string' && value !== '' ? value : undefined);
