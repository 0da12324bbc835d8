// esbuild.mjs replaces an import of './assembly/NAME.wasm' by the compiled bytes of assembly/NAME.ts.
declare module '*.wasm' {
	const bytes: Uint8Array;
	export default bytes;
}

// The part of WebAssembly that the kernels use. Node has it at run time, but only the types of the DOM declare it.
declare namespace WebAssembly {
	class Memory {
		constructor(limits: { initial: number; maximum?: number });
		readonly buffer: ArrayBuffer;
		grow(pages: number): number;
	}
	function validate(bytes: Uint8Array): boolean;
	function instantiate(
		bytes: Uint8Array,
		imports: { env: { memory: Memory } },
	): Promise<{ instance: { exports: Record<string, unknown> } }>;
}
