/** Sources of a layer's name: its node's name, and the path of the graph that contains it. */
interface Named {
	readonly own: string;
	readonly path: string;
}

/**
 * Returns unique display names, which stay the same while the file does. A name is the node's name, with the path if
 * other nodes have the same name, and with a number if that is still not unique.
 */
export function uniqueNames(layers: readonly Named[]): string[] {
	const uses = new Map<string, number>();
	for (const { own } of layers) {
		uses.set(own, (uses.get(own) ?? 0) + 1);
	}
	const taken = new Set<string>();
	const counters = new Map<string, number>();
	return layers.map(({ own, path }) => {
		const base = path !== '' && (uses.get(own) ?? 0) > 1 ? `${path}/${own}` : own;
		let name = base;
		for (let number = counters.get(base) ?? 2; taken.has(name) || (name !== own && uses.has(name)); number++) {
			// A generated name never equals the name of a node.
			name = `${base} (${number})`;
			counters.set(base, number + 1);
		}
		taken.add(name);
		return name;
	});
}
