/** Types of the operators that apply a matrix of weights, into which a layer folds. */
export const LINEAR_TYPES: ReadonlySet<string> = new Set(['Conv', 'ConvTranspose', 'Gemm', 'MatMul']);
