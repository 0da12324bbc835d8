/** Decodes UTF-8, or the UTF-16 that Windows PowerShell writes for redirected output. Drops a byte order mark. */
export function decodeText(bytes: Uint8Array): string {
	const isUtf16 = bytes[0] === 0xff && bytes[1] === 0xfe;
	return new TextDecoder(isUtf16 ? 'utf-16le' : 'utf-8').decode(bytes);
}
