import { Scope } from '../../../core/onnx/graph/scope.js';
import type { Model } from '../../../core/onnx/model.js';

/**
 * Absolute error of onnxruntime's Sigmoid. It adds 0.5 to a quotient of polynomials, so near 0 its values are multiples
 * of half a unit roundoff of float32. The error is a step in either direction, and the rounding of the quotient.
 */
const SIGMOID = 2 ** -23;
/** Operators that hand on the values of an input unchanged. */
const UNCHANGED: ReadonlySet<string> = new Set([
	...[
		'Identity',
		'Reshape',
		'Transpose',
		'Flatten',
		'Squeeze',
		'Unsqueeze',
		'Slice',
		'Gather',
		'Split',
		'Concat',
		'Cast',
	],
]);
/** Maximum number of nodes searched behind an output. */
const MAX_NODES = 32;

/** Returns the absolute error that the runtime's function behind an output makes at any magnitude. */
export function resolutionOf(model: Model, output: string): number {
	const scope = Scope.ofModel(model);
	const names = [output];
	for (const name of names) {
		const node = scope.producer(name);
		if (node?.domain === '' && node.opType === 'Sigmoid') {
			return SIGMOID;
		}
		if (node && node.domain === '' && UNCHANGED.has(node.opType) && names.length < MAX_NODES) {
			for (const name of node.opType === 'Concat' ? node.inputs : node.inputs.slice(0, 1)) {
				names.push(name);
			}
		}
	}
	return 0;
}
