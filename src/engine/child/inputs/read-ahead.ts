/**
 * Reads the next item while the caller works with one, so that memory holds two. An error in reading reaches the caller in
 * its turn.
 */
export async function* readAhead<T>(items: AsyncGenerator<T, void>): AsyncGenerator<T, void> {
	let next = items.next();
	try {
		for (let item = await next; !item.done; item = await next) {
			next = items.next();
			// The error is raised when the item is awaited.
			next.catch(() => undefined);
			yield item.value;
		}
	} finally {
		// Waits for the item being read.
		await items.return();
	}
}
