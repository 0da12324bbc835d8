import { createReadStream } from 'node:fs';
import { lstat } from 'node:fs/promises';

/** True if two regular files have the same bytes. A link is no regular file. */
export async function isSameContent(a: string, b: string): Promise<boolean> {
	const [one, two] = await Promise.all([lstat(a), lstat(b)]);
	if (!one.isFile() || !two.isFile() || one.size !== two.size) {
		return false;
	}
	const [first, second] = [createReadStream(a), createReadStream(b)];
	try {
		const chunks = second[Symbol.asyncIterator]();
		for await (const chunk of first) {
			const { value } = await chunks.next();
			if (!(value instanceof Buffer && value.equals(chunk))) {
				return false;
			}
		}
		return true;
	} finally {
		first.destroy();
		second.destroy();
	}
}
