import { sum } from '../../numbers/arrays.js';
import { readTensorValues } from '../tensor.js';
import { isBatchNormalization, operatorVariables } from './classes.js';
import type { ConfigNode } from './config.js';
import type { NamedVariable } from './modules.js';
import type { StoredVariable } from './store.js';

/** A layer before its variables are named. */
interface Guess {
	readonly name: string;
	/** Name of its group, for example "batch_normalization_1". */
	readonly stored: string;
	readonly className: string | undefined;
	readonly config: ConfigNode | undefined;
}

interface Named {
	readonly className: string | undefined;
	readonly variables: readonly NamedVariable[];
	/** Sentence for users about names that were inferred. */
	readonly note: string | undefined;
}

/** Maximum number of channels of a layer. Longer variables are not read for this. */
const MAX_CHANNELS = 1 << 20;

/** Name that suggests a batch normalization. */
const SUGGESTS = /(^|[/_])bn\d*($|[/_])|batch_?norm|norm.*bn|bn_?\d*$/i;

/**
 * Names the numbered variables of a layer. Keras numbers gamma, beta, moving mean and moving variance in this order and
 * leaves out gamma without `scale` and beta without `center`.
 * @param numbered in the order of their numbers
 * @throws {CheckpointError} from reading values
 */
export async function nameVariables(guess: Guess, numbered: readonly StoredVariable[]): Promise<Named> {
	const { className, config } = guess;
	const plain: Named = {
		className,
		variables: numbered.map((variable) => ({ leaf: variable.leaf, variable })),
		note: undefined,
	};
	if (className !== undefined && isBatchNormalization(className)) {
		return (await nameNormalization(guess, numbered)) ?? plain;
	}
	const operator = className === undefined ? undefined : operatorVariables(className);
	if (operator) {
		return { ...plain, variables: withNames(operator, numbered) };
	}
	if (className !== undefined || config) {
		return plain;
	}
	const normalization = await recognizeNormalization(guess, numbered);
	return (
		normalization ?? {
			...plain,
			variables: looksLikeOperator(numbered) ? withNames(['kernel', 'bias'], numbered) : plain.variables,
		}
	);
}

/** Names the first variables; further variables keep their numbers. */
function withNames(names: readonly string[], numbered: readonly StoredVariable[]): readonly NamedVariable[] {
	return numbered.map((variable, index) => ({ leaf: names[index] ?? variable.leaf, variable }));
}

const STATISTICS = ['moving_mean', 'moving_variance'];

async function nameNormalization(
	{ name, className, config }: Guess,
	numbered: readonly StoredVariable[],
): Promise<Named | undefined> {
	const scale = config?.settings.get('scale');
	const center = config?.settings.get('center');
	const stated = [...(scale === false ? [] : ['gamma']), ...(center === false ? [] : ['beta']), ...STATISTICS];
	if (stated.length === numbered.length) {
		return { className, variables: withNames(stated, numbered), note: undefined };
	}
	const [first] = numbered;
	if (numbered.length === 2) {
		return { className, variables: withNames(STATISTICS, numbered), note: undefined };
	}
	if (numbered.length !== 3 || !first) {
		return undefined;
	}
	const leaf = (await isScale(first)) ? 'gamma' : 'beta';
	return {
		className,
		variables: withNames([leaf, ...STATISTICS], numbered),
		note: `"${name}" has three unnamed variables; by its values the first is ${leaf}.`,
	};
}

/** Recognizes a batch normalization under a name that a user chose, by shapes and by a variance that is not negative. */
async function recognizeNormalization(guess: Guess, numbered: readonly StoredVariable[]): Promise<Named | undefined> {
	const shapes = new Set(numbered.map(({ dataset }) => (dataset.ok ? dataset.value.dims.join() : '?')));
	const [first] = numbered;
	const isVector = first?.dataset.ok && first.dataset.value.dims.length === 1;
	const suggested = SUGGESTS.test(guess.name) || SUGGESTS.test(guess.stored);
	if (shapes.size !== 1 || !isVector || numbered.length > 4 || numbered.length < (suggested ? 2 : 3)) {
		return undefined;
	}
	const last = numbered.at(-1);
	const variance = last && (await valuesOf(last));
	if (!suggested && !variance?.every((value) => value >= 0)) {
		return undefined;
	}
	const named = await nameNormalization({ ...guess, className: 'BatchNormalization' }, numbered);
	return (
		named && {
			...named,
			note: named.note ?? `"${guess.name}" was read as a batch normalization, because its variables fit one.`,
		}
	);
}

function looksLikeOperator(numbered: readonly StoredVariable[]): boolean {
	const [kernel, bias] = numbered.map(({ dataset }) => (dataset.ok ? dataset.value.dims.length : -1));
	return kernel !== undefined && kernel >= 2 && numbered.length <= 2 && (bias === undefined || bias === 1);
}

/** Returns true if values are nearer to 1, where gamma begins, than to 0, where beta begins. */
async function isScale(variable: StoredVariable): Promise<boolean> {
	const values = await valuesOf(variable);
	return values !== undefined && sum(values) > values.length / 2;
}

async function valuesOf({ dataset, leaf }: StoredVariable): Promise<readonly number[] | undefined> {
	if (!dataset.ok || (dataset.value.dims[0] ?? 0) > MAX_CHANNELS) {
		return undefined;
	}
	const { dtype, dims, storage } = dataset.value;
	return [...(await readTensorValues({ name: leaf, dtype, dims, storage, byteOffset: 0 })).data];
}
