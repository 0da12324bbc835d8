import { deflateRawSync } from 'node:zlib';

/** Little-endian bytes of a number. `width`: in bytes. */
export function little(value: number | bigint, width: number): Uint8Array {
	const bytes = new Uint8Array(8);
	new DataView(bytes.buffer).setBigUint64(0, BigInt.asUintN(64, BigInt(value)), true);
	return bytes.slice(0, width);
}

export function concat(...parts: readonly (Uint8Array | readonly number[] | string)[]): Uint8Array {
	return Uint8Array.from(
		Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part, 'latin1') : Buffer.from(part)))),
	);
}

export function float32(...numbers: readonly number[]): Uint8Array {
	return new Uint8Array(Float32Array.from(numbers).buffer);
}

export interface SafetensorsSpec {
	readonly header?: string;
	readonly data?: Uint8Array;
	/** Length in the first eight bytes, if not the header's own. */
	readonly length?: number | bigint;
}

export function buildSafetensors({ header = '{}', data = new Uint8Array(0), length }: SafetensorsSpec): Uint8Array {
	const text = new TextEncoder().encode(header);
	return concat(little(length ?? text.length, 8), text, data);
}

/** Header and data of float32 tensors, one behind the other. `tensors`: name to elements, all of rank 1 unless shaped. */
export function safetensorsOf(
	tensors: Readonly<Record<string, readonly number[]>>,
	shapes: Readonly<Record<string, readonly number[]>> = {},
): Uint8Array {
	let at = 0;
	const entries = Object.entries(tensors).map(([name, numbers]) => {
		const begin = at;
		at += 4 * numbers.length;
		return [name, { dtype: 'F32', shape: shapes[name] ?? [numbers.length], data_offsets: [begin, at] }];
	});
	return buildSafetensors({
		header: JSON.stringify(Object.fromEntries(entries)),
		data: float32(...Object.values(tensors).flat()),
	});
}

export interface ZipEntrySpec {
	readonly name: string;
	readonly data?: Uint8Array;
	readonly deflate?: boolean;
	/** Fields of the directory that lie. */
	readonly size?: number;
	readonly compressedSize?: number;
	readonly offset?: number;
	readonly method?: number;
	readonly flags?: number;
	readonly localMethod?: number;
	/** Bytes of the local header's extra field. */
	readonly padding?: number;
	/** Writes sizes and offset to a zip64 extra field. */
	readonly wide?: boolean;
}

export interface ZipSpec {
	readonly entries: readonly ZipEntrySpec[];
	readonly zip64?: boolean;
	readonly comment?: string;
	/** Fields of the end record that lie. */
	readonly count?: number;
	readonly directoryOffset?: number;
}

const WIDE = 0xffffffff;

export function buildZip({ entries, zip64 = false, comment = '', count, directoryOffset }: ZipSpec): Uint8Array {
	const locals: Uint8Array[] = [];
	const headers: Uint8Array[] = [];
	let at = 0;
	for (const entry of entries) {
		const { name, data = new Uint8Array(0), deflate = false, padding = 0, wide = false } = entry;
		const method = deflate ? 8 : 0;
		const content = deflate ? deflateRawSync(data) : data;
		const size = entry.size ?? data.length;
		const compressed = entry.compressedSize ?? content.length;
		const offset = entry.offset ?? at;
		const flags = little(entry.flags ?? 0x800, 2);
		const local = concat(
			...['PK\x03\x04', little(20, 2), flags, little(entry.localMethod ?? method, 2), little(0, 4), little(0, 4)],
			...[little(0, 4), little(0, 4), little(name.length, 2), little(padding, 2), name, new Uint8Array(padding)],
			content,
		);
		const extra = wide
			? concat(little(1, 2), little(24, 2), little(size, 8), little(compressed, 8), little(offset, 8))
			: [];
		headers.push(
			concat(
				...['PK\x01\x02', little(20, 2), little(20, 2), flags, little(entry.method ?? method, 2), little(0, 4)],
				...[little(0, 4), little(wide ? WIDE : compressed, 4), little(wide ? WIDE : size, 4), little(name.length, 2)],
				...[little(extra.length, 2), little(0, 2), little(0, 2), little(0, 2), little(0, 4)],
				...[little(wide ? WIDE : offset, 4), name, extra],
			),
		);
		locals.push(local);
		at += local.length;
	}
	const directory = concat(...headers);
	const start = directoryOffset ?? at;
	const total = count ?? entries.length;
	const end64 = zip64
		? concat(
				...['PK\x06\x06', little(44, 8), little(45, 2), little(45, 2), little(0, 4), little(0, 4), little(total, 8)],
				...[little(total, 8), little(directory.length, 8), little(start, 8)],
				...['PK\x06\x07', little(0, 4), little(at + directory.length, 8), little(1, 4)],
			)
		: new Uint8Array(0);
	return concat(
		...locals,
		directory,
		end64,
		...['PK\x05\x06', little(0, 2), little(0, 2), little(zip64 ? 0xffff : total, 2), little(zip64 ? 0xffff : total, 2)],
		...[
			little(zip64 ? WIDE : directory.length, 4),
			little(zip64 ? WIDE : start, 4),
			little(comment.length, 2),
			comment,
		],
	);
}
