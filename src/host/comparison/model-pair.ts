import type * as vscode from 'vscode';

/** Two models in their roles. */
export interface ModelPair {
	readonly original: vscode.Uri;
	readonly deployed: vscode.Uri;
}

/** The same by the text of their URIs, as a page keeps them for the next window. */
export interface StoredPair {
	readonly original: string;
	readonly deployed: string;
}

/** The pair that a page stored beside its own state; undefined where there is none, or not from this version. */
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
