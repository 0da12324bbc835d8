/** Pairs of networks beyond the catalog of formulas: right folds in other forms, wrong places, and changed weights. */
import { comparisonStatus } from '../../src/cli/exit.js';
import type { Comparison } from '../../src/core/report/comparison/comparison.js';
import { seededRandom } from '../../src/engine/child/tensors/random.js';
import { compareBytes } from '../unit/support/compare-bytes.js';
import { BLOCKS, type Block, FORM_NAMES, modelBytes, surround } from '../unit/support/deployed-forms.js';
import { QUANTIZATIONS } from '../unit/support/quantized-models.js';
import { changeable, withChange } from '../unit/support/tampered.js';
import { WRONG_FORMS } from '../unit/support/wrong-forms.js';

/** A structure of networks, and the answer that a comparison should give. */
export interface FormKind {
	readonly name: string;
	readonly truth: 'right' | 'wrong' | 'changed weight';
	/** Cause of a wrong fold. */
	readonly cause?: string;
	readonly block: Block;
	/** Form in which the deployed model is quantized afterwards; undefined for float32. */
	readonly quantization?: string;
}

export interface FormOutcome {
	readonly kind: FormKind;
	/** The verdict is the true one, with the cause of a wrong fold. */
	readonly isRight: boolean;
	/** A cause named with a confidence above 0.9 that is not the true one, or a right fold called wrong. */
	readonly isConfidentlyWrong: boolean;
}

const after =
	(first: Block, second: Block): Block =>
	(parts, x) =>
		second(parts, first(parts, x));

const neighbor = (index: number): Block => BLOCKS[FORM_NAMES[(index + 3) % FORM_NAMES.length]];

const RIGHT: readonly FormKind[] = FORM_NAMES.flatMap((name, index): FormKind[] => {
	const other = FORM_NAMES[(index + 3) % FORM_NAMES.length];
	return [
		{ name, truth: 'right', block: BLOCKS[name] },
		{ name: `${name}, then ${other}`, truth: 'right', block: after(BLOCKS[name], neighbor(index)) },
	];
});

const WRONG: readonly FormKind[] = Object.entries(WRONG_FORMS).flatMap(([name, { cause, block }], index) => {
	const other = FORM_NAMES[(index + 3) % FORM_NAMES.length];
	return [
		{ name, truth: 'wrong', cause, block },
		{ name: `${other}, then ${name}`, truth: 'wrong', cause, block: after(neighbor(index), block) },
	] as const;
});

const CHANGED: readonly FormKind[] = FORM_NAMES.map((name) => ({ name, truth: 'changed weight', block: BLOCKS[name] }));

/** Quantizations, by turns. */
const quantizationAt = (index: number): string => {
	const names = Object.keys(QUANTIZATIONS);
	return names[index % names.length];
};

const QUANTIZED: readonly FormKind[] = [
	...FORM_NAMES.map((name, index): FormKind => {
		const quantization = quantizationAt(index);
		return { name: `${name}, ${quantization}`, truth: 'right', block: BLOCKS[name], quantization };
	}),
	...Object.entries(WRONG_FORMS).map(([name, { cause, block }], index): FormKind => {
		const quantization = quantizationAt(index);
		return { name: `${name}, ${quantization}`, truth: 'wrong', cause, block, quantization };
	}),
];

export const FORM_KINDS: readonly FormKind[] = [...RIGHT, ...WRONG, ...CHANGED, ...QUANTIZED];

/** Confidence above which a wrong cause counts. */
const CONFIDENT = 0.9;

/**
 * Distance of the seed that replaces another one whose wrong fold computes the same, because an activation hides the change,
 * or whose quantization moves the outputs as far as a wrong fold.
 */
const NEXT_SEED = 500_000;

