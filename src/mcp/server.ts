import { realpath } from 'node:fs/promises';
import path from 'node:path';
import { Server } from '@modelcontextprotocol/sdk/server/index.js';
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js';
import { CallToolRequestSchema, type CallToolResult, ListToolsRequestSchema } from '@modelcontextprotocol/sdk/types.js';
import { visible } from '../core/text/names.js';
import { messageOf } from '../core/text/sentences.js';
import { EngineClient } from '../engine/client.js';
import { TOOLS, ToolError } from './tools.js';

export interface ServerOptions {
	/** Folder below which models are read; it exists. */
	readonly root: string;
	/** Bundle of the engine. */
	readonly engine: string;
	readonly version: string;
}

/**
 * Serves inspect and compare over standard input and output (Model Context Protocol), until the input ends.
 */
export async function serve({ root, engine: entry, version }: ServerOptions): Promise<void> {
	const folder = await realpath(root);
	const engine = new EngineClient({ entry });
	const server = new Server({ name: 'batchnorm-lens', version }, { capabilities: { tools: {} } });
	server.setRequestHandler(ListToolsRequestSchema, () => ({
		tools: TOOLS.map(({ name, title, description, inputSchema }) => ({
			name,
			title,
			description,
			inputSchema: { ...inputSchema, type: 'object' as const },
			annotations: { readOnlyHint: true, openWorldHint: false },
		})),
	}));
	server.setRequestHandler(CallToolRequestSchema, async ({ params }, { signal }) => {
		const tool = TOOLS.find(({ name }) => name === params.name);
		try {
			if (!tool) {
				throw new ToolError(
					`There is no tool ${params.name}; there are ${TOOLS.map(({ name }) => name).join(' and ')}.`,
				);
			}
			const answer = await tool.call(params.arguments ?? {}, { engine, root: folder, signal });
			return text(JSON.stringify(answer));
		} catch (error) {
			return { ...text(visible(hidePath(messageOf(error), folder))), isError: true };
		}
	});
	const closed = new Promise<void>((resolve) => {
		server.onclose = resolve;
		// The transport does not notice the end of the input by itself.
		process.stdin.once('end', resolve).once('close', resolve);
	});
	try {
		await server.connect(new StdioServerTransport());
		await closed;
	} finally {
		engine.dispose();
		await server.close();
	}
}

const text = (content: string): CallToolResult => ({ content: [{ type: 'text', text: content }] });

/** Names files relative to the root, as the client does. */
const hidePath = (message: string, root: string): string => message.replaceAll(root + path.sep, '');
