import type { MatchedNetworks } from '../pairing/partners.js';
import { isNeutral } from './neutral-layer.js';

/**
 * Returns a test for pairs of tensors that may correspond. An output corresponds only to the output at its position.
 * The output of a layer that stayed does not correspond to a tensor in front of that layer. A layer that was also
 * folded by mistake would give such a tensor the same values.
 */
export function possibleMatches({
	original,
	deployed,
	kept,
}: Pick<MatchedNetworks, 'original' | 'deployed' | 'kept'>): (originalName: string, deployedName: string) => boolean {
	const outputs = new Map(
		original.model.graph.outputs.map(({ name }, index) => [name, deployed.model.graph.outputs[index]?.name]),
	);
	const inFront = new Map<string, ReadonlySet<string>>();
	for (const [layer, keptAs] of kept) {
		const target = deployed.targets.get(keptAs);
		const path = target ? [target.operator.output, ...target.path.flatMap(({ node }) => node.outputs)] : [];
		if (!isNeutral(keptAs)) {
			inFront.set(layer.output, new Set([keptAs.input, ...path]));
		}
	}
	return (originalName, deployedName) => {
		const output = outputs.get(originalName);
		return (output === undefined || output === deployedName) && !inFront.get(originalName)?.has(deployedName);
	};
}
