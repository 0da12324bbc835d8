import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compareNetworks } from '../../../../src/core/folding/compare/compare.js';
import { editedBytes, planEdits } from '../../../../src/core/onnx/write/edit.js';
import { planFoldRepair } from '../../../../src/core/repair/fold-repair.js';
import { seededRandom } from '../../../../src/engine/child/tensors/random.js';
import { DAMAGES, type FaultSet, foldWith, kindsOf, SINGLES } from '../../../folding/cases.js';
import type { OperatorKind } from '../../../folding/layers.js';
import { buildPair, type PairedLayer } from '../../../folding/pair.js';
import { drawLayer, FAMILIES, isGemmBeta } from '../../../folding/run.js';
import { type OpenModel, openBytes } from '../../support/open.js';

const compared = ({ model, source }: OpenModel) => ({ model, access: { source } });

/** Three layers of which the middle one is folded with the faults into an operator of this kind. */
async function wrongPair(set: FaultSet, kind: OperatorKind, seed: number, isHalf: boolean) {
	const random = seededRandom(seed);
	const faulty = drawLayer(set.faults, random, [kind]);
	const family = FAMILIES.find((kinds) => kinds.includes(kind));
	const layers = [drawLayer([], random, family), faulty, drawLayer([], random, family)];
	const paired = layers.map((layer): PairedLayer => {
		const isFaulty = layer === faulty;
		const folded = foldWith(layer, isFaulty ? set : { faults: [] }, seed);
		return { layer, folded, hasGemmBeta: isFaulty && isGemmBeta(set.faults), isHalf };
	});
	const [original, deployed] = await Promise.all(buildPair(paired, random).map(openBytes));
	return { original, deployed };
}

async function repair(original: OpenModel, deployed: OpenModel) {
	const files = await compareNetworks(compared(original), compared(deployed));
	const plan = await planFoldRepair(files, { source: deployed.source });
	const bytes = await editedBytes(await planEdits(deployed.source, plan.edits), deployed.source);
	return { ...plan, files, bytes };
}

const bytesOf = ({ model, bytes }: OpenModel) =>
	new Map(
		[...model.graph.initializers.values()].map(({ name, span }) => [
			name,
			Buffer.from(bytes.subarray(span.offset, span.offset + span.length)).toString('hex'),
		]),
	);

/** Every initializer keeps its bytes, except for those of the repaired operator. */
function assertOthersKept(before: OpenModel, after: OpenModel, allowed: readonly string[]): void {
	const now = bytesOf(after);
	for (const [name, bytes] of bytesOf(before)) {
		assert.ok(allowed.includes(name) || now.get(name) === bytes, `${name} has changed`);
	}
}

const SEEDS = [11];
for (const set of [...SINGLES, ...DAMAGES]) {
	test(`wrong folds are put right: ${set.name}`, async () => {
		const problems: string[] = [];
		let repairs = 0;
		for (const kind of kindsOf(set.faults)) {
			for (const seed of SEEDS) {
				const { original, deployed } = await wrongPair(set, kind, seed, false);
				const { files, repaired, unrepaired, bytes } = await repair(original, deployed);
				const wrong = files.comparison.layers.filter(({ status }) => status === 'mismatch');
				const after = await openBytes(bytes);
				const { comparison } = await compareNetworks(compared(original), compared(after));
				const rest = comparison.layers.filter(({ status }) => status === 'mismatch');
				repairs += repaired.length;
				if (repaired.length !== wrong.length || rest.length > 0) {
					const reasons = unrepaired.map(({ reason }) => reason).join();
					problems.push(`${kind} ${seed}: ${reasons} ${rest.map(({ evidence }) => evidence).join()}`);
				}
				const allowed = wrong.flatMap(({ into }) => {
					const node = deployed.model.graph.nodes.find(({ name }) => name === into?.name);
					const readers = deployed.model.graph.nodes.filter(
						({ opType, inputs }) => opType === 'Add' && inputs.includes(node?.outputs[0] ?? '-'),
					);
					return [...(node?.inputs ?? []), ...readers.flatMap(({ inputs }) => inputs)];
				});
				assertOthersKept(deployed, after, allowed);
			}
		}
		assert.deepEqual(problems, []);
		const isRounding = set.faults.length === 1 && set.faults[0].parts.includes('rounding');
		assert.equal(repairs > 0, !isRounding);
	});
}

test('a float16 model keeps its type', async () => {
	const [set] = SINGLES.filter(({ name }) => name === 'mean-dropped');
	for (const kind of kindsOf(set.faults)) {
		const { original, deployed } = await wrongPair(set, kind, 5, true);
		const { repaired, bytes } = await repair(original, deployed);
		assert.equal(repaired.length, 1, kind);
		const after = await openBytes(bytes);
		const types = new Set([...after.model.graph.initializers.values()].map(({ dataType }) => dataType));
		assert.deepEqual([...types], [10], kind);
		const { comparison } = await compareNetworks(compared(original), compared(after));
		assert.deepEqual([...new Set(comparison.layers.map(({ status }) => status))], ['match'], kind);
	}
});

test('a right model needs no edit', async () => {
	const right: FaultSet = { name: 'right', faults: [] };
	for (const kind of kindsOf([])) {
		const { original, deployed } = await wrongPair(right, kind, 3, false);
		const { edits, repaired, unrepaired } = await repair(original, deployed);
		assert.deepEqual([edits, repaired, unrepaired], [[], [], []], kind);
	}
});
