/** 0x1950a86a20f9469cfc6c as a pickled integer (opcode LONG1, ten bytes). */
const MAGIC = [0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];

/** Maximum bytes before the magic number: two for the protocol, and nine for a frame of protocol 4. */
const MAX_OFFSET = 11;

/** Returns true if a file begins with the pickled number that torch.save wrote before version 1.6. */
export function isLegacyMagic(head: Uint8Array): boolean {
	if (head[0] !== 0x80) {
		return false;
	}
	for (let start = 2; start <= MAX_OFFSET; start++) {
		if (MAGIC.every((byte, index) => head[start + index] === byte)) {
			return true;
		}
	}
	return false;
}
