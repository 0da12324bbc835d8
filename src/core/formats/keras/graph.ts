import { isNeutral } from './classes.js';
import type { ConfigNode } from './config.js';

/** Maximum steps from a layer to its feeders. A hostile configuration may be a long chain. */
const MAX_STEPS = 1000;

/**
 * Returns the layers that feed a layer, one for each call. Looks through nested models and wrappers.
 * @param skipNeutral true to look through layers that pass their input on, such as Dropout
 */
export function feedersOf(layer: ConfigNode, skipNeutral: boolean): readonly ConfigNode[] {
	const found = new Set<ConfigNode>();
	const seen = new Set<ConfigNode>();
	const pending = [...directFeeders(layer)];
	for (let node = pending.pop(); node && seen.size < MAX_STEPS; node = pending.pop()) {
		if (seen.has(node)) {
			continue;
		}
		seen.add(node);
		const next = lookThrough(node, skipNeutral);
		if (next) {
			pending.push(...next);
		} else {
			found.add(node);
		}
	}
	return [...found];
}

/** Returns the nodes that feed a node, from its own model or from a model around it. */
function directFeeders(node: ConfigNode): readonly ConfigNode[] {
	const { parent } = node;
	if (!parent) {
		return [];
	}
	if (parent.kind === 'functional') {
		return node.calls.flatMap(([data = '']) => parent.byName.get(data) ?? []);
	}
	const before = parent.kind === 'sequential' ? parent.children[node.position - 1] : undefined;
	return before ? [before] : directFeeders(parent);
}

/** Returns the nodes that stand for a model, an input of a nested model or a neutral layer; undefined for another layer. */
function lookThrough(node: ConfigNode, skipNeutral: boolean): readonly ConfigNode[] | undefined {
	if (node.kind === 'functional') {
		return node.outputs.slice(0, 1).flatMap((name) => node.byName.get(name) ?? []);
	}
	if (node.kind === 'sequential' || node.kind === 'wrapper') {
		return node.children.slice(-1);
	}
	const isInput = node.className === 'InputLayer';
	const nested = node.parent?.parent !== undefined;
	if (isInput && nested && node.parent) {
		return directFeeders(node.parent);
	}
	return skipNeutral && (isNeutral(node.className) || isLinearActivation(node)) ? directFeeders(node) : undefined;
}

function isLinearActivation(node: ConfigNode): boolean {
	return node.className === 'Activation' && hasLinearActivation(node);
}

/** Returns true if a layer applies no function to its result. */
export function hasLinearActivation({ settings }: ConfigNode): boolean {
	return (settings.get('activation') ?? 'linear') === 'linear';
}
