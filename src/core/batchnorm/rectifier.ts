import type { ConstantResolver } from '../onnx/graph/constants.js';
import type { Scope } from '../onnx/graph/scope.js';
import type { BatchNormLayer } from './layer.js';

/** Finds layers whose readers pass no value below 0. */
export class RectifierSearch {
	readonly #constants: ConstantResolver;
	/** Answers by scope and output, because a broken file may give thousands of layers one output. */
	readonly #known = new Map<Scope, Map<string, boolean>>();

	constructor(constants: ConstantResolver) {
		this.#constants = constants;
	}

	/**
	 * True if every reader of a layer is a Relu, or a Clip from 0 on (ReLU6, as exporters write it).
	 * @throws {OnnxError} `io`
	 */
	async isRectified(layer: BatchNormLayer): Promise<boolean> {
		const known = this.#known.get(layer.scope) ?? new Map<string, boolean>();
		this.#known.set(layer.scope, known);
		const answer = known.get(layer.output) ?? (await areRectifiers(layer, this.#constants));
		known.set(layer.output, answer);
		return answer;
	}
}

async function areRectifiers(
	{ scope, consumers, isGraphOutput, output }: BatchNormLayer,
	constants: ConstantResolver,
): Promise<boolean> {
	if (consumers.length === 0 || isGraphOutput) {
		return false;
	}
	for (const node of consumers) {
		const clips = node.opType === 'Clip' && node.domain === '' && node.inputs[0] === output;
		// Up to opset 10 the limits were attributes.
		const least = clips ? (scope.attribute(node, 'min')?.f ?? (await value(node.inputs[1] ?? ''))) : undefined;
		if (!(node.opType === 'Relu' && node.domain === '') && least !== 0) {
			return false;
		}
	}
	return true;

	async function value(name: string): Promise<number | undefined> {
		const { tensor } = await constants.resolve(scope, name);
		return tensor?.data.length === 1 ? tensor.data[0] : undefined;
	}
}
