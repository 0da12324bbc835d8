import type { CheckpointLimits } from '../../limits.js';
import { OPCODES } from './opcodes.js';
import { type PickleContext, PickleReader } from './reader.js';
import { type PickleMachine, PickleStack } from './stack.js';
import type { PersistentId, PickleValue } from './values.js';

export interface Unpickled {
	readonly value: PickleValue;
	/** Index of the byte behind the STOP opcode. */
	readonly end: number;
	/** References to objects outside of the pickle, in file order. */
	readonly external: readonly PersistentId[];
}

const PROTO = 0x80;
const STOP = 0x2e;
const MAX_PROTOCOL = 5;

/**
 * Reads a pickle of protocol 0 to 5 as data. Classes and functions stay names, calls become records.
 * Format: CPython's Lib/pickletools.py.
 * @throws {CheckpointError} `truncated` if the bytes end before STOP; `malformed`, `limit` or `unsupported`
 */
export function unpickle(bytes: Uint8Array, start: number, context: PickleContext): Unpickled {
	const reader = new PickleReader(bytes, start, context);
	const machine: PickleMachine = { reader, stack: new PickleStack(reader, context.limits) };
	for (let operations = 0; ; operations++) {
		checkOperations(operations, reader, context.limits);
		const opcode = reader.uint8();
		if (opcode === STOP) {
			return { value: machine.stack.pop(), end: reader.at, external: machine.stack.external };
		}
		if (opcode === PROTO) {
			checkProtocol(reader);
			continue;
		}
		const operation = OPCODES.get(opcode);
		if (!operation) {
			throw reader.error('malformed', `the unknown instruction 0x${opcode.toString(16).padStart(2, '0')}`);
		}
		operation(machine);
	}
}

function checkOperations(operations: number, reader: PickleReader, { pickleOperations }: CheckpointLimits): void {
	if (operations >= pickleOperations) {
		throw reader.error('limit', `more instructions than the limit of ${pickleOperations} (pickleOperations)`);
	}
}

function checkProtocol(reader: PickleReader): void {
	const protocol = reader.uint8();
	if (protocol > MAX_PROTOCOL) {
		throw reader.error('unsupported', `protocol ${protocol}, newer than ${MAX_PROTOCOL},`);
	}
}
