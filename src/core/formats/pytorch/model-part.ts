import type { ModelPart, PartChoice } from '../checkpoint.js';
import { CheckpointError } from '../errors.js';
import { attributesOf, entriesOf, itemsOf } from './containers.js';
import {
	type CollectContext,
	collectModules,
	collectStateDict,
	isModule,
	isScriptModule,
	type NamedValues,
} from './modules.js';
import type { PickleValue } from './pickle/values.js';

export interface ChosenPart {
	readonly choice: PartChoice;
	readonly values: NamedValues;
}

interface Context extends CollectContext {
	/** Part to read, as listed in {@link PartChoice}; undefined chooses. */
	readonly part: readonly string[] | undefined;
}

interface Candidate extends ModelPart {
	readonly values: NamedValues;
}

/** Maximum number of rival parts listed. Optimizers hold a dictionary for every parameter. */
const MAX_OTHERS = 20;

const STATISTICS = /(^|\.)(running_mean|moving_mean)$/;

/** Keys of averaged weights, which training scripts evaluate and export. */
const AVERAGED = /(^|_)ema(_|$)/i;

/**
 * Chooses the model among the parts of a checkpoint. The order of preference is: the state_dict or module with the most
 * BN layers, averaged weights, the most tensors, the first.
 * @throws {CheckpointError} `no-tensors`, `limit`
 */
export function choosePart(root: PickleValue, context: Context): ChosenPart {
	const candidates = findCandidates(root, context);
	if (candidates.length === 0) {
		throw new CheckpointError(
			'no-tensors',
			`${context.path} holds no named tensors: save the model's state_dict with torch.save.`,
		);
	}
	const ranked = candidates.toSorted(compareCandidates);
	const asked = context.part?.join('/');
	const chosen = ranked.find(({ path }) => asked === undefined || path.join('/') === asked);
	if (!chosen) {
		throw new CheckpointError('no-tensors', `${context.path} has no tensors under "${asked}": choose another part.`);
	}
	const others = ranked.filter((candidate) => candidate !== chosen && isRival(candidate, chosen)).slice(0, MAX_OTHERS);
	return {
		choice: { chosen: describe(chosen), others: others.map(describe), sentence: sentenceOf(chosen, others) },
		values: chosen.values,
	};
}

interface Visit {
	readonly value: PickleValue;
	readonly path: readonly string[];
}

/** Visits every container once by level, so that cycles end. */
function findCandidates(root: PickleValue, context: Context): readonly Candidate[] {
	const candidates: Candidate[] = [];
	const seen = new Set<PickleValue>([root]);
	let level: readonly Visit[] = [{ value: root, path: [] }];
	while (level.length > 0) {
		const next: Visit[] = [];
		for (const { value, path } of level) {
			const values = collect(value, context);
			if (values && values.tensors.size > 0) {
				const layers = [...values.tensors.keys()].filter((name) => STATISTICS.test(name)).length;
				candidates.push({ path, tensors: values.tensors.size, layers, values });
			}
			for (const [key, child] of values && values.modules.length > 0 ? [] : childrenOf(value, context)) {
				if (!seen.has(child)) {
					seen.add(child);
					next.push({ value: child, path: [...path, key] });
				}
			}
		}
		if (next.some(({ path }) => path.length > context.limits.treeDepth)) {
			const limit = context.limits.treeDepth;
			throw new CheckpointError('limit', `${context.path} nests containers deeper than ${limit} levels (treeDepth).`);
		}
		level = next;
	}
	return candidates;
}

function collect(value: PickleValue, context: Context): NamedValues | undefined {
	if (isModule(value) || isScriptModule(value)) {
		return collectModules(value, context);
	}
	const entries = entriesOf(value);
	return entries && collectStateDict(entries, context);
}

/** Returns the containers directly inside a value, with their keys. */
function childrenOf(value: PickleValue, { reader, work }: Context): readonly (readonly [string, PickleValue])[] {
	const named = [...(entriesOf(value) ?? []), ...(attributesOf(value) ?? [])];
	const listed = [...(itemsOf(value) ?? []).entries()];
	work.spend(named.length + listed.length);
	return [...named, ...listed].flatMap(([key, child]) =>
		isContainer(child) && !reader.isTensor(child) ? [[keyOf(key), child]] : [],
	);
}

function isContainer(value: PickleValue): boolean {
	return (entriesOf(value) ?? attributesOf(value) ?? itemsOf(value)) !== undefined;
}

function keyOf(key: PickleValue): string {
	return typeof key === 'string' || typeof key === 'number' ? String(key) : '?';
}

function compareCandidates(a: Candidate, b: Candidate): number {
	return b.layers - a.layers || Number(isAveraged(b)) - Number(isAveraged(a)) || b.tensors - a.tensors;
}

function isAveraged({ path }: Candidate): boolean {
	return path.some((key) => AVERAGED.test(key));
}

/** Returns true for a part worth a mention. Parts without BN layers are rivals only of a part without BN layers. */
function isRival(candidate: Candidate, chosen: Candidate): boolean {
	return candidate.layers > 0 || (chosen.layers === 0 && candidate.tensors > 1);
}

function describe({ path, tensors, layers }: Candidate): ModelPart {
	return { path, tensors, layers };
}

function sentenceOf(chosen: Candidate, others: readonly Candidate[]): string {
	const subject = chosen.path.length === 0 ? 'The file itself' : `"${chosen.path.join('/')}"`;
	const content = `${chosen.tensors} tensors and ${chosen.layers} BatchNorm layers`;
	if (others.length === 0) {
		return `${subject} was read as the model: ${content}.`;
	}
	const rivals = others.slice(0, 3).map(({ path }) => (path.length === 0 ? 'the file itself' : `"${path.join('/')}"`));
	const more = others.length > 3 ? ` and ${others.length - 3} more` : '';
	const averaged = isAveraged(chosen) ? ', because averaged weights are the ones that are deployed' : '';
	return `${subject} was read as the model: ${content}${averaged}; also in the file: ${rivals.join(', ')}${more}.`;
}
