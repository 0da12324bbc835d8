/** How the time of each use of a model grows with its size: one part of a small model repeated hundreds of times, and thousands. */
import { useModel } from '../fuzz/examine-model.js';
import { usePair } from '../fuzz/examine-pair.js';
import { copyField, everyField, parseTree, type TreeField, writeTree } from '../fuzz/message-tree.js';
import { type Opened, openBytes } from '../fuzz/opened.js';
import { seedModels } from '../fuzz/seeds.js';
import type { Timed } from '../fuzz/typed.js';

/** Numbers of copies of a part. */
const [FEW, MANY] = [700, 2800];
/** Messages of onnx.proto that are repeated: a graph is repeated as a part of the model, which joins the copies. */
const REPEATED: ReadonlySet<string> = new Set(['Graph', 'Node', 'Attribute', 'Tensor', 'Sparse', 'Value', 'Function']);
/** Time below which a growth says nothing, in ms. */
const SHORT = 400;

/** Returns for each use the largest growth, where 1 is linear and 4 is quadratic, and the part of a model that causes it. */
export async function benchGrowth() {
	const uses = new Map<string, { growth: number; part: string; milliseconds: number }>();
	for (const [index, bytes] of seedModels().entries()) {
		const valid = await openBytes(bytes);
		for (const [at, { field }] of [...everyField(parseTree(bytes))].entries()) {
			if (valid && Array.isArray(field.value) && REPEATED.has(field.type)) {
				const few = await timesOf(repeated(bytes, at, FEW), valid);
				for (const [use, milliseconds] of await timesOf(repeated(bytes, at, MANY), valid)) {
					const growth = milliseconds / (few.get(use) ?? milliseconds) / (MANY / FEW);
					if (milliseconds > SHORT && growth > (uses.get(use)?.growth ?? 0)) {
						uses.set(use, { growth, part: `model ${index}, ${field.type} at ${at}`, milliseconds });
					}
				}
			}
		}
	}
	return Object.fromEntries(uses);
}

/** Returns a model with copies of one of its fields. */
function repeated(bytes: Uint8Array, at: number, copies: number): Uint8Array {
	const tree = parseTree(bytes);
	const { field, siblings } = [...everyField(tree)][at];
	siblings.push(...Array.from({ length: copies }, (): TreeField => copyField(field)));
	return writeTree(tree).finish();
}

/** Uses a model in every way. Resolves to the processor time by use, in ms, of the slowest where a use is repeated. */
async function timesOf(bytes: Uint8Array, valid: Opened): Promise<Map<string, number>> {
	const times = new Map<string, number>();
	const timed: Timed = async (name, use) => {
		const start = process.cpuUsage();
		const result = await use();
		const { user, system } = process.cpuUsage(start);
		times.set(name, Math.max(times.get(name) ?? 0, (user + system) / 1000));
		return result;
	};
	const opened = await timed('reading', () => openBytes(bytes));
	if (opened) {
		await useModel(opened, timed);
		await usePair(opened, valid, timed);
	}
	return times;
}
