// What esbuild.mjs makes of an import of './assembly/NAME.wasm': the compiled assembly/NAME.ts.
declare module '*.wasm' {
	const bytes: Uint8Array;
	export default bytes;
}

// WebAssembly as far as the kernels use it: every environment they run in has it, but only the DOM's types declare it.
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
