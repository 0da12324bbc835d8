import { concat, float32, little } from './checkpoint-builder.js';

/** A dataset of float32 elements, contiguous unless its layout message is given. */
export interface DatasetSpec {
	readonly dims: readonly number[];
	readonly values?: readonly number[];
	/** Replaces the message of the type, the shape, the layout. */
	readonly type?: Uint8Array;
	readonly space?: Uint8Array;
	readonly layout?: Uint8Array;
	/** Further messages. */
	readonly messages?: readonly Uint8Array[];
}

export interface GroupSpec {
	readonly attributes?: Readonly<Record<string, string | readonly string[]>>;
	/** In the order of writing. */
	readonly children?: Readonly<Record<string, GroupSpec | DatasetSpec>>;
	/** Links to addresses. */
	readonly links?: Readonly<Record<string, number>>;
	/** Further messages. */
	readonly messages?: readonly Uint8Array[];
}

const UNDEFINED = new Uint8Array(8).fill(0xff);

/** Bytes of the superblock, behind which the first object begins. */
export const FIRST_ADDRESS = 48;

/**
 * Writes an HDF5 file in the form of version 1.8: superblock 2, object headers 2, links in the headers. Checksums are
 * zeros, which the reader does not compare.
 */
export function buildHdf5(root: GroupSpec): Uint8Array {
	const parts: Uint8Array[] = [];
	let end = FIRST_ADDRESS;
	const append = (bytes: Uint8Array): number => {
		const address = end;
		parts.push(bytes);
		end += bytes.length;
		return address;
	};
	const write = (spec: GroupSpec | DatasetSpec): number => ('dims' in spec ? writeDataset(spec) : writeGroup(spec));
	const writeDataset = ({ dims, values = [], type, space, layout, messages = [] }: DatasetSpec): number => {
		const data = float32(...values);
		const address = append(data);
		return append(
			objectHeader(
				message(1, space ?? dataspace(dims)),
				message(3, type ?? FLOAT32),
				message(8, layout ?? concat([3, 1], little(address, 8), little(data.length, 8))),
				...messages,
			),
		);
	};
	const writeGroup = ({ attributes = {}, children = {}, links = {}, messages = [] }: GroupSpec): number => {
		const inside = Object.entries(children).map(([name, child]) => linkMessage(name, write(child)));
		return append(
			objectHeader(
				message(2, concat([0, 0], UNDEFINED, UNDEFINED)),
				...inside,
				...Object.entries(links).map(([name, address]) => linkMessage(name, address)),
				...Object.entries(attributes).map(([name, value]) => attributeMessage(name, value)),
				...messages,
			),
		);
	};
	const rootAddress = write(root);
	const superblock = concat(
		...['\x89HDF\r\n\x1a\n', [2, 8, 8, 0], little(0, 8), UNDEFINED, little(end, 8), little(rootAddress, 8)],
		little(0, 4),
	);
	return concat(superblock, ...parts);
}

/** Type message of little-endian float32: sign at bit 31, exponent of 8 bits at 23, mantissa of 23 bits at 0. */
export const FLOAT32 = concat(
	[0x11, 0x20, 31, 0],
	little(4, 4),
	little(0, 2),
	little(32, 2),
	[23, 8, 0, 23],
	little(127, 4),
);

export function dataspace(dims: readonly number[]): Uint8Array {
	return concat([2, dims.length, 0, dims.length === 0 ? 0 : 1], ...dims.map((dim) => little(dim, 8)));
}

export function message(type: number, body: Uint8Array, flags = 0): Uint8Array {
	return concat([type], little(body.length, 2), [flags], body);
}

export function objectHeader(...messages: readonly Uint8Array[]): Uint8Array {
	const body = concat(...messages);
	return concat('OHDR', [2, 2], little(body.length, 4), body, little(0, 4));
}

export function linkMessage(name: string, address: number): Uint8Array {
	return message(6, concat([1, 1], little(name.length, 2), name, little(address, 8)));
}

function attributeMessage(name: string, value: string | readonly string[]): Uint8Array {
	const texts = typeof value === 'string' ? [value] : value;
	const width = Math.max(1, ...texts.map((text) => text.length));
	const type = concat([0x13, 0, 0, 0], little(width, 4));
	const space = dataspace(typeof value === 'string' ? [] : [texts.length]);
	const data = texts.map((text) => text.padEnd(width, '\0'));
	return message(
		12,
		concat(
			...[[3, 0], little(name.length + 1, 2), little(type.length, 2), little(space.length, 2), [0], `${name}\0`],
			...[type, space, ...data],
		),
	);
}
