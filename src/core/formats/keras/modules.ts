import type { Setting } from '../checkpoint.js';
import type { ConfigNode } from './config.js';
import type { StoredVariable } from './store.js';

/** A layer with variables in the file. */
export interface StoredModule {
	/** Names of the enclosing models and its own, such as "backbone/bn1". */
	readonly name: string;
	/** Undefined if the file names no class. */
	readonly className: string | undefined;
	readonly settings: ReadonlyMap<string, Setting>;
	readonly config: ConfigNode | undefined;
	readonly variables: readonly NamedVariable[];
}

export interface NamedVariable {
	/** Name in its module, for example "gamma". */
	readonly leaf: string;
	readonly variable: StoredVariable;
}

/** Modules of a file, as their names were made. */
export interface NamedModules {
	readonly modules: readonly StoredModule[];
	/** False if the modules are sorted by name. */
	readonly ordered: boolean;
	/** Sentences for users. */
	readonly notes: readonly string[];
}

/** Splits "backbone/bn1" into parent "backbone" and leaf "bn1". */
export function splitPath(path: string): { readonly parent: string; readonly leaf: string } {
	const slash = path.lastIndexOf('/');
	return { parent: path.slice(0, Math.max(slash, 0)), leaf: path.slice(slash + 1) };
}

export function joinPath(parent: string, path: string): string {
	return parent === '' || path === '' ? parent + path : `${parent}/${path}`;
}
