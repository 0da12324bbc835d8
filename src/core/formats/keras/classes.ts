/** Arrangement of a weight's axes in Keras. */
export type WeightLayout =
	/** [...kernel, inputs / groups, outputs]; a transposed convolution: [...kernel, outputs, inputs]; Dense: [inputs, outputs]. */
	| 'channels-last'
	/** [...kernel, channels, multiplier]. */
	| 'depthwise';

interface OperatorClass {
	/** Names of the variables in Keras' order, the use_bias variable last. */
	readonly variables: readonly string[];
}

const PLAIN: OperatorClass = { variables: ['kernel', 'bias'] };
const SEPARABLE: OperatorClass = { variables: ['depthwise_kernel', 'pointwise_kernel', 'bias'] };

/** Linear operators by class. */
const OPERATORS: ReadonlyMap<string, OperatorClass> = new Map([
	['Dense', PLAIN],
	...['Conv1D', 'Conv2D', 'Conv3D', 'Conv1DTranspose', 'Conv2DTranspose', 'Conv3DTranspose'].map(
		(name) => [name, PLAIN] as const,
	),
	// Names of Keras 1 and of the first versions of Keras 2.
	...['Convolution1D', 'Convolution2D', 'Convolution3D', 'Deconvolution2D'].map((name) => [name, PLAIN] as const),
	...['DepthwiseConv1D', 'DepthwiseConv2D'].map((name) => [name, PLAIN] as const),
	...['SeparableConv1D', 'SeparableConv2D'].map((name) => [name, SEPARABLE] as const),
]);

const NORMALIZATION = /^(Sync)?BatchNormalization(V[12])?$/;

/** Layers that pass their input on in a deployed model. */
const NEUTRAL = new Set([
	...['Dropout', 'SpatialDropout1D', 'SpatialDropout2D', 'SpatialDropout3D', 'AlphaDropout', 'GaussianDropout'],
	...['GaussianNoise', 'ActivityRegularization', 'Identity'],
]);

export function isBatchNormalization(className: string): boolean {
	return NORMALIZATION.test(className);
}

export function isOperator(className: string): boolean {
	return OPERATORS.has(className);
}

export function isNeutral(className: string): boolean {
	return NEUTRAL.has(className);
}

/** Returns an operator's variable names in Keras' order; undefined for other classes. */
export function operatorVariables(className: string): readonly string[] | undefined {
	return OPERATORS.get(className)?.variables;
}

/** Classes by the name under which a file of weights keeps them, for example "conv2d_transpose". */
const CLASSES: ReadonlyMap<string, string> = new Map(
	[...OPERATORS.keys(), 'BatchNormalization', 'SyncBatchNormalization', 'LayerNormalization', 'GroupNormalization'].map(
		(name) => [toSnakeCase(name), name],
	),
);

/** Returns the class behind a name such as "batch_normalization_3"; undefined for a name that a user chose. */
export function classOfStoredName(stored: string): string | undefined {
	return CLASSES.get(stored) ?? CLASSES.get(stored.replace(/_\d+$/, ''));
}

/** Keras' rule for class names in a file of weights. */
export function toSnakeCase(className: string): string {
	return className
		.replace(/\W+/g, '')
		.replace(/(.)([A-Z][a-z]+)/g, '$1_$2')
		.replace(/([a-z])([A-Z])/g, '$1_$2')
		.toLowerCase();
}

/** Returns the arrangement of a weight's axes. `className`: undefined if the file does not state it. */
export function weightLayout(
	className: string | undefined,
	leaf: string,
	dims: readonly number[],
): WeightLayout | undefined {
	if (dims.length < 2) {
		return undefined;
	}
	if (leaf === 'depthwise_kernel' && dims.length > 2) {
		return 'depthwise';
	}
	if (className !== undefined) {
		if (!isOperator(className)) {
			return undefined;
		}
		return /^Depthwise/.test(className) && dims.length > 2 ? 'depthwise' : 'channels-last';
	}
	// A convolution with a single filter is rare, and no batch normalization follows it.
	const single = dims.length > 2 && dims.at(-1) === 1 && (dims.at(-2) ?? 1) > 1;
	return single ? 'depthwise' : 'channels-last';
}
