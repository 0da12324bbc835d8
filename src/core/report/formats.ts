import type { ModelFormat, ModelSummary } from './types.js';

const FORMAT_WORDS: Readonly<Record<ModelFormat, string>> = {
	onnx: 'ONNX model',
	pytorch: 'PyTorch checkpoint',
	safetensors: 'safetensors checkpoint',
	keras: 'Keras model',
};

/** Reason why a checkpoint is not run. */
export const CHECKPOINT_RUN =
	'A checkpoint holds weights without a graph, so its parameters are inspected and nothing runs.';

/** Reason why the outputs of a checkpoint are not compared. */
export const CHECKPOINT_OUTPUTS =
	'a checkpoint has weights but no graph that could run, so the parameters alone were compared.';

/** True for a model file with weights but no graph. */
export function isCheckpoint({ format = 'onnx' }: Pick<ModelSummary, 'format'>): boolean {
	return format !== 'onnx';
}

/** Returns the format in words, for example "PyTorch checkpoint". */
export function formatWords({ format = 'onnx' }: Pick<ModelSummary, 'format'>): string {
	return FORMAT_WORDS[format];
}
