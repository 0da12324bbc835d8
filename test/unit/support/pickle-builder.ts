import { buildZip, concat, little, type ZipEntrySpec } from './checkpoint-builder.js';

/** Bytes of opcodes that leave one value on the stack. */
export type Code = Uint8Array;

export const NONE = code('N');
export const EMPTY_TUPLE = code(')');

/** Concatenates opcodes and their arguments; text stands for its Latin-1 bytes. */
export function code(...parts: readonly (Uint8Array | readonly number[] | string)[]): Code {
	return concat(...parts);
}

export function text(value: string): Code {
	const bytes = new TextEncoder().encode(value);
	return code('X', little(bytes.length, 4), bytes);
}

export function int(value: number | bigint): Code {
	return Number(value) >= -(2 ** 31) && Number(value) < 2 ** 31
		? code('J', little(value, 4))
		: code([0x8a, 8], little(value, 8));
}

export function global(module: string, name: string): Code {
	return code(`c${module}\n${name}\n`);
}

export function tuple(...items: readonly Code[]): Code {
	return code('(', ...items, 't');
}

export function list(...items: readonly Code[]): Code {
	return code('](', ...items, 'e');
}

export function numbers(values: readonly number[]): Code {
	return tuple(...values.map(int));
}

export function dict(entries: Readonly<Record<string, Code>>): Code {
	return code('}(', ...Object.entries(entries).flatMap(([key, value]) => [text(key), value]), 'u');
}

export function call(callable: Code, ...args: readonly Code[]): Code {
	return code(callable, tuple(...args), 'R');
}

/** An object of a class, made by NEWOBJ and BUILD. */
export function object(type: Code, state: Code): Code {
	return code(type, EMPTY_TUPLE, [0x81], state, 'b');
}

export function orderedDict(entries: Readonly<Record<string, Code>>): Code {
	const items = Object.entries(entries).flatMap(([key, value]) => [text(key), value]);
	return code(call(global('collections', 'OrderedDict')), '(', ...items, 'u');
}

export interface TensorCode {
	readonly key?: string;
	/** Class of the storage. */
	readonly type?: string;
	/** Elements of the storage. */
	readonly count: number;
	readonly offset?: number;
	readonly size: readonly number[];
	readonly stride: readonly number[];
}

export function storage({ key = '0', type = 'FloatStorage', count }: Pick<TensorCode, 'key' | 'type' | 'count'>): Code {
	return code(tuple(text('storage'), global('torch', type), text(key), text('cpu'), int(count)), 'Q');
}

export function tensor({ offset = 0, size, stride, ...of }: TensorCode): Code {
	const rebuild = global('torch._utils', '_rebuild_tensor_v2');
	const hooks = call(global('collections', 'OrderedDict'));
	return call(rebuild, storage(of), int(offset), numbers(size), numbers(stride), code([0x89]), hooks);
}

/** A tensor of rank 1 over the whole storage. */
export function vector(key: string, count: number, type = 'FloatStorage'): Code {
	return tensor({ key, type, count, size: [count], stride: [1] });
}

/** Parameters and statistics of a BN layer, all in one storage. `prefix`: with its dot. */
export function layer(prefix: string, key = '0', channels = 4): Readonly<Record<string, Code>> {
	const names = ['weight', 'bias', 'running_mean', 'running_var'];
	return Object.fromEntries(names.map((name) => [`${prefix}${name}`, vector(key, channels)]));
}

/** An nn.Module. `attributes`: further ones, such as eps. */
export function module(
	className: string,
	parts: {
		readonly parameters?: Readonly<Record<string, Code>>;
		readonly buffers?: Readonly<Record<string, Code>>;
		readonly modules?: Readonly<Record<string, Code>>;
		readonly attributes?: Readonly<Record<string, Code>>;
	},
): Code {
	return object(
		global(`torch.nn.modules.${className.toLowerCase()}`, className),
		dict({
			training: code([0x89]),
			_parameters: orderedDict(parts.parameters ?? {}),
			_buffers: orderedDict(parts.buffers ?? {}),
			_modules: orderedDict(parts.modules ?? {}),
			...parts.attributes,
		}),
	);
}

export function pickle(value: Code, protocol = 2): Uint8Array {
	return concat([0x80, protocol], value, '.');
}

/** A file as torch.save writes it. `storages`: bytes by key. */
export function torchZip(
	value: Code,
	storages: Readonly<Record<string, Uint8Array>> = {},
	more: readonly ZipEntrySpec[] = [],
): Uint8Array {
	return buildZip({
		entries: [
			{ name: 'archive/data.pkl', data: pickle(value), padding: 7 },
			...Object.entries(storages).map(([key, data]) => ({ name: `archive/data/${key}`, data, padding: 30 })),
			{ name: 'archive/version', data: concat('3\n') },
			...more,
		],
	});
}

/** Entries that make a file TorchScript. `batchNorm`: source of the class BatchNorm2d; without it, no entry has it. */
export function scriptEntries(batchNorm?: string): readonly ZipEntrySpec[] {
	const name = 'archive/code/__torch__/torch/nn/modules/batchnorm.py';
	return [
		{ name: 'archive/constants.pkl', data: pickle(tuple()) },
		...(batchNorm === undefined ? [] : [{ name, data: concat(batchNorm), deflate: true }]),
	];
}

/** The root of a TorchScript file: a Net with the layer `bn` in storage "0". */
export function scriptRoot(): Code {
	const bn = object(global('__torch__.torch.nn.modules.batchnorm', 'BatchNorm2d'), dict(layer('')));
	return object(global('__torch__.net', 'Net'), dict({ training: code([0x88]), bn }));
}

const MAGIC = 0x1950a86a20f9469cfc6cn;

export interface LegacySpec {
	readonly keys: readonly string[];
	/** Element counts and bytes, in the order of the keys. */
	readonly storages: readonly (readonly [number, Uint8Array])[];
	readonly magic?: bigint;
	readonly protocol?: number;
	readonly littleEndian?: boolean;
	/** Protocol of the pickles. */
	readonly pickleProtocol?: number;
}

/** A file as torch.save wrote it before version 1.6. */
export function torchLegacy(value: Code, spec: LegacySpec): Uint8Array {
	const { keys, storages, magic = MAGIC, protocol = 1001, littleEndian = true, pickleProtocol = 2 } = spec;
	const high = little(magic >> 64n, 2);
	return concat(
		pickle(code([0x8a, 10], little(BigInt.asUintN(64, magic), 8), high), pickleProtocol),
		pickle(int(protocol), pickleProtocol),
		pickle(dict({ little_endian: code([littleEndian ? 0x88 : 0x89]) }), pickleProtocol),
		pickle(value, pickleProtocol),
		pickle(list(...keys.map(text)), pickleProtocol),
		...storages.flatMap(([count, bytes]) => [little(count, 8), bytes]),
	);
}
