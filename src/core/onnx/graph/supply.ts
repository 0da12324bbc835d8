import type { NodeInput } from './scope.js';

/** Returns the input outside of all functions that supplies an input of a node; undefined if a call does not supply it. */
export function supplyOf(place: NodeInput): NodeInput | undefined {
	let supply: NodeInput | undefined = place;
	while (supply && isInFunction(supply)) {
		supply = supply.scope.callInput(supply.node, supply.input);
	}
	return supply;
}

/** True for a node in a function, which other calls may share. */
export const isInFunction = ({ scope }: Pick<NodeInput, 'scope'>): boolean => scope.graph.spans === undefined;
