/** Reasons why a layer is not folded: code -> clause that follows "not folded: ". Codes are fixed by contract. */
export const FOLD_REASONS = {
	'several-consumers': 'the output of the operator in front is used elsewhere, too',
	'graph-output': 'the output of the operator in front is an output of the graph',
	'training-mode': 'it is in training mode',
	'data-statistics': 'it normalizes with the mean and variance of its own data',
	'per-activation': 'it keeps a statistic for each activation',
	'dynamic-parameter': 'a parameter or weight is not a constant that can be read',
	'invalid-variance': 'a value is not finite, or variance + epsilon is not positive',
	'no-linear-operator': 'no linear operator stands in front of it',
	'operator-between': 'another operator stands between it and the linear operator in front',
	'padded-forward-fold': 'the convolution behind it pads its input',
	'shared-weight': 'the weight is shared with another node',
	'mixed-types': 'the data types differ',
	rank: 'the rank is not supported',
	'parameter-shape': 'its parameters are not one value for each channel of the operator',
	'cyclic-graph': 'the graph has a cycle',
	'bias-shape': 'the bias is not one value for each channel',
	'zero-alpha': 'the Gemm multiplies its weight by an alpha of 0',
	overridable: 'a constant is only the default of a graph input, which a caller may feed',
	overflow: 'a folded weight or bias is too large for its data type',
	'unproven-shape': 'the file declares a shape that no run confirms',
	'failed-verification': 'on random input the folded operator does not give what operator and layer give',
	'inside-function': 'it stands in a model-local function, which other calls may share',
} as const;

export type FoldReason = keyof typeof FOLD_REASONS;

/** Joins the clauses of several codes: "the data types differ; it is in training mode". Unknown codes stay as they are. */
export function foldReasons(codes: readonly string[]): string {
	const clauses: Readonly<Record<string, string>> = FOLD_REASONS;
	return codes.map((code) => (Object.hasOwn(clauses, code) ? clauses[code] : code)).join('; ');
}
