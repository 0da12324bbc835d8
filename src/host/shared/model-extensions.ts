import * as vscode from 'vscode';

/** File name extensions of checkpoints, without the dot. The content decides whether a file is a checkpoint. */
const CHECKPOINTS = ['pth', 'pt', 'ckpt', 'tar', 'bin', 'safetensors', 'h5', 'keras'];

/** True if the file's name is that of a checkpoint. */
export function isNamedAsCheckpoint({ path }: vscode.Uri): boolean {
	return CHECKPOINTS.some((extension) => path.toLowerCase().endsWith(`.${extension}`));
}

/** Glob pattern of models and checkpoints. Other systems than Windows compare the case of names. */
export const MODEL_PATTERN = `**/*.{onnx,ONNX,${CHECKPOINTS.join(',')}}`;

/** Filters of a file dialog for models and checkpoints. */
export function modelFilters(): Record<string, string[]> {
	return {
		[vscode.l10n.t('Models and checkpoints')]: ['onnx', ...CHECKPOINTS],
		[vscode.l10n.t('ONNX models')]: ['onnx'],
		[vscode.l10n.t('All files')]: ['*'],
	};
}
