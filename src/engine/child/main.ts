import { rmSync } from 'node:fs';
import path from 'node:path';
import { OnnxError } from '../../core/onnx/errors.js';
import { messageOf } from '../../core/text/sentences.js';
import { createKernel } from '../../kernel/index.js';
import type { Kernel } from '../../kernel/types.js';
import { WriteError } from '../../platform/write-error.js';
import type {
	EngineEvent,
	EngineFailure,
	EngineRequest,
	EngineTask,
	EngineTasks,
	WarmUp,
} from '../../protocol/host-engine.js';
import { compare } from './compare.js';
import { fold } from './fold.js';
import { ImageThreads } from './inputs/image-threads.js';
import { inspect } from './inspect.js';
import { reestimate } from './reestimate.js';
import { repairFolds } from './repair-folds.js';
import { repairToInference } from './repair-to-inference.js';
import { loadRuntime, type Runtime, RuntimeError } from './runtime/runtime.js';
import type { TaskPorts } from './task-ports.js';
import { InputError } from './tensors/errors.js';
import { warmUp } from './warm-up.js';
import { watchParent } from './watch-parent.js';

/** Entry of the engine's process. Answers each request of the parent with events; the last is a result or a failure. */

let runtime: Runtime | undefined;
let kernel: Promise<Kernel> | undefined;

/** Temporary file or folder of the request under way, which this process removes if its parent ends. */
let temporary: string | undefined;

const parent = Number(process.argv[2]);
const parentWatch = watchParent(Number.isSafeInteger(parent) && parent > 0 ? parent : undefined);

/** Number of requests without an answer. */
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
	threads: new ImageThreads(path.join(__dirname, 'image-thread.js')),
};

async function handle(request: EngineRequest): Promise<void> {
	const { id, options } = request;
	underWay += 1;
	temporary = 'temporary' in options ? options.temporary : undefined;
	parentWatch.setTemporary(temporary);
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
		case 'repair':
			return request.original
				? repairFolds(request.model, request.original, request.options, { ...ports, emit })
				: repairToInference(request.model, request.options, { ...ports, emit });
		case 'reestimate':
			return reestimate(request.model, request.options, { ...ports, emit });
	}
}

function explain(error: unknown, request: EngineRequest): EngineFailure {
	if (error instanceof OnnxError) {
		return { code: error.code, message: error.message };
	}
	if (error instanceof InputError || error instanceof RuntimeError || error instanceof WriteError) {
		return { code: 'input', message: error.message };
	}
	const detail = messageOf(error);
	return {
		code: 'internal',
		message: `${undone(request)} because of an error in BatchNorm Lens itself: ${detail}`,
	};
}

/** Returns the failed task, for messages about internal errors. */
function undone(request: EngineRequest): string {
	switch (request.type) {
		case 'inspect':
			return `${request.model.path} could not be inspected`;
		case 'compare':
			return `${request.original.path} and ${request.deployed.path} could not be compared`;
		case 'fold':
			return `${request.model.path} could not be folded`;
		case 'repair':
			return `${request.model.path} could not be repaired`;
		case 'reestimate':
			return `The statistics of ${request.model.path} could not be re-estimated`;
	}
}

function send(event: EngineEvent): void {
	// An error here means that the parent has ended; `disconnect` then ends this process, too.
	process.send?.(event, undefined, undefined, () => {});
}

process.on(
	'message',
	(message: EngineRequest | WarmUp) => void (message.type === 'warm-up' ? warmUp(ports) : handle(message)),
);
// Ends this process with its parent, even after a crash.
process.on('disconnect', () => {
	if (temporary !== undefined) {
		rmSync(temporary, { recursive: true, force: true });
	}
	if (underWay > 0) {
		// A normal exit waits for all reads under way, which never end in a file system that hangs.
		process.kill(process.pid, 'SIGKILL');
	}
	process.exit(0);
});
