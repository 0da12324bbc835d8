/** Repairs of deployed models in the forms in which tools store weights: checkpoints as originals, and quantized weights. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compareCheckpointNetworks } from '../../../../src/core/folding/checkpoint/compare-checkpoint.js';
import { type ComparedFiles, compareNetworks } from '../../../../src/core/folding/compare/compare.js';
import { openCheckpoint } from '../../../../src/core/formats/open.js';
import { memorySource } from '../../../../src/core/onnx/source.js';
import { editedBytes, planEdits } from '../../../../src/core/onnx/write/edit.js';
import { planFoldRepair } from '../../../../src/core/repair/fold-repair.js';
import { inflate } from '../../../../src/platform/inflate.js';
import { type FaultSet, kindsOf, SINGLES } from '../../../folding/cases.js';
import type { OperatorKind } from '../../../folding/layers.js';
import { REPAIR_FORMS, type RepairForm, repairCase } from '../../../folding/repair-case.js';
import { type OpenModel, openBytes } from '../../support/open.js';

const compared = ({ model, source }: OpenModel) => ({ model, access: { source } });

async function compareFiles(original: Uint8Array, deployed: OpenModel, form: RepairForm): Promise<ComparedFiles> {
	if (form !== 'checkpoint') {
		return compareNetworks(compared(await openBytes(original)), compared(deployed));
	}
	const source = memorySource(original, 'original.pth');
	const checkpoint = await openCheckpoint(source, { inflate });
	return compareCheckpointNetworks({ checkpoint, access: { source } }, compared(deployed));
}

async function repair(original: Uint8Array, deployed: OpenModel, form: RepairForm) {
	const files = await compareFiles(original, deployed, form);
	const plan = await planFoldRepair(files, { source: deployed.source });
	const bytes = await editedBytes(await planEdits(deployed.source, plan.edits), deployed.source);
	return { ...plan, files, after: await openBytes(bytes) };
}

/** Bytes of the initializers and nodes of a model, by name and by output. */
function partsOf({ model, bytes }: OpenModel): ReadonlyMap<string, string> {
	const text = ({ offset, length }: { offset: number; length: number }) =>
		Buffer.from(bytes.subarray(offset, offset + length)).toString('hex');
	const { initializers, nodes } = model.graph;
	return new Map([
		...Array.from(initializers.values(), ({ name, span }) => [name, text(span)] as const),
		...nodes.map(({ outputs, span }) => [`node ${outputs[0]}`, text(span)] as const),
	]);
}

/** Lists the parts that are gone or have other bytes. */
function changedParts(before: OpenModel, after: OpenModel): readonly string[] {
	const now = partsOf(after);
	return [...partsOf(before)].filter(([name, bytes]) => now.get(name) !== bytes).map(([name]) => name);
}

/** Lists the names that an operator's constants are made from, its nodes, and the constant added behind it. */
function partsOfOperator({ model }: OpenModel, name: string | undefined): ReadonlySet<string> {
	const { nodes, initializers } = model.graph;
	const operator = nodes.find((node) => node.name === name);
	const parts = new Set<string>();
	const constantsOf = (names: readonly string[]) => {
		for (const input of names) {
			const maker = nodes.find(({ outputs, opType }) => outputs[0] === input && /^(Dequantize|Reshape)/.test(opType));
			if (initializers.has(input) && !parts.has(input)) {
				parts.add(input);
			} else if (maker && initializers.has(maker.inputs[0])) {
				parts.add(`node ${input}`);
				constantsOf(maker.inputs);
			}
		}
	};
	let at = operator;
	while (at && at.opType !== 'Relu') {
		constantsOf(at.inputs);
		parts.add(`node ${at.outputs[0]}`);
		const [output] = at.outputs;
		at = nodes.find(({ inputs }) => inputs.includes(output));
		for (const factor of at?.opType === 'Mul' ? at.inputs : []) {
			constantsOf(nodes.find(({ outputs }) => outputs[0] === factor)?.inputs ?? []);
		}
	}
	return parts;
}

/** Every form meets every cause and every kind of operator once over a few seeds. */
function sampleOf(form: RepairForm): readonly (readonly [FaultSet, OperatorKind])[] {
	const shift = Object.keys(REPAIR_FORMS).indexOf(form);
	return SINGLES.filter(({ faults }) => faults.every(({ parts }) => !parts.includes('rounding')))
		.filter((_, index) => (index + shift) % 4 === 0)
		.map((set, index) => {
			const kinds = kindsOf(set.faults);
			return [set, kinds[(index + shift) % kinds.length]];
		});
}

for (const form of Object.keys(REPAIR_FORMS) as RepairForm[]) {
	test(`wrong folds are put right in their own form: ${form}`, async () => {
		const problems: string[] = [];
		let repairs = 0;
		for (const [set, kind] of sampleOf(form)) {
			const { original, deployed: bytes } = repairCase(set, kind, { seed: 21, form });
			const deployed = await openBytes(bytes);
			const { files, repaired, unrepaired, after } = await repair(original, deployed, form);
			const wrong = files.comparison.layers.filter(({ status }) => status === 'mismatch');
			const { comparison } = await compareFiles(original, after, form);
			const rest = comparison.layers.filter(({ status }) => status !== 'match');
			repairs += repaired.length;
			if (repaired.length !== wrong.length || rest.length > 0) {
				const reasons = unrepaired.map(({ reason }) => reason).join();
				problems.push(`${set.name} ${kind}: ${reasons} ${rest.map(({ evidence }) => evidence).join()}`);
			}
			const allowed = wrong.map(({ into }) => partsOfOperator(deployed, into?.name));
			const changed = changedParts(deployed, after).filter((name) => !allowed.some((parts) => parts.has(name)));
			assert.deepEqual(changed, [], `${set.name} ${kind}`);
		}
		assert.deepEqual(problems, []);
		assert.ok(repairs > 0);
	});

	test(`a right model needs no edit: ${form}`, async () => {
		for (const kind of ['Conv', 'GemmTransposed'] as const) {
			const { original, right } = repairCase({ name: 'right', faults: [] }, kind, { seed: 4, form });
			const { edits, repaired, unrepaired } = await repair(original, await openBytes(right), form);
			assert.deepEqual([edits, repaired, unrepaired], [[], [], []], kind);
		}
	});
}
