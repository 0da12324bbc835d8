import type { CheckpointModule, Setting } from '../checkpoint.js';
import { CheckpointError } from '../errors.js';
import type { CheckpointLimits } from '../limits.js';
import { attributesOf, classOf, type Entries, entriesOf, numbersOf } from './containers.js';
import { PickleObject, type PickleValue } from './pickle/values.js';
import type { TensorReader } from './rebuild.js';

/** Tensors of a part of a file by name, still as values of the pickle, and the modules around them. */
export interface NamedValues {
	readonly tensors: ReadonlyMap<string, PickleObject>;
	readonly modules: readonly CheckpointModule[];
	/** Class of each module with its package, by the module's name. */
	readonly classes: ReadonlyMap<string, string>;
}

/** Attributes that state how BN layers and their operators compute. */
const SETTINGS = new Set([
	...['eps', 'momentum', 'affine', 'track_running_stats', 'num_features', 'training'],
	...['in_channels', 'out_channels', 'kernel_size', 'stride', 'padding', 'dilation', 'groups', 'transposed'],
	...['output_padding', 'padding_mode', 'in_features', 'out_features'],
]);

/** Maximum length of a list that is kept as a setting, for example a stride by axis. */
const MAX_SETTING_LENGTH = 8;

export interface CollectContext {
	readonly reader: TensorReader;
	readonly limits: CheckpointLimits;
	/** Name of the file in messages. */
	readonly path: string;
	readonly work: WorkCounter;
}

/** Counts the visited entries, because a small pickle can repeat its containers without end. */
export class WorkCounter {
	readonly #path: string;
	readonly #limit: number;
	#spent = 0;

	constructor(path: string, { pickleRecords }: CheckpointLimits) {
		this.#path = path;
		this.#limit = pickleRecords;
	}

	/** @throws {CheckpointError} `limit` */
	spend(entries: number): void {
		this.#spent += entries;
		if (this.#spent > this.#limit) {
			throw new CheckpointError(
				'limit',
				`${this.#path} repeats its containers to more than ${this.#limit} entries (pickleRecords).`,
			);
		}
	}
}

/** Returns true for a pickled torch.nn.Module. */
export function isModule(value: PickleValue): value is PickleObject {
	const attributes = attributesOf(value);
	return entriesOf(attributes?.get('_modules')) !== undefined && attributes?.has('_parameters') === true;
}

/** Returns true for an object of TorchScript, which has tensors and other such objects as attributes. */
export function isScriptModule(value: PickleValue): value is PickleObject {
	return value instanceof PickleObject && classOf(value)?.module.startsWith('__torch__') === true;
}

/** Returns the tensors of a dictionary that maps names to tensors. */
export function collectStateDict(entries: Entries, { reader, work }: CollectContext): NamedValues {
	work.spend(entries.size);
	const tensors = new Map<string, PickleObject>();
	for (const [key, value] of entries) {
		if (typeof key === 'string' && reader.isTensor(value)) {
			tensors.set(key, value);
		}
	}
	return { tensors, modules: [], classes: new Map() };
}

/** Returns the tensors of a module tree in the order of its state_dict: parameters, buffers, then children. */
export function collectModules(root: PickleObject, context: CollectContext): NamedValues {
	return new ModuleCollector(context).collect(root);
}

interface Visit {
	readonly name: string;
	readonly object: PickleObject;
	readonly depth: number;
}

class ModuleCollector {
	readonly #context: CollectContext;
	readonly #tensors = new Map<string, PickleObject>();
	readonly #modules: CheckpointModule[] = [];
	readonly #classes = new Map<string, string>();
	/** Modules still to be visited, in reverse order. */
	readonly #pending: Visit[] = [];

	constructor(context: CollectContext) {
		this.#context = context;
	}

	collect(root: PickleObject): NamedValues {
		this.#pending.push({ name: '', object: root, depth: 0 });
		for (let visit = this.#pending.pop(); visit; visit = this.#pending.pop()) {
			this.#visit(visit);
		}
		return { tensors: this.#tensors, modules: this.#modules, classes: this.#classes };
	}

	#visit(visit: Visit): void {
		const { name, object } = visit;
		const attributes: Entries = attributesOf(object) ?? new Map();
		this.#checkSize(visit, attributes);
		const type = classOf(object);
		this.#modules.push({ name, className: type?.name ?? '', settings: settingsOf(attributes) });
		this.#classes.set(name, type ? `${type.module}.${type.name}` : '');
		if (isModule(object)) {
			this.#addTensors(name, entriesOf(attributes.get('_parameters')));
			this.#addTensors(name, entriesOf(attributes.get('_buffers')));
			this.#addChildren(visit, entriesOf(attributes.get('_modules')), isModule);
		} else {
			this.#addTensors(name, attributes);
			this.#addChildren(visit, attributes, isScriptModule);
		}
	}

	/** Refuses modules that contain themselves or repeat without end. */
	#checkSize({ depth, name }: Visit, attributes: Entries): void {
		const { treeDepth, tensors, nameBytes } = this.#context.limits;
		this.#context.work.spend(attributes.size + 1);
		const excess =
			(depth > treeDepth && `${treeDepth} levels (treeDepth)`) ||
			(this.#modules.length + this.#pending.length > tensors && `${tensors} modules (tensors)`) ||
			(name.length > nameBytes && `${nameBytes} characters in a name (nameBytes)`);
		if (excess) {
			throw new CheckpointError('limit', `${this.#context.path} has a module tree of more than ${excess}.`);
		}
	}

	#addTensors(module: string, entries: Entries = new Map()): void {
		this.#context.work.spend(entries.size);
		for (const [key, value] of entries) {
			if (typeof key === 'string' && this.#context.reader.isTensor(value)) {
				this.#tensors.set(join(module, key), value);
			}
		}
	}

	#addChildren(
		{ name, depth }: Visit,
		entries: Entries = new Map(),
		isChild: (value: PickleValue) => value is PickleObject,
	): void {
		this.#context.work.spend(entries.size);
		const children: Visit[] = [];
		for (const [key, value] of entries) {
			if (typeof key === 'string' && isChild(value)) {
				children.push({ name: join(name, key), object: value, depth: depth + 1 });
			}
		}
		for (const child of children.reverse()) {
			this.#pending.push(child);
		}
	}
}

function join(module: string, name: string): string {
	return module === '' ? name : `${module}.${name}`;
}

function settingsOf(attributes: Entries): ReadonlyMap<string, Setting> {
	const settings = new Map<string, Setting>();
	for (const [key, value] of attributes) {
		const setting = typeof key === 'string' && SETTINGS.has(key) ? settingOf(value) : undefined;
		if (setting !== undefined) {
			settings.set(String(key), setting);
		}
	}
	return settings;
}

function settingOf(value: PickleValue): Setting | undefined {
	if (typeof value === 'number' || typeof value === 'boolean' || typeof value === 'string') {
		return value;
	}
	const numbers = numbersOf(value);
	return numbers && numbers.length <= MAX_SETTING_LENGTH ? numbers : undefined;
}
