/** Compares a state_dict with a deployed network in which one layer is folded with faults. */
import { compareCheckpoint } from '../../src/core/folding/checkpoint/compare-checkpoint.js';
import { openCheckpoint } from '../../src/core/formats/open.js';
import { memorySource } from '../../src/core/onnx/source.js';
import { seededRandom } from '../../src/engine/child/tensors/random.js';
import { inflate } from '../../src/platform/inflate.js';
import { openBytes } from '../unit/support/open.js';
import { type Code, orderedDict, tensor, torchZip } from '../unit/support/pickle-builder.js';
import { type FaultSet, foldWith, isIdentifiable } from './cases.js';
import type { RandomLayer } from './layers.js';
import { buildPair, type PairedLayer } from './pair.js';
import { drawLayer, FAMILIES, judge, type Outcome } from './run.js';

/** Enough for the layers without a fault to show the epsilon that a state_dict does not hold. */
const LAYERS = 4;
const EPSILON = Math.fround(1e-5);

/** The faulty layer is none of the last: another epsilon there passes for the model's own. */
export async function runCheckpointCase(set: FaultSet, seed: number): Promise<Outcome> {
	const random = seededRandom(seed);
	const at = Math.floor(random.uniform() * (LAYERS - 1));
	const withEpsilon = (layer: RandomLayer): RandomLayer => ({ ...layer, epsilon: EPSILON });
	const faulty = withEpsilon(drawLayer(set.faults, random));
	const family = FAMILIES.find((kinds) => kinds.includes(faulty.kind));
	const layers = Array.from({ length: LAYERS }, (_, index) =>
		index === at ? faulty : withEpsilon(drawLayer([], random, family)),
	);
	const paired = layers.map((layer, index): PairedLayer => {
		const folded = foldWith(layer, index === at ? set : { faults: [] }, seed);
		return { layer, folded, hasGemmBeta: false, isHalf: false };
	});
	const deployed = await openBytes(buildPair(paired, random)[1]);
	const source = memorySource(stateDict(layers), 'original.pth');
	const checkpoint = await openCheckpoint(source, { inflate });
	const comparison = await compareCheckpoint(
		{ checkpoint, access: { source } },
		{ model: deployed.model, access: { source: deployed.source } },
	);
	const identifiable = set.damage !== undefined || isIdentifiable(faulty, set, seed);
	return { set, seed, kind: faulty.kind, ...judge(comparison, at, set), identifiable };
}

/** A state_dict as PyTorch names it: an operator, its normalization and a function without parameters, three a layer. */
export function stateDict(layers: readonly RandomLayer[]): Uint8Array {
	const entries: Record<string, Code> = {};
	const storages: Record<string, Uint8Array> = {};
	const add = (name: string, values: Float32Array, size: readonly number[], stride?: readonly number[]) => {
		const key = String(Object.keys(storages).length);
		storages[key] = new Uint8Array(values.buffer.slice(values.byteOffset, values.byteOffset + values.byteLength));
		const rowMajor = size.map((_, axis) => size.slice(axis + 1).reduce((a, b) => a * b, 1));
		entries[name] = tensor({ key, count: values.length, size, stride: stride ?? rowMajor });
	};
	for (const [index, layer] of layers.entries()) {
		const { op, dims, transB, weight, bias, gamma, beta, mean, variance, channels } = layer;
		const isTurned = op === 'MatMul' || (op === 'Gemm' && !transB);
		const [from = 0, to = 0] = dims;
		// nn.Linear keeps [out, in]; a view of the exported weight.
		add(`${3 * index}.weight`, weight, isTurned ? [to, from] : dims, isTurned ? [1, to] : undefined);
		if (bias) {
			add(`${3 * index}.bias`, bias, [channels]);
		}
		for (const [leaf, values] of Object.entries({
			weight: gamma,
			bias: beta,
			running_mean: mean,
			running_var: variance,
		})) {
			add(`${3 * index + 1}.${leaf}`, values, [channels]);
		}
	}
	return torchZip(orderedDict(entries), storages);
}