/** Builds a pair of a kind, compares it, and judges the answer. */
export async function runForm(kind: FormKind, seed: number): Promise<FormOutcome> {
	const { original, deployed } = surround(kind.block, seed);
	const random = seededRandom(seed);
	const constants = changeable(deployed);
	const { tensor, positions } = constants[Math.floor(random.uniform() * constants.length)];
	const position = positions[Math.floor(random.uniform() * positions.length)];
	const changed = kind.truth === 'changed weight' ? withChange(deployed, tensor, position) : deployed;
	const write = kind.quantization === undefined ? modelBytes : QUANTIZATIONS[kind.quantization];
	const comparison = await compareBytes(modelBytes(original), write(changed));
	const { outputs } = comparison;
	const isHidden = kind.quantization !== undefined && outputs?.status === 'skipped' && outputs.maxAbs !== undefined;
	if (isHidden || (kind.truth === 'wrong' && outputs?.status === 'match')) {
		return runForm(kind, seed + NEXT_SEED);
	}
	// A changed mean or variance of a kept layer is one that the original does not have.
	const statistics = (deployed.nodes ?? []).flatMap(({ op, inputs = [] }) =>
		op === 'BatchNormalization' ? inputs.slice(3) : [],
	);
	const isStatistic = tensor.name !== undefined && statistics.includes(tensor.name);
	const changedCause = kind.truth === 'changed weight' && isStatistic ? 'stale-statistics' : undefined;
	return { kind, ...judge(kind, comparison, changedCause) };
}

/** @param changedCause a true name for a changed weight */
function judge(
	{ truth, cause, quantization }: FormKind,
	comparison: Comparison,
	changedCause: string | undefined,
): Omit<FormOutcome, 'kind'> {
	const status = comparisonStatus(comparison, 'error');
	const wrong = comparison.layers.filter((layer) => layer.status === 'mismatch');
	const named = wrong.filter((layer) => layer.cause !== 'unknown' && layer.confidence > CONFIDENT);
	if (truth === 'right') {
		const areRight = comparison.layers.every((layer) => layer.status === 'match' || layer.status === 'kept');
		return { isRight: status === 0 && areRight, isConfidentlyWrong: wrong.length > 0 };
	}
	// The grid may hide a cause, but not that a fold is wrong.
	const isNamed = cause === undefined || quantization !== undefined || wrong.some((layer) => layer.cause === cause);
	return {
		isRight: status === 1 && isNamed,
		isConfidentlyWrong: named.some((layer) => layer.cause !== (cause ?? changedCause)),
	};
}

const row = (cells: readonly (string | number)[]): string => `| ${cells.join(' | ')} |`;

/** Renders the outcomes as a table with a row per kind. */
export function formsDocument(outcomes: readonly FormOutcome[], seed: number): string {
	const rows = FORM_KINDS.map((kind) => {
		const own = outcomes.filter((outcome) => outcome.kind === kind);
		const right = own.filter(({ isRight }) => isRight).length;
		const wrong = own.filter(({ isConfidentlyWrong }) => isConfidentlyWrong).length;
		return row([kind.truth, kind.name, own.length, right, wrong]);
	});
	const all = (test: (outcome: FormOutcome) => boolean) => outcomes.filter(test).length;
	return `${[
		'# What the comparison says about folds beyond the formulas',
		'',
		`Written by \`node test/folding/forms.mjs --write\` (seed ${seed}). Each pair is a network and a deployment of it, with`,
		'random weights: right folds in forms that tools write, alone and one behind the other; folds in a wrong place; and right',
		'folds with one number changed by a relative 1e-4. *Right* means: every layer of a right fold arrived, a wrong place is named',
		'with its cause, a changed weight is no match. *Confidently wrong* means: a layer of a right fold is called wrong, or a',
		'cause that is not the true one is named with a confidence above 0.9. For a changed mean or variance of a kept layer,',
		'`stale-statistics` is true. The last kinds are quantized afterwards; there, a wrong place has to be called wrong, but its',
		'cause may be hidden by the grid.',
		'',
		`${outcomes.length} pairs of ${FORM_KINDS.length} kinds: ${all(({ isRight }) => isRight)} right, ${all(({ isConfidentlyWrong }) => isConfidentlyWrong)} confidently wrong.`,
		'',
		row(['truth', 'form', 'pairs', 'right', 'confidently wrong']),
		row(['---', '---', '---', '---', '---']),
		...rows,
	].join('\n')}\n`;
}
