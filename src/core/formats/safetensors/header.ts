import { decodeText } from '../../onnx/text.js';
import { CheckpointError } from '../errors.js';
import type { CheckpointLimits } from '../limits.js';

/** A tensor as the header describes it; `begin` and `end` count from the end of the header, in bytes. */
export interface HeaderEntry {
	readonly name: string;
	readonly dtype: string;
	readonly dims: readonly number[];
	readonly begin: number;
	readonly end: number;
}

export interface SafetensorsHeader {
	readonly entries: readonly HeaderEntry[];
	readonly metadata: ReadonlyMap<string, string>;
}

interface Context {
	/** Name of the file in messages. */
	readonly path: string;
	/** Offset of the header's first byte in the file. */
	readonly start: number;
	readonly limits: CheckpointLimits;
}

/**
 * Parses the JSON of a header. Knows exactly the two levels of the format. JSON.parse would accept duplicate names and
 * let a hostile header choose how much memory its values take.
 * @throws {CheckpointError} `malformed` or `limit`
 */
export function parseHeader(bytes: Uint8Array, context: Context): SafetensorsHeader {
	return new HeaderParser(bytes, context).parse();
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const MAX_NUMBER_DIGITS = 16;

class HeaderParser {
	readonly #bytes: Uint8Array;
	readonly #context: Context;
	#at = 0;

	constructor(bytes: Uint8Array, context: Context) {
		this.#bytes = bytes;
		this.#context = context;
	}

	parse(): SafetensorsHeader {
		const entries: HeaderEntry[] = [];
		const names = new Set<string>();
		let metadata: ReadonlyMap<string, string> = new Map();
		this.#object((name) => {
			if (names.has(name)) {
				throw this.#malformed(`the name "${name}" occurs twice`);
			}
			names.add(name);
			if (name === '__metadata__') {
				metadata = this.#metadata();
				return;
			}
			entries.push(this.#entry(name));
			this.#checkCount(entries.length);
		});
		this.#space();
		// The format pads the header with spaces; some writers use zeros.
		while (this.#bytes[this.#at] === 0) {
			this.#at++;
		}
		if (this.#at < this.#bytes.length) {
			throw this.#malformed('text follows the closing brace');
		}
		return { entries, metadata };
	}

	#metadata(): ReadonlyMap<string, string> {
		const metadata = new Map<string, string>();
		this.#object((key) => {
			metadata.set(key, this.#string());
			this.#checkCount(metadata.size);
		});
		return metadata;
	}

	#checkCount(count: number): void {
		const { path, limits } = this.#context;
		if (count > limits.tensors) {
			throw new CheckpointError('limit', `${path} has a header of more than ${limits.tensors} entries (tensors).`);
		}
	}

	#entry(name: string): HeaderEntry {
		let dtype: string | undefined;
		let dims: readonly number[] | undefined;
		let offsets: readonly number[] | undefined;
		this.#object((key) => {
			if (key === 'dtype') {
				dtype = this.#string();
			} else if (key === 'shape') {
				dims = this.#numbers();
			} else if (key === 'data_offsets') {
				offsets = this.#numbers();
			} else {
				throw this.#malformed(`tensor "${name}" has the unknown key "${key}"`);
			}
		});
		const [begin, end] = offsets ?? [];
		if (dtype === undefined || !dims || begin === undefined || end === undefined || offsets?.length !== 2) {
			throw this.#malformed(`tensor "${name}" lacks its dtype, shape or pair of data_offsets`);
		}
		return { name, dtype, dims, begin, end };
	}

	/** Reads an object, calling `member` at the value of each key. */
	#object(member: (key: string) => void): void {
		this.#expect('{');
		if (this.#accept('}')) {
			return;
		}
		do {
			const key = this.#string();
			this.#expect(':');
			member(key);
		} while (this.#accept(','));
		this.#expect('}');
	}

	#numbers(): readonly number[] {
		const numbers: number[] = [];
		this.#expect('[');
		if (this.#accept(']')) {
			return numbers;
		}
		do {
			numbers.push(this.#number());
			if (numbers.length > this.#context.limits.rank) {
				throw this.#malformed(`a list has more than ${this.#context.limits.rank} numbers`);
			}
		} while (this.#accept(','));
		this.#expect(']');
		return numbers;
	}

	#number(): number {
		this.#space();
		const start = this.#at;
		let value = 0;
		for (let digit = this.#digit(); digit !== undefined; digit = this.#digit()) {
			value = value * 10 + digit;
			this.#at++;
		}
		if (this.#at === start || this.#at - start > MAX_NUMBER_DIGITS || !Number.isSafeInteger(value)) {
			throw this.#malformed('a shape or offset is not a whole number below 2^53');
		}
		return value;
	}

	#digit(): number | undefined {
		const digit = (this.#bytes[this.#at] ?? 0) - 0x30;
		return digit >= 0 && digit <= 9 ? digit : undefined;
	}

	#string(): string {
		this.#expect('"');
		const start = this.#at;
		let escaped = false;
		while (this.#at < this.#bytes.length && this.#bytes[this.#at] !== QUOTE) {
			const backslash = this.#bytes[this.#at] === BACKSLASH;
			escaped ||= backslash;
			this.#at += backslash ? 2 : 1;
		}
		const end = this.#at;
		if (end - start > this.#context.limits.nameBytes) {
			const limit = this.#context.limits.nameBytes;
			throw new CheckpointError(
				'limit',
				`${this.#context.path} has a text of more than ${limit} bytes in its header (nameBytes).`,
				this.#context.start + start,
			);
		}
		this.#expect('"');
		return escaped ? this.#unescape(start, end) : decodeText(this.#bytes, start, end);
	}

	#unescape(start: number, end: number): string {
		try {
			return String(JSON.parse(decodeText(this.#bytes, start - 1, end + 1)));
		} catch {
			throw this.#malformed('a text has an invalid escape');
		}
	}

	#accept(character: string): boolean {
		this.#space();
		if (this.#bytes[this.#at] !== character.charCodeAt(0)) {
			return false;
		}
		this.#at++;
		return true;
	}

	#expect(character: string): void {
		if (!this.#accept(character)) {
			throw this.#malformed(`"${character}" is missing`);
		}
	}

	#space(): void {
		for (let byte = this.#bytes[this.#at]; byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09; ) {
			byte = this.#bytes[++this.#at];
		}
	}

	#malformed(problem: string): CheckpointError {
		const offset = this.#context.start + this.#at;
		return new CheckpointError(
			'malformed',
			`${this.#context.path} has a broken safetensors header at byte ${offset}, because ${problem}: save the file again.`,
			offset,
		);
	}
}
