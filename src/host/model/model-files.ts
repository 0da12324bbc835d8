import path from 'node:path';
import type * as vscode from 'vscode';
import { readAnyModel } from '../../core/formats/model/read-model.js';
import { externalTensors } from '../../core/onnx/graph/external-tensors.js';
import { openFile } from '../../platform/file-source.js';
import { inflate } from '../../platform/inflate.js';

/** Returns the paths of a local model and of its external data; none for other file systems. */
export async function modelFiles({ scheme, fsPath }: vscode.Uri): Promise<readonly string[]> {
	if (scheme !== 'file') {
		return [];
	}
	try {
		const source = await openFile(fsPath);
		try {
			const { model } = await readAnyModel(source, { inflate });
			const locations = externalTensors(model).map(({ range }) => path.resolve(path.dirname(fsPath), range.location));
			return [fsPath, ...new Set(locations)];
		} finally {
			await source.close();
		}
	} catch {
		// An unreadable model has no known external data.
		return [fsPath];
	}
}
