import type { Node } from '../../../core/onnx/model.js';
import { NodeNet } from '../model/node-net.js';
import type { OpenedModel } from '../model/opened-model.js';
import { requiredInputs } from '../model/required-inputs.js';

/** Nodes that run together: all that depend on equally many re-estimated layers in a row. */
export interface Stage {
	/** Nodes in an order in which they can run; empty if the tensors below are given. */
	readonly nodes: readonly Node[];
	/** Tensors that the nodes compute and that layers or later stages read. */
	readonly outputs: readonly string[];
	/** Indices of the layers with inputs that are known after this stage. The next stage gets their outputs. */
	readonly layers: readonly number[];
	/** Layers of this stage with an output that a later stage reads. */
	readonly normalized: readonly number[];
	/** Tensors without a reader after the layers of this stage. */
	readonly dead: readonly string[];
	/** Inputs of its layers that only its layers read, so that a layer's output may take their memory. */
	readonly overwritable: ReadonlySet<string>;
}

export interface StagePlan {
	/** Stage k holds the nodes and layers behind k other layers. */
	readonly stages: readonly Stage[];
	/** Names of the model inputs that the stages need. */
	readonly inputs: readonly string[];
}

/**
 * Divides the graph in front of layers into stages. A layer ends a stage: its statistics must be known before any value
 * behind it. Nodes that depend on constants only run in each stage that needs them.
 * @param layers indices of layers in the main graph, none on a cycle
 */
export function planStages({ model, layers: all }: OpenedModel, layers: readonly number[]): StagePlan {
	const net = new NodeNet(model.graph);
	const ends = new Map(layers.map((index) => [all[index].node, index]));
	const depths = depthsOf(net, new Set(ends.keys()), [
		...requiredInputs(model).map(({ name }) => name),
		...layers.map((index) => all[index].input),
	]);
	const depth = (name: string) => depths.get(name) ?? 0;
	const needed = net.ancestors(
		layers.map((index) => all[index].input),
		new Set(),
	);
	const lastRead = new Map<string, number>();
	const read = (name: string, stage: number) =>
		depths.has(name) && lastRead.set(name, Math.max(lastRead.get(name) ?? 0, stage));
	const readByNodes = new Set<string>();
	for (const node of needed.filter((each) => !ends.has(each))) {
		const names = [...net.reads(node)].filter((name) => depths.has(name));
		for (const name of names) {
			readByNodes.add(name);
			read(name, Math.max(...names.map(depth)));
		}
	}
	for (const index of layers) {
		read(all[index].input, depth(all[index].input));
	}
	const last = Math.max(-1, ...layers.map((index) => depth(all[index].input)));
	const known = new Set(requiredInputs(model).map(({ name }) => name));
	const inputs = [...known].filter((name) => lastRead.has(name));
	const stages: Stage[] = [];
	for (let stage = 0; stage <= last; stage++) {
		const own = layers.filter((index) => depth(all[index].input) === stage);
		const outputs = [...lastRead.keys()].filter((name) => {
			const isKept = (lastRead.get(name) ?? 0) > stage || own.some((index) => all[index].input === name);
			return depth(name) === stage && !known.has(name) && isKept;
		});
		const nodes = net.ancestors(outputs, known);
		for (const name of [...outputs, ...own.map((index) => all[index].output)]) {
			known.add(name);
		}
		const dead = [...lastRead].flatMap(([name, end]) => (end === stage && known.has(name) ? [name] : []));
		const overwritable = new Set(
			own
				.map((index) => all[index].input)
				.filter(
					(name, at, names) => !readByNodes.has(name) && names.indexOf(name) === at && names.lastIndexOf(name) === at,
				),
		);
		const normalized = own.filter((index) => lastRead.has(all[index].output));
		stages.push({ nodes, outputs, layers: own, normalized, dead, overwritable });
	}
	return { stages, inputs };
}

/** Returns for each tensor that depends on `given` the largest number of layers on a path to it. */
function depthsOf(net: NodeNet, ends: ReadonlySet<Node>, given: readonly string[]): ReadonlyMap<string, number> {
	const depths = new Map<string, number>(given.filter((name) => !net.writer(name)).map((name) => [name, 0]));
	const forced = new Set(given);
	for (const node of net.order) {
		const reads = [...net.reads(node)].flatMap((name) => depths.get(name) ?? []);
		if (reads.length > 0 || node.outputs.some((name) => forced.has(name))) {
			const depth = Math.max(0, ...reads);
			for (const [position, output] of node.outputs.entries()) {
				depths.set(output, depth + (position === 0 && ends.has(node) ? 1 : 0));
			}
		}
	}
	return depths;
}
