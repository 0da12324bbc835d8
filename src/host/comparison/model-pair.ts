import type * as vscode from 'vscode';

/** Original and deployed model. */
export interface ModelPair {
	readonly original: vscode.Uri;
	readonly deployed: vscode.Uri;
}

/** A pair of models as strings of their URIs, which the page stores for the next window. */
export interface StoredPair {
	readonly original: string;
	readonly deployed: string;
}

/** Returns the pair in a page's stored state. Returns undefined if it is missing or from another version. */
export function storedPair(state: unknown): StoredPair | undefined {
	if (typeof state !== 'object' || state === null || !('pair' in state)) {
		return undefined;
	}
	const { pair } = state;
	if (typeof pair !== 'object' || pair === null || !('original' in pair && 'deployed' in pair)) {
		return undefined;
	}
	const { original, deployed } = pair;
	return typeof original === 'string' && typeof deployed === 'string' ? { original, deployed } : undefined;
}
