/** The part of VS Code's notebook renderer API that we use (vscode-notebook-renderer, MIT). */
interface OutputItem {
	readonly id: string;
	readonly mime: string;
	json(): unknown;
}

interface RendererContext {
	/** Absent if the extension does not run, for example in a notebook on a web site. */
	readonly postMessage?: (message: unknown) => void;
	readonly onDidReceiveMessage?: (listener: (message: unknown) => void) => { dispose(): void };
}

interface Renderer {
	renderOutputItem(item: OutputItem, element: HTMLElement, signal?: AbortSignal): void | Promise<void>;
	/** Id of the removed output; undefined: all outputs. */
	disposeOutputItem(id?: string): void;
}

declare module '*.css' {
	const text: string;
	export default text;
}
