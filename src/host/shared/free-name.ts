import * as vscode from 'vscode';

/** Maximum number of names to try. */
const MAX_TRIES = 100;

/** Returns the given file, or "net.folded-2.onnx" and so on if it exists. A suggested name then overwrites no file. */
export async function freeName(file: vscode.Uri): Promise<vscode.Uri> {
	for (let count = 1; count <= MAX_TRIES; count++) {
		const path = count === 1 ? file.path : file.path.replace(/(\.[^./]*)?$/, `-${count}$1`);
		const candidate = file.with({ path });
		const isTaken = await vscode.workspace.fs.stat(candidate).then(
			() => true,
			() => false,
		);
		if (!isTaken) {
			return candidate;
		}
	}
	return file;
}
