import { product } from '../../numbers/arrays.js';
import { OnnxError } from '../errors.js';
import type { Attribute, DataTypeCode, Node, Tensor, TensorRecord } from '../model.js';
import { expressionOrigin, type Origin, PASSING, runtimeOrigin } from '../origin.js';
import { isBacked } from '../tensor/backed.js';
import { readTensor, type TensorAccess } from '../tensor/tensor.js';
import { byteLength, typeCode } from '../types.js';
import { APPROXIMATE } from './approximate.js';
import { ARITHMETIC, type Operator } from './constant-arithmetic.js';
import { ConstantBudget } from './constant-budget.js';
import { withError } from './constant-errors.js';
import { EXACT_FUNCTIONS } from './constant-functions.js';
import { EXACT_REDUCTIONS } from './constant-reductions.js';
import { SELECTIONS } from './constant-selections.js';
import { SHAPES } from './constant-shapes.js';
import { newElements } from './constant-tensors.js';
import { bodies } from './graph-index.js';
import { type OpenShape, openShape } from './open-shape.js';
import { isStandard } from './quantization.js';
import type { Definition, Scope } from './scope.js';

export interface Constant {
	readonly origin: Origin;
	/** null: not constant, or not readable (then `problem` says why). */
	readonly tensor: Tensor | null;
	/** Type as in the file, also for unreadable elements; 0 and [] if the file states none. */
	readonly dataType: DataTypeCode;
	readonly dims: readonly number[];
	/** Sentence that explains why a constant value is unavailable. */
	readonly problem?: string;
}

/** Maximum length of the chain of nodes behind a value. Exporters leave fewer than ten. */
const MAX_DEPTH = 100;
/** Maximum number of nodes searched per model. A network of 1,000 normalizations needs under 50,000. */
const MAX_STEPS = 500_000;
/**
 * Maximum number of elements that a resolver reads and evaluates: 64 MB as float32. Parameters of a large network are
 * under a million, and a weight of 4 million may pass three operators.
 */
const MAX_TOTAL_ELEMENTS = 1 << 24;

/** Maximum number of elementary steps of reductions and products per model: half a second. */
const MAX_WORK = 1 << 27;

const OPERATORS: ReadonlyMap<string, Operator> = new Map([
	...ARITHMETIC,
	...SHAPES,
	...SELECTIONS,
	...EXACT_FUNCTIONS,
	...EXACT_REDUCTIONS,
	...APPROXIMATE,
]);
/** Maximum number of nodes searched to decide if a value is constant. Expressions of weights have a handful. */
const MAX_EXPRESSION = 64;

/**
 * True if {@link ConstantResolver} would find a constant behind a name. Uses the structure alone and reads no tensor.
 */
export function isConstant(scope: Scope, name: string): boolean {
	return initializersBehind(scope, name) !== undefined;
}

/** True if a constant is only the default of a graph input that the caller may feed. */
export function isDefault(scope: Scope, name: string): boolean {
	return scope.isOverridable && (initializersBehind(scope, name)?.some(({ alsoInput }) => alsoInput) ?? false);
}

type Initializer = Extract<Definition, { kind: 'initializer' }>;

/** Initializers behind each name that was asked for, because searches ask for the same names again and again. */
const KNOWN_INITIALIZERS = new WeakMap<Scope, Map<string, readonly Initializer[] | undefined>>();

/** Initializers behind a constant; undefined if it has none. */
function initializersBehind(scope: Scope, name: string): readonly Initializer[] | undefined {
	const known = KNOWN_INITIALIZERS.get(scope) ?? new Map<string, readonly Initializer[] | undefined>();
	KNOWN_INITIALIZERS.set(scope, known);
	if (!known.has(name)) {
		known.set(name, searchInitializers(scope, name));
	}
	return known.get(name);
}

