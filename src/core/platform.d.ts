// The two globals that core needs and every environment it runs in has; declared here because core compiles with
// neither DOM nor Node types.
declare class TextDecoder {
	constructor(label?: string, options?: { fatal?: boolean; ignoreBOM?: boolean });
	decode(bytes: Uint8Array): string;
}
declare class TextEncoder {
	encode(text: string): Uint8Array<ArrayBuffer>;
}
