/** A layer's tensors, by name. */
export interface LayerTensors {
	readonly index: number;
	readonly tensors: readonly string[];
}

/** Bytes that a run takes to capture these: twice, since the runtime's binding hands out a copy of every output. */
export function capturingBytes(total: number): number {
	return 2 * total;
}

/**
 * Divides layers, in their order, into groups that can be captured within `budget` bytes, each tensor counted once a
 * group. Room for two tensors of the largest size is left: a run holds the input and the output of the node at work
 * besides what it is asked to keep. A layer that is too large even so makes a group by itself.
 */
export function divide(
	layers: readonly LayerTensors[],
	bytes: ReadonlyMap<string, number>,
	budget: number,
): LayerTensors[][] {
	const largest = Math.max(0, ...layers.flatMap(({ tensors }) => tensors.map((name) => bytes.get(name) ?? 0)));
	const room = budget - 2 * largest;
	const groups: LayerTensors[][] = [];
	let names = new Set<string>();
	let total = Number.POSITIVE_INFINITY;
	for (const layer of layers) {
		const added = layer.tensors.filter((name) => !names.has(name));
		const more = sum(added, bytes);
		if (capturingBytes(total + more) > room) {
			groups.push([layer]);
			names = new Set(layer.tensors);
			total = sum(layer.tensors, bytes);
		} else {
			groups.at(-1)?.push(layer);
			total += more;
			for (const name of added) {
				names.add(name);
			}
		}
	}
	return groups;
}

function sum(names: readonly string[], bytes: ReadonlyMap<string, number>): number {
	return names.reduce((total, name) => total + (bytes.get(name) ?? 0), 0);
}
