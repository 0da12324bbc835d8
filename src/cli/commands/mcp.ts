import { stat } from 'node:fs/promises';
import path from 'node:path';
import type { ServerOptions } from '../../mcp/server.js';
import { parseOptions } from '../arguments.js';
import { ownVersion } from '../output.js';
import { UsageError } from '../usage.js';

/** `batchnorm-lens mcp`: serves until the client closes standard input; resolves to the exit code. */
export async function mcpCommand(argv: readonly string[]): Promise<number> {
	const { values, positionals } = parseOptions(argv, { root: { type: 'string' } });
	if (positionals.length > 0) {
		throw new UsageError('mcp takes no model: a client names models. Limit it to a folder with --root DIR.');
	}
	const root = path.resolve(values.root ?? '.');
	const isFolder = await stat(root).then(
		(found) => found.isDirectory(),
		() => false,
	);
	if (!isFolder) {
		throw new UsageError(`${root} is not a folder; name the folder of your models with --root.`);
	}
	const options: ServerOptions = {
		root,
		engine: path.join(__dirname, 'engine', 'main.js'),
		version: await ownVersion(),
	};
	// A bundle of its own, so that other commands do not load the SDK.
	const { serve }: typeof import('../../mcp/server.js') = require(path.join(__dirname, 'mcp.js'));
	await serve(options);
	return 0;
}
