import { planInference } from '../../core/repair/inference-plan.js';
import {
	REPAIR_FORMAT,
	REPAIR_VERSION,
	type RepairResult,
	type UnrepairedPart,
} from '../../core/report/repair-result.js';
import type { LayerReport } from '../../core/report/types.js';
import { count } from '../../core/text/sentences.js';
import type { ModelLocation, RepairOptions } from '../../protocol/host-engine.js';
import { runCheck } from './check/run-check.js';
import { inspectOpened } from './inspect.js';
import { requireExternalFiles } from './model/external-data.js';
import { type OpenedModel, openModel, requireGraph } from './model/opened-model.js';
import { openWritten, publishWritten, removeUnfinished, requireOutput, writeEdited } from './model/written-model.js';
import type { TaskPorts } from './task-ports.js';
import { InputError } from './tensors/errors.js';

/**
 * Writes a model with every BatchNormalization and Dropout in inference mode and every other byte unchanged. Verifies
 * the file before it gets its name: reads it back, runs it, and recomputes every layer.
 * @throws {OnnxError | InputError | WriteError} after all written files were removed.
 */
export async function repairToInference(
	location: ModelLocation,
	options: RepairOptions,
	ports: TaskPorts,
): Promise<RepairResult> {
	ports.emit({ type: 'progress', stage: 'opening', done: 0, total: 1 });
	const file = await openModel(location);
	try {
		requireGraph(file, 'to switch to inference');
		await requireExternalFiles(file);
		await requireOutput(file, options.output);
		const { edits, ...facts } = await planInference(file);
		const result = { format: REPAIR_FORMAT, version: REPAIR_VERSION, model: location.path, ...facts } as const;
		if (facts.repaired.length === 0) {
			const check = { status: 'skipped', reason: 'Nothing was changed.' } as const;
			return { ...result, written: null, notes: [], check };
		}
		ports.emit({ type: 'progress', stage: 'writing', done: 0, total: 1 });
		const bytes = await writeEdited(file, edits, options);
		const verified = await verifyWritten(file, facts.unrepaired, { options, ports });
		await publishWritten(options);
		return { ...result, written: { path: options.output, bytes }, ...verified };
	} finally {
		await removeUnfinished(options);
		await file.close();
	}
}

type Verified = Pick<RepairResult, 'notes' | 'check'>;

/** Reads the unfinished file and runs it. @throws {InputError} if it is not an inference model that runs correctly. */
async function verifyWritten(
	file: OpenedModel,
	unrepaired: readonly UnrepairedPart[],
	{ options, ports }: { readonly options: RepairOptions; readonly ports: TaskPorts },
): Promise<Verified> {
	const written = await openWritten(file, options);
	try {
		const again = await planInference(written);
		if (again.repaired.length > 0 || again.unrepaired.length !== unrepaired.length) {
			throw failed(`${again.repaired[0]?.name ?? 'a layer'} is still in training mode.`);
		}
		if (written.layers.length !== file.layers.length) {
			throw failed(`it has ${count(written.layers.length, 'layer')}, the model ${file.layers.length}.`);
		}
		const { batch, seed } = options;
		const quiet = { ...ports, emit: progressOnly(ports.emit) };
		const run = { run: true, inputs: [], batch, seed, compareOptimized: false };
		const report = await inspectOpened(written, run, quiet);
		const layers = report.layers.filter((_, index) => written.layers[index]?.kind === 'batchnorm');
		return { notes: notesOf(layers), check: runCheck(layers, report.run) };
	} finally {
		await written.close();
	}
}

function progressOnly(emit: TaskPorts['emit']): TaskPorts['emit'] {
	return (event) => {
		if (event.type === 'progress') {
			emit(event);
		}
	};
}

/** Warns of running statistics that training has never updated. */
function notesOf(layers: readonly LayerReport[]): string[] {
	const never = layers.filter(({ findings }) => findings.some(({ code }) => code === 'never-updated'));
	return never.length === 0
		? []
		: [
				`The running statistics of ${count(never.length, 'layer')} (${never[0]?.name}${never.length > 1 ? ' …' : ''}) are those before any training: compute them from data with reestimate before the model is used.`,
			];
}

function failed(why: string): InputError {
	return new InputError(`The repaired model did not pass its verification and was not written: ${why}`);
}
