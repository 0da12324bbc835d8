import type { BatchNormLayer } from '../../batchnorm/layer.js';
import { isConstant } from '../../onnx/graph/constants.js';
import type { Network } from '../targets/network.js';
import { MOVING } from '../targets/walk-path.js';

/** Operators that keep values, or only scale and shift each channel. */
const COMMUTING: ReadonlySet<string> = new Set([
	...MOVING,
	...['Identity', 'Cast', 'Dropout', 'QuantizeLinear', 'DequantizeLinear', 'Add', 'Sub', 'Mul', 'Div'],
	...['BatchNormalization', 'AveragePool', 'GlobalAveragePool'],
]);
/** Maximum number of nodes searched in front of a layer. */
const MAX_SEARCH = 16;

/**
 * Returns the types of the nodes, such as Relu, that lie between a layer and the linear operator in front and do not
 * commute with the layer. The order begins at the operator. Undefined if no chain leads to an operator.
 */
export function functionsBetween(layer: BatchNormLayer, { operators }: Network): string[] | undefined {
	const found: string[] = [];
	let at = { scope: layer.scope, name: layer.input };
	for (let step = 0; step < MAX_SEARCH; step++) {
		const definition = at.scope.lookup(at.name);
		if (definition.kind !== 'node') {
			return undefined;
		}
		const { node, scope } = definition;
		if (operators.some((operator) => operator.node === node)) {
			return found;
		}
		const data = node.inputs.filter((name) => name !== '' && !isConstant(scope, name));
		if (data.length !== 1) {
			return undefined;
		}
		if (!COMMUTING.has(node.opType)) {
			found.unshift(node.opType);
		}
		at = { scope, name: data[0] };
	}
	return undefined;
}
