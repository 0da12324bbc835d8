import type { BatchNormLayer } from '../../../core/batchnorm/layer.js';
import type { Node } from '../../../core/onnx/model.js';
import type { NodeNet } from '../model/node-net.js';
import { runTimeParameters } from '../model/run-time-parameters.js';

/** A node that the runtime refuses. */
export interface Obstacle {
	readonly node: Node;
	/** The runtime's message. */
	readonly detail: string;
}

/** An input of the model that gets no value. */
export interface UnfedInput {
	readonly input: string;
}

/**
 * Computable part of a layer. Passes are consecutive runs, counted from 0. The next pass gets the outputs that were
 * recomputed after a pass.
 */
export type Reach =
	/** The runtime computes x and y, so the layer is checked. */
	| { readonly kind: 'whole'; readonly pass: number }
	/** The runtime computes only x. y is recomputed without a comparison. */
	| { readonly kind: 'alone'; readonly pass: number; readonly obstacle: Obstacle | UnfedInput }
	/** There is no x, or a parameter is missing; without an obstacle the graph has a cycle. */
	| { readonly kind: 'blocked'; readonly obstacle?: Obstacle | UnfedInput };

/** Availability of a tensor: the number of the pass that computes it, or the obstacle. */
type Availability = { readonly pass: number } | { readonly obstacle: Obstacle | UnfedInput };

const GIVEN: Availability = { pass: 0 };

/**
 * Returns the reach of every layer of the main graph if some nodes cannot run and some inputs get no value.
 * @param unfed names of the inputs without a value
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
	const available = (names: Iterable<string>) => combine([...names].map((name) => tensors.get(name) ?? GIVEN));
	for (const node of net.order) {
		const obstacle = obstacles.get(node) ?? sharedOutput(node, net);
		const result = obstacle ? { obstacle } : available(net.reads(node));
		const written = node.outputs.filter((name) => net.writer(name) === node);
		for (const output of written) {
			tensors.set(output, result);
		}
		const layer = layerAt.get(node);
		if (!layer) {
			continue;
		}
		const inputs = available([layer.input, ...runTimeParameters(layer).map(({ name }) => name)]);
		if ('pass' in result) {
			reach.set(layer, { kind: 'whole', pass: result.pass });
		} else if ('pass' in inputs) {
			reach.set(layer, { kind: 'alone', pass: inputs.pass, obstacle: result.obstacle });
			if (written.includes(layer.output)) {
				tensors.set(layer.output, { pass: inputs.pass + 1 });
			}
		} else {
			reach.set(layer, { kind: 'blocked', obstacle: inputs.obstacle });
		}
	}
	return reach;
}

/** Finds an output that another node also writes (invalid, but seen). The net knows only one of both writers. */
function sharedOutput(node: Node, net: NodeNet): Obstacle | undefined {
	const shared = node.outputs.find((name) => name !== '' && net.writer(name) !== node);
	return shared === undefined ? undefined : { node, detail: `another node writes "${shared}" as well` };
}

/** Several tensors are available together when the last of them is. */
function combine(parts: readonly Availability[]): Availability {
	let pass = 0;
	for (const part of parts) {
		if ('obstacle' in part) {
			return part;
		}
		pass = Math.max(pass, part.pass);
	}
	return { pass };
}
