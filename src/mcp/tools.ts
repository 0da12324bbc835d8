import { z } from 'zod';
import { digestComparison, digestReport } from '../core/report/export/digest.js';
import type { JsonObject } from '../core/report/json.js';
import type { EngineClient } from '../engine/client.js';
import { resolveBelow } from '../platform/root-folder.js';

/** The engine, and the folder below which models are read. */
export interface ToolContext {
	readonly engine: EngineClient;
	/** Absolute path without links. */
	readonly root: string;
	readonly signal: AbortSignal;
}

/** The request cannot be answered. The message is a sentence for the client. */
export class ToolError extends Error {
	override readonly name = 'ToolError';
}

const MAX_PATH = 4096;
const layers = z
	.array(z.union([z.string().max(2000), z.number().int().min(0)]))
	.max(5)
	.optional()
	.describe('Layers to describe in detail, by name or by index in the report, at most 5. Leave out for the overview.');
const offset = z
	.number()
	.int()
	.min(0)
	.optional()
	.describe('Index of the first listed layer: nextOffset of the last answer.');
const run = z.boolean().optional().describe('false: use the files alone and run no model. Default true.');
const seed = z
	.number()
	.int()
	.min(0)
	.max(Number.MAX_SAFE_INTEGER)
	.optional()
	.describe('Seed of the random input. Default 0.');
const modelPath = (text: string) => z.string().min(1).max(MAX_PATH).describe(text);

const inspectArguments = z.object({
	path: modelPath('Path of an ONNX model or a checkpoint, relative to the root folder.'),
	run,
	seed,
	layers,
	offset,
});

const compareArguments = z.object({
	original: modelPath('Path of the original model with BatchNormalization, relative to the root folder.'),
	deployed: modelPath('Path of the deployed model, in which BatchNormalization may be folded away.'),
	run,
	seed,
	layers,
	offset,
});

async function inspect(args: z.infer<typeof inspectArguments>, context: ToolContext): Promise<JsonObject> {
	const model = await locate(context, args.path);
	const options = { run: args.run ?? true, inputs: [], batch: 1, seed: args.seed ?? 0 };
	return digestReport(await context.engine.inspect(model, options, { signal: context.signal }), selection(args));
}

async function compare(args: z.infer<typeof compareArguments>, context: ToolContext): Promise<JsonObject> {
	const models = {
		original: await locate(context, args.original),
		deployed: await locate(context, args.deployed),
	};
	const options = { run: args.run ?? true, batch: 1, seed: args.seed ?? 0 };
	return digestComparison(await context.engine.compare(models, options, { signal: context.signal }), selection(args));
}

function selection({ layers, offset }: { layers?: (string | number)[] | undefined; offset?: number | undefined }) {
	return { ...(layers && { layers }), ...(offset !== undefined && { offset }) };
}

async function locate({ root }: ToolContext, name: string): Promise<{ path: string }> {
	const file = await resolveBelow(root, name);
	if (!file.ok) {
		throw new ToolError(file.reason);
	}
	return { path: file.value };
}

interface Tool {
	readonly name: string;
	readonly title: string;
	readonly description: string;
	readonly inputSchema: JsonObject;
	/** @throws {ToolError} for wrong arguments */
	readonly call: (args: unknown, context: ToolContext) => Promise<JsonObject>;
}

function tool<T extends z.ZodType>(
	words: Pick<Tool, 'name' | 'title' | 'description'>,
	schema: T,
	work: (args: z.infer<T>, context: ToolContext) => Promise<JsonObject>,
): Tool {
	return {
		...words,
		inputSchema: z.toJSONSchema(schema) as unknown as JsonObject,
		call: (args, context) => {
			const parsed = schema.safeParse(args);
			if (!parsed.success) {
				const [issue] = parsed.error.issues;
				throw new ToolError(`The argument ${issue?.path.join('.') || 'list'} does not fit: ${issue?.message ?? ''}.`);
			}
			return work(parsed.data, context);
		},
	};
}

/** Tools of the server. They read models below the root folder, and write no file that a client names. */
export const TOOLS: readonly Tool[] = [
	tool(
		{
			name: 'inspect',
			title: 'Inspect BatchNormalization layers',
			description:
				'Reads every BatchNormalization layer of an ONNX model, PyTorch checkpoint or safetensors file: parameters, health findings with advice, and whether onnxruntime computes the layer correctly. Returns an overview; name layers for details.',
		},
		inspectArguments,
		inspect,
	),
	tool(
		{
			name: 'compare',
			title: 'Compare a deployed model with its original',
			description:
				'Checks for every BatchNormalization layer of the original whether its parameters arrived in the deployed model, names the cause where they did not, and compares the outputs. Returns an overview; name layers for details.',
		},
		compareArguments,
		compare,
	),
];
