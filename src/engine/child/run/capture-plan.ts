/** Tensors that a consumer (a layer, an If node …) needs. */
export interface Capture<Consumer> {
	readonly consumer: Consumer;
	/** Names of tensors of the main graph. */
	readonly tensors: readonly string[];
}

/** Returns the bytes that capturing tensors takes: twice their size, since the runtime's binding copies every output. */
export function capturingBytes(total: number): number {
	return 2 * total;
}

/** Returns the unknown tensors that captures need, each once. */
export function missingTensors<Consumer>(
	captures: readonly Capture<Consumer>[],
	known: ReadonlyMap<string, unknown>,
): string[] {
	return [...new Set(captures.flatMap(({ tensors }) => tensors))].filter((name) => !known.has(name));
}

/**
 * Divides captures, in their order, into groups that fit in `budget` bytes. A tensor counts once a group. Room for two
 * tensors of the largest size is left, since a run also holds the input and the output of the node at work. A capture that
 * is larger than the budget makes a group by itself.
 * @param bytes tensor name -> size
 */
export function planGroups<Consumer>(
	captures: readonly Capture<Consumer>[],
	bytes: ReadonlyMap<string, number>,
	budget: number,
): Capture<Consumer>[][] {
	const largest = Math.max(0, ...captures.flatMap(({ tensors }) => tensors.map((name) => bytes.get(name) ?? 0)));
	const room = budget - 2 * largest;
	const groups: Capture<Consumer>[][] = [];
	let names = new Set<string>();
	let total = Number.POSITIVE_INFINITY;
	for (const capture of captures) {
		const added = capture.tensors.filter((name) => !names.has(name));
		const more = totalBytes(added, bytes);
		if (capturingBytes(total + more) > room) {
			groups.push([capture]);
			names = new Set(capture.tensors);
			total = totalBytes(capture.tensors, bytes);
		} else {
			groups.at(-1)?.push(capture);
			total += more;
			for (const name of added) {
				names.add(name);
			}
		}
	}
	return groups;
}

/** Returns the bytes of tensors. @param bytes tensor name -> size; tensors without a size count as 0 */
export function totalBytes(names: readonly string[], bytes: ReadonlyMap<string, number>): number {
	return names.reduce((total, name) => total + (bytes.get(name) ?? 0), 0);
}
