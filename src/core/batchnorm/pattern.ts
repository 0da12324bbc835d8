import { FLOAT_FORMATS, type FloatFormat } from '../numbers/float-formats.js';
import type { Scope } from '../onnx/graph/scope.js';
import type { Node } from '../onnx/model.js';
import { typeName } from '../onnx/types.js';
import { keepsValues } from './chain.js';
import type { LayerContext } from './place.js';

/** Maximum number of operators without effect between two steps. */
export const MAX_WRAPPERS = 8;

/** A constant with a single value. */
export interface NumberConstant {
	readonly value: number;
	/** Largest relative rounding error of its type; 0 for integers. */
	readonly unitRoundoff: number;
}

const FORMATS: ReadonlyMap<string, FloatFormat> = new Map(Object.entries(FLOAT_FORMATS));

/** Reads the nodes around a place of a graph, through operators without effect: Identity, and casts to the same type. */
export class GraphPattern {
	readonly scope: Scope;
	readonly context: LayerContext;

	constructor(scope: Scope, context: LayerContext) {
		this.scope = scope;
		this.context = context;
	}

	/** Returns the single value of a constant. */
	async number(name: string): Promise<number | undefined> {
		return (await this.constant(name))?.value;
	}

	async constant(name: string): Promise<NumberConstant | undefined> {
		const { tensor } = await this.context.constants.resolve(this.scope, name);
		const format = tensor && FORMATS.get(typeName(tensor.dataType));
		return tensor?.data.length === 1 ? { value: tensor.data[0], unitRoundoff: format?.unitRoundoff ?? 0 } : undefined;
	}

	async isNumber(name: string | undefined, value: number): Promise<boolean> {
		return name !== undefined && (await this.number(name)) === value;
	}

	isOp<T extends string>(node: Node | undefined, opType: T): node is Node & { readonly opType: T } {
		return node?.opType === opType && node.domain === '';
	}

	/** True for an operator without effect on the values of its input. */
	protected hasNoEffect(node: Node): boolean {
		return keepsValues(this.scope, node, this.context);
	}

	/** Returns the name of the tensor behind operators without effect. */
	source(name: string): string {
		let at = name;
		for (let wrapper = 0; wrapper < MAX_WRAPPERS; wrapper++) {
			const node = this.scope.producer(at);
			if (!node || !this.hasNoEffect(node)) {
				return at;
			}
			at = node.inputs[0] ?? '';
		}
		return at;
	}

	writer(name: string): Node | undefined {
		return this.scope.producer(this.source(name));
	}

	/** Returns constant integers from an attribute or the second input; undefined if they are unknown. */
	async integers(node: Node, attribute: string): Promise<readonly number[] | undefined> {
		const given = this.scope.attribute(node, attribute)?.ints;
		if (given) {
			return given;
		}
		const { tensor } = await this.context.constants.resolve(this.scope, node.inputs[1] ?? '');
		return tensor ? Array.from(tensor.data) : undefined;
	}
}