function searchInitializers(scope: Scope, name: string): Initializer[] | undefined {
	const found: Initializer[] = [];
	const queue = [{ scope, name }];
	for (const at of queue) {
		const definition = at.scope.lookup(at.name);
		if (definition.kind !== 'node') {
			if (definition.kind !== 'initializer') {
				return undefined;
			}
			found.push(definition);
			continue;
		}
		const { node, scope: place } = definition;
		const known = node.opType === 'Constant' || (OPERATORS.has(node.opType) && node.inputs.length > 0);
		if (!known || !isStandard(node) || queue.length > MAX_EXPRESSION) {
			return undefined;
		}
		const shape = shapeByElements(place, node);
		for (const input of (shape ? node.inputs.slice(0, 1) : node.inputs).filter((name) => name !== '')) {
			queue.push({ scope: place, name: input });
		}
	}
	return found;
}

/** Returns the shape of a Reshape that takes a dimension from the data, which the number of its elements decides. */
export function shapeByElements(scope: Scope, node: Node): OpenShape | undefined {
	return node.opType === 'Reshape' && isStandard(node) ? openShape(scope, node.inputs[1] ?? '', isConstant) : undefined;
}

/** A tensor of the file, read; null with a sentence that says why it cannot be read. */
type ReadTensor = Pick<Constant, 'tensor' | 'problem'>;

/**
 * Finds the constant behind a tensor name, and evaluates small constant expressions that exporters and optimizers leave
 * in a graph. A resolver serves a single model: it remembers its results, and its limits cover all of them.
 */
export class ConstantResolver {
	readonly #access: TensorAccess;
	readonly #budget: ConstantBudget;
	readonly #records = new Map<TensorRecord, ReadTensor>();
	readonly #values = new Map<Scope, Map<string, Constant>>();
	#steps = 0;
	#elements = 0;
	#work = 0;

	/** @param budget limit of all resolvers of this model together */
	constructor(access: TensorAccess, budget: ConstantBudget = new ConstantBudget()) {
		this.#access = access;
		this.#budget = budget;
	}

	/**
	 * Resolves `name` as seen from `scope`. Never throws because of the file's content: a broken, unsupported or too
	 * large constant is an answer with a `problem`.
	 * @throws {OnnxError} `io` when the model file itself cannot be read any more.
	 */
	resolve(scope: Scope, name: string): Promise<Constant> {
		return this.#resolve(scope, name, 0);
	}

