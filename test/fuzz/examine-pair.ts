import { compareCheckpoint } from '../../src/core/folding/checkpoint/compare-checkpoint.js';
import { checkCoefficients } from '../../src/core/folding/compare/check-coefficients.js';
import { type ComparedFiles, compareNetworks } from '../../src/core/folding/compare/compare.js';
import { compareFunctionConstants } from '../../src/core/folding/compare/function-constants.js';
import { compareOperatorCopies } from '../../src/core/folding/compare/operator-copies.js';
import { comparePlainOperators } from '../../src/core/folding/compare/plain-operators.js';
import { planFold } from '../../src/core/folding/rewrite/fold-model.js';
import { FLOAT_FORMATS } from '../../src/core/numbers/float-formats.js';
import type { memorySource } from '../../src/core/onnx/source.js';
import { type Edit, planEdits, removeMessage, renderEdits } from '../../src/core/onnx/write/edit.js';
import { planFoldRepair } from '../../src/core/repair/fold-repair.js';
import { planInference } from '../../src/core/repair/inference-plan.js';
import type { Comparison } from '../../src/core/report/comparison/comparison.js';
import { encodeComparison, parseComparison } from '../../src/core/report/comparison/json.js';
import { type Opened, openBytes } from './opened.js';
import { type Timed, typed } from './typed.js';

/**
 * Compares a mutated file with a valid model in both roles and with its own fold, folds it, and repairs it. Rejects on
 * any error without a type, and if a written file cannot be read.
 */
export async function usePair(mutated: Opened, other: Opened, timed: Timed): Promise<void> {
	if (mutated.checkpoint) {
		const checkpoint = { ...mutated, checkpoint: mutated.checkpoint };
		useComparison(await timed('comparison', () => typed(compareCheckpoint(checkpoint, other))));
		return;
	}
	await checkCopies(mutated);
	for (const [original, deployed] of [
		[mutated, other],
		[other, mutated],
	]) {
		await compareAndRepair(original, deployed, timed);
	}
	const training = await timed('switch to inference', () => typed(planInference(mutated)));
	if (training) {
		await reopen(mutated, training.edits);
	}
	const choices = { treatsInputsAsConstants: true };
	const fold = await timed('fold', () => typed(planFold(mutated.model, mutated.access, choices)));
	const folded = fold && (await reopen(mutated, fold.edits));
	if (folded && fold.folded.length > 0) {
		await compareAndRepair(mutated, folded, timed);
	}
}

async function compareAndRepair(original: Opened, deployed: Opened, timed: Timed): Promise<void> {
	const files = await timed('comparison', () => typed(compareNetworks(original, deployed)));
	useComparison(files?.comparison);
	if (files) {
		await timed('comparison of constants', () => typed(compareConstants(files)));
	}
	const repair = files && (await timed('repair', () => typed(planFoldRepair(files, deployed.access))));
	if (repair) {
		await reopen(deployed, repair.edits);
	}
}

/** Compares the operators without a layer as the engine does without a run. */
async function compareConstants({ models, comparison: { layers } }: ComparedFiles): Promise<void> {
	await checkCoefficients(models, layers, { tensors: new Map(), unitRoundoff: FLOAT_FORMATS.float32.unitRoundoff });
	await comparePlainOperators(models, layers);
	await compareOperatorCopies(models, layers);
	await compareFunctionConstants(models, layers);
}

/** Passes a comparison through JSON, as a saved notebook does. */
function useComparison(comparison: Comparison | undefined): void {
	if (comparison) {
		parseComparison(JSON.parse(JSON.stringify(encodeComparison(comparison))));
	}
}

async function checkCopies({ model, access: { source } }: Opened): Promise<void> {
	const { nodes } = model.graph;
	const copy = await write(source, []);
	if (Buffer.compare(copy, await source.read(0, source.size)) !== 0) {
		throw new Error('A copy without edits differs.');
	}
	const removed = nodes[Math.floor(nodes.length / 2)];
	const edited = removed && (await openBytes(await write(source, [removeMessage(removed)])));
	if (edited && edited.model.graph.nodes.length !== nodes.length - 1) {
		throw new Error(`Removing one of ${nodes.length} nodes left ${edited.model.graph.nodes.length}.`);
	}
}

/** Writes an edited model and opens it again. @throws {Error} if it cannot be read */
async function reopen({ access: { source } }: Opened, edits: readonly Edit[]): Promise<Opened> {
	const opened = await openBytes(await write(source, edits));
	if (!opened) {
		throw new Error(`A model with ${edits.length} edits cannot be read.`);
	}
	return opened;
}

async function write(source: ReturnType<typeof memorySource>, edits: readonly Edit[]): Promise<Uint8Array> {
	const chunks: Uint8Array[] = [];
	for await (const chunk of renderEdits(await planEdits(source, edits), source)) {
		chunks.push(chunk);
	}
	return Buffer.concat(chunks);
}
