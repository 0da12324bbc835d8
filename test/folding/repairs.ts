/**
 * `node test/folding/repairs.mjs [--seed N] [--count N] [--form NAME] [--kind WORD]`: repairs wrong folds of all kinds, and counts
 * the right results.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { compare } from '../../src/engine/child/compare.js';
import { repairFolds } from '../../src/engine/child/repair-folds.js';
import { loadRuntime } from '../../src/engine/child/runtime/runtime.js';
import { createKernel } from '../../src/kernel/index.js';
import { DAMAGES, kindsOf, SINGLES } from './cases.js';
import { REPAIR_FORMS, type RepairForm, repairCase } from './repair-case.js';

function option(name: string, otherwise: number): number {
	const at = process.argv.indexOf(name);
	return at < 0 ? otherwise : Number(process.argv[at + 1]);
}

const folder = mkdtempSync(path.join(tmpdir(), 'batchnorm-lens-repairs-'));
const kernel = createKernel();
const ports = { runtime: loadRuntime, kernel: () => kernel, emit: () => {} };
const file = (name: string) => path.join(folder, name);
const options = { run: true, batch: 1, seed: 0 };
const outputsOf = async (deployed: string) =>
	await compare({ path: file('original') }, { path: deployed }, options, ports);

/** Part of the names of the operators to try. */
const word = process.argv.includes('--kind') ? (process.argv[process.argv.indexOf('--kind') + 1] ?? '') : '';
const counts = new Map<string, { cases: number; wrong: number; repaired: number }>();
const only = process.argv[process.argv.indexOf('--form') + 1];
const forms = (Object.keys(REPAIR_FORMS) as RepairForm[]).filter(
	(form) => !process.argv.includes('--form') || form === only,
);
for (const form of forms) {
	const tally = { cases: 0, wrong: 0, repaired: 0 };
	counts.set(form, tally);
	for (const set of [...SINGLES, ...DAMAGES]) {
		console.error(form, set.name, JSON.stringify(tally));
		for (const kind of kindsOf(set.faults).filter((each) => each.includes(word))) {
			for (let number = 0; number < option('--count', 1); number++) {
				const seed = option('--seed', 1) * 1000 + number;
				const { original, deployed, right } = repairCase(set, kind, { seed, form });
				writeFileSync(file('original'), original);
				writeFileSync(file('deployed.onnx'), deployed);
				writeFileSync(file('right.onnx'), right);
				rmSync(file('out.onnx'), { force: true });
				tally.cases += 1;
				const before = await outputsOf(file('deployed.onnx'));
				if (before.summary.mismatch === 0) {
					const unseen = before.layers.find(({ status }) => status !== 'match');
					if (unseen) {
						console.log(`${form} ${set.name} ${kind} ${seed} is not seen: ${unseen.status} ${unseen.evidence}`);
					}
					continue;
				}
				tally.wrong += 1;
				const result = await repairFolds(
					{ path: file('deployed.onnx') },
					{ path: file('original') },
					{ output: file('out.onnx'), temporary: file('out.part'), batch: 1, seed: 0 },
					ports,
				);
				const after = result.written ? await outputsOf(file('out.onnx')) : before;
				const best = await outputsOf(file('right.onnx'));
				const isRight =
					after.summary.mismatch === 0 &&
					(after.outputs?.status === best.outputs?.status || after.outputs?.status === 'match');
				if (isRight) {
					tally.repaired += 1;
				} else {
					console.log(
						`${form} ${set.name} ${kind} ${seed}: ${result.unrepaired.map(({ reason }) => reason).join()} ${after.layers.map(({ status, evidence }) => (status === 'mismatch' ? evidence : '')).join(' ')} outputs ${after.outputs?.status} (right: ${best.outputs?.status}) ${after.outputs?.maxAbs}/${after.outputs?.bound} right ${best.outputs?.maxAbs}/${best.outputs?.bound} right summary ${JSON.stringify(best.summary)}`,
					);
				}
			}
		}
	}
	console.log(form, JSON.stringify(tally));
}
rmSync(folder, { recursive: true });