	async #resolve(scope: Scope, name: string, depth: number): Promise<Constant> {
		const definition = scope.lookup(name);
		switch (definition.kind) {
			case 'initializer':
				return this.#read(definition.record, {
					kind: 'initializer',
					name,
					alsoInput: definition.alsoInput,
					through: [],
				});
			case 'input': {
				const { owner } = definition;
				const origin: Origin = owner ? runtimeOrigin(owner) : { kind: 'graph-input', name };
				return unknown(scope, name, origin);
			}
			case 'none':
				return unknown(scope, name, { kind: 'missing' });
			case 'node':
				return this.#remembered(definition.scope, definition.node, name, depth);
		}
	}

	/** Reads a tensor of the file once. */
	async #read(record: TensorRecord, origin: Origin): Promise<Constant> {
		const read = this.#records.get(record) ?? (await this.#readNew(record));
		this.#records.set(record, read);
		return { origin, dataType: record.dataType, dims: record.dims, ...read };
	}

	async #readNew(record: TensorRecord): Promise<ReadTensor> {
		const { dims, storage } = record;
		try {
			if (isBacked(record) && dims.every((dim) => dim >= 0)) {
				this.#budget.hold(record, storedBytes(record));
				this.#spend(product(dims), record.name);
			}
			return { tensor: await readTensor(record, this.#access) };
		} catch (error) {
			return { tensor: null, problem: problemOf(error, storage.kind === 'external') };
		}
	}

	/** Refuses before reading, so that a refused tensor costs no memory. @throws {OnnxError} `limit` */
	#spend(elements: number, name: string): void {
		if (this.#elements + elements > MAX_TOTAL_ELEMENTS) {
			const text = `"${name}" has ${elements} elements, too many to evaluate: the limit is ${MAX_TOTAL_ELEMENTS} at a time.`;
			throw new OnnxError('limit', text);
		}
		this.#budget.spend(elements, name);
		this.#elements += elements;
	}

	/** @throws {OnnxError} `limit` */
	#countWork(steps: number, name: string): void {
		this.#work += steps;
		if (this.#work > MAX_WORK) {
			throw new OnnxError('limit', `"${name}" is computed from constants in more than ${MAX_WORK} steps.`);
		}
	}

	async #remembered(scope: Scope, node: Node, name: string, depth: number): Promise<Constant> {
		const values = this.#values.get(scope) ?? new Map<string, Constant>();
		this.#values.set(scope, values);
		const known = values.get(name);
		if (known) {
			return known;
		}
		// Caches finished values only. A cached promise would wait for itself in a graph with a cycle.
		const constant = await this.#node(scope, node, name, depth);
		values.set(name, constant);
		return constant;
	}

	async #node(scope: Scope, node: Node, name: string, depth: number): Promise<Constant> {
		this.#steps += 1;
		if (depth > MAX_DEPTH || this.#steps > MAX_STEPS) {
			const bound = depth > MAX_DEPTH ? `${MAX_DEPTH} nodes deep` : `${MAX_STEPS} steps in all`;
			return unknown(scope, name, runtimeOrigin(node), `"${name}" is computed by a cycle, or by more than ${bound}.`);
		}
		const call = scope.ofCall(node, node.name);
		if (call) {
			const formal = call.graph.outputs[node.outputs.indexOf(name)]?.name ?? '';
			return this.#resolve(call, formal, depth + 1);
		}
		if (node.domain === '' && node.opType === 'Constant') {
			return this.#constantNode(scope, node);
		}
		return this.#expression(scope, node, name, depth);
	}

	async #constantNode(scope: Scope, node: Node): Promise<Constant> {
		const origin: Origin = { kind: 'constant', node: node.name || node.outputs[0] || '', through: [] };
		const value = scope.attribute(node, 'value')?.t ?? scope.attribute(node, 'sparse_value')?.sparse;
		if (value) {
			return this.#read(value, origin);
		}
		const form = ['value_float', 'value_floats', 'value_int', 'value_ints']
			.map((name) => scope.attribute(node, name))
			.find((attribute) => attribute !== undefined);
		const tensor = form && attributeTensor(form);
		const problem = `The Constant node "${origin.node}" holds strings, which are not supported.`;
		return tensor ? { ...tensor, origin, tensor } : { origin, tensor: null, dataType: 0, dims: [], problem };
	}

	async #expression(scope: Scope, node: Node, name: string, depth: number): Promise<Constant> {
		// An operator without inputs generates numbers (RandomNormal), and an operator with a body is a program. Both give
		// run-time values.
		if (node.inputs.length === 0 || bodies(node).length > 0 || !isStandard(node)) {
			return unknown(scope, name, runtimeOrigin(node));
		}
		const inputs: (Constant | undefined)[] = [];
		for (const [index, input] of node.inputs.entries()) {
			// Resolves inputs in sequence, so that repeated values are evaluated once.
			const constant = input === '' ? undefined : await this.#resolve(scope, input, depth + 1);
			if (constant?.tensor === null && node.opType === 'CastLike' && index === 1 && constant.dataType !== 0) {
				// Only the type of the second input counts. Most often it is the data's type, and the data are not constant.
				inputs.push({ ...constant, tensor: { dataType: constant.dataType, dims: [0], data: new Float64Array(0) } });
			} else if (constant?.tensor === null && node.opType === 'Reshape' && index === 1) {
				const shape = await this.#openShape(scope, node, depth);
				if (!shape) {
					return unknown(scope, name, runtimeOrigin(node), constant.problem);
				}
				inputs.push({ ...constant, tensor: shape });
			} else if (constant?.tensor === null) {
				const origin = PASSING.has(node.opType) ? constant.origin : runtimeOrigin(node);
				return unknown(scope, name, origin, constant.problem);
			} else {
				inputs.push(constant);
			}
		}
		return this.#evaluate(scope, node, name, inputs);
	}

	/** Returns the shape of a Reshape with -1 for the dimension that comes from the data; undefined for other shapes. */
	async #openShape(scope: Scope, node: Node, depth: number): Promise<Tensor | undefined> {
		const shape = shapeByElements(scope, node);
		const dims: number[] = [];
		for (const part of shape?.parts ?? []) {
			const constant = part === null || !shape ? undefined : await this.#resolve(shape.scope, part, depth + 1);
			if (part !== null && !constant?.tensor) {
				return undefined;
			}
			dims.push(...(constant?.tensor?.data ?? [-1]));
		}
		return shape && { dataType: typeCode('int64'), dims: [dims.length], data: Float64Array.from(dims) };
	}

	async #evaluate(
		scope: Scope,
		node: Node,
		name: string,
		inputs: readonly (Constant | undefined)[],
	): Promise<Constant> {
		const operator = OPERATORS.get(node.opType);
		const problem = `"${name}" is computed by ${node.opType} from constants, which is not evaluated here.`;
		if (!operator) {
			return unknown(scope, name, runtimeOrigin(node), problem);
		}
		const value = scope.attribute(node, 'value')?.t;
		const fill = value && (await this.#read(value, runtimeOrigin(node)));
		if (fill?.problem !== undefined) {
			return unknown(scope, name, runtimeOrigin(node), fill.problem);
		}
		try {
			const tensor = withError(node.opType, operator, {
				inputs: inputs.map((input) => input?.tensor ?? undefined),
				attribute: (attribute) => scope.attribute(node, attribute),
				value: fill?.tensor ?? undefined,
				opset: scope.opset(),
				allocate: (dataType, count) => {
					this.#spend(count, name);
					return newElements(dataType, count);
				},
				output: node.outputs.indexOf(name),
				outputs: node.outputs.length,
				countWork: (steps) => this.#countWork(steps, name),
			});
			const { dataType, dims } = tensor;
			const origins = inputs.flatMap((input) => (input ? [input.origin] : []));
			return { origin: expressionOrigin(node.opType, origins), tensor, dataType, dims };
		} catch (error) {
			return unknown(scope, name, runtimeOrigin(node), problemOf(error, false));
		}
	}
}

