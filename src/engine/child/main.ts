import { rmSync } from 'node:fs';
import { OnnxError } from '../../core/onnx/errors.js';
import { messageOf } from '../../core/text/sentences.js';
import { createKernel } from '../../kernel/index.js';
import type { Kernel } from '../../kernel/types.js';
import type { EngineEvent, EngineFailure, EngineRequest, EngineTask, EngineTasks } from '../../protocol/host-engine.js';
import { compare } from './compare.js';
import { fold } from './fold.js';
import { inspect } from './inspect.js';
import { loadRuntime, type Runtime, RuntimeError } from './runtime/runtime.js';
import type { TaskPorts } from './task-ports.js';
import { InputError } from './tensors/errors.js';

/** The engine's process: takes requests from its parent, answers each with events that end in one result or failure. */

let runtime: Runtime | undefined;
let kernel: Promise<Kernel> | undefined;

/** What would be left of the request under way if this process ended now and its parent were gone. */
let temporary: string | undefined;

/** Requests without an answer. */
let underWay = 0;

const ports = {
	runtime: () => {
		runtime ??= loadRuntime();
		return runtime;
	},
	kernel: (): Promise<Kernel> => {
		kernel ??= createKernel();
		return kernel;
	},
};

async function handle(request: EngineRequest): Promise<void> {
	const { id, options } = request;
	underWay += 1;
	temporary = 'temporary' in options ? options.temporary : undefined;
	try {
		send({ type: 'result', id, result: await perform(request) });
	} catch (error) {
		send({ type: 'failure', id, failure: explain(error, request) });
	} finally {
		underWay -= 1;
	}
}

function perform(request: EngineRequest): Promise<EngineTasks[EngineTask]['result']> {
	const emit: TaskPorts['emit'] = (event) => send({ ...event, id: request.id });
	switch (request.type) {
		case 'inspect':
			return inspect(request.model, request.options, { ...ports, emit });
		case 'compare':
			return compare(request.original, request.deployed, request.options, { ...ports, emit });
		case 'fold':
			return fold(request.model, request.options, { ...ports, emit });
	}
}

function explain(error: unknown, request: EngineRequest): EngineFailure {
	if (error instanceof OnnxError) {
		return { code: error.code, message: error.message };
	}
	if (error instanceof InputError || error instanceof RuntimeError) {
		return { code: 'input', message: error.message };
	}
	const detail = messageOf(error);
	return {
		code: 'internal',
		message: `${undone(request)} because of an error in BatchNorm Lens itself: ${detail}`,
	};
}

/** What did not come about, for errors that are ours. */
function undone(request: EngineRequest): string {
	switch (request.type) {
		case 'inspect':
			return `${request.model.path} could not be inspected`;
		case 'compare':
			return `${request.original.path} and ${request.deployed.path} could not be compared`;
		case 'fold':
			return `${request.model.path} could not be folded`;
	}
}

function send(event: EngineEvent): void {
	// The parent may be gone: then there is nobody to tell, and `disconnect` ends this process.
	process.send?.(event, undefined, undefined, () => {});
}

process.on('message', (request: EngineRequest) => void handle(request));
// However the parent ends (crash included), this process must not outlive it.
process.on('disconnect', () => {
	if (temporary !== undefined) {
		rmSync(temporary, { force: true });
	}
	if (underWay > 0) {
		// Leaving in good order waits for every read under way, and a file system that hangs never answers one.
		process.kill(process.pid, 'SIGKILL');
	}
	process.exit(0);
});
