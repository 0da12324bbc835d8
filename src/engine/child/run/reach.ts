import type { BatchNormLayer } from '../../../core/batchnorm/layer.js';
import type { Node } from '../../../core/onnx/model.js';
import type { NodeNet } from '../model/node-net.js';
import { runTimeParameters } from '../model/run-time-parameters.js';

/** A node that the runtime refuses, with its words. */
export interface Obstacle {
	readonly node: Node;
	readonly detail: string;
}

/** An input of the model that gets no value. */
export interface UnfedInput {
	readonly input: string;
}

/**
 * How far one layer can be taken. Stages are runs one after the other: what is recomputed after one of them is given to
 * the next.
 */
export type Reach =
	/** The runtime computes x and y: the layer is checked as usual. */
	| { readonly kind: 'whole'; readonly stage: number }
	/** The runtime computes x only: y is recomputed here, and there is nothing to compare it with. */
	| { readonly kind: 'alone'; readonly stage: number; readonly obstacle: Obstacle | UnfedInput }
	/** There is no x, or a parameter is missing; without an obstacle the graph has a cycle. */
	| { readonly kind: 'blocked'; readonly obstacle?: Obstacle | UnfedInput };

/** How a tensor is come by: in which stage, or why not. */
type Availability = { readonly stage: number } | { readonly obstacle: Obstacle | UnfedInput };

const GIVEN: Availability = { stage: 0 };

/**
 * The reach of every layer of the main graph when these nodes cannot be run and these inputs get no value; other layers
 * are left out.
 */
export function reachOf(
	net: NodeNet,
	layers: readonly BatchNormLayer[],
	obstacles: ReadonlyMap<Node, Obstacle>,
	unfed: Iterable<string> = [],
): Map<BatchNormLayer, Reach> {
	const main = layers.filter(({ graphPath }) => graphPath === '');
	const layerAt = new Map(main.map((layer) => [layer.node, layer]));
	const reach = new Map<BatchNormLayer, Reach>(main.map((layer) => [layer, { kind: 'blocked' }]));
	const tensors = new Map<string, Availability>([...unfed].map((input) => [input, { obstacle: { input } }]));
	const of = (names: Iterable<string>) => combine([...names].map((name) => tensors.get(name) ?? GIVEN));
	for (const node of net.order) {
		const own = obstacles.get(node) ?? sharedOutput(node, net);
		const result = own ? { obstacle: own } : of(net.reads(node));
		const written = node.outputs.filter((name) => net.writer(name) === node);
		for (const output of written) {
			tensors.set(output, result);
		}
		const layer = layerAt.get(node);
		if (!layer) {
			continue;
		}
		const inputs = of([layer.input, ...runTimeParameters(layer).map(({ name }) => name)]);
		if ('stage' in result) {
			reach.set(layer, { kind: 'whole', stage: result.stage });
		} else if ('stage' in inputs) {
			reach.set(layer, { kind: 'alone', stage: inputs.stage, obstacle: result.obstacle });
			if (written.includes(layer.output)) {
				tensors.set(layer.output, { stage: inputs.stage + 1 });
			}
		} else {
			reach.set(layer, { kind: 'blocked', obstacle: inputs.obstacle });
		}
	}
	return reach;
}

/** Of several nodes that write one tensor (invalid, but seen) the net knows one: what the others write cannot be had. */
function sharedOutput(node: Node, net: NodeNet): Obstacle | undefined {
	const shared = node.outputs.find((name) => name !== '' && net.writer(name) !== node);
	return shared === undefined ? undefined : { node, detail: `another node writes "${shared}" as well` };
}

/** What needs several tensors is there when the last of them is. */
function combine(parts: readonly Availability[]): Availability {
	let stage = 0;
	for (const part of parts) {
		if ('obstacle' in part) {
			return part;
		}
		stage = Math.max(stage, part.stage);
	}
	return { stage };
}