/** Bytes that a tensor takes in a file. */
function storedBytes({ dataType, dims, storage }: TensorRecord): number {
	return storage.kind === 'sparse'
		? storedBytes(storage.values) + storedBytes(storage.indices)
		: byteLength(dataType, product(dims));
}

function unknown(scope: Scope, name: string, origin: Origin, problem?: string): Constant {
	const declared = scope.declared(name);
	const dims = (declared?.shape ?? []).filter((dim) => typeof dim === 'number');
	const complete = dims.length === declared?.shape?.length;
	return {
		origin,
		tensor: null,
		dataType: declared?.dataType ?? 0,
		dims: complete ? dims : [],
		...(problem === undefined ? {} : { problem }),
	};
}

/** Returns the message of a failure that concerns this value only. Rethrows any other error. */
function problemOf(error: unknown, external: boolean): string {
	if (error instanceof OnnxError && (external || error.code !== 'io')) {
		return error.message;
	}
	throw error;
}

function attributeTensor({ f, i, floats, ints }: Attribute): Tensor | undefined {
	const list = floats ?? ints;
	const single = f ?? i;
	if (!list && single === undefined) {
		return undefined;
	}
	const dataType = typeCode(floats || f !== undefined ? 'float32' : 'int64');
	const data = Float64Array.from(list ?? [Number(single)]);
	return { dataType, dims: list ? [list.length] : [], data };
}
