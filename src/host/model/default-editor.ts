import * as vscode from 'vscode';
import { joinWords } from '../../core/text/sentences.js';
import { showMessage } from '../shared/messages.js';
import { isChoiceOpen, otherDefaultEditors, withAssociation } from './other-editors.js';

/** Set after the question was shown, whatever the answer. */
const OFFERED = 'defaultEditorOffered';
const SECTION = 'workbench';
const SETTING = 'editorAssociations';

/** Offers once to make our editor the default, if another extension claims `.onnx` files, too. */
export class DefaultEditor {
	readonly #context: Pick<vscode.ExtensionContext, 'extension' | 'globalState'>;
	readonly #viewType: string;

	constructor(context: Pick<vscode.ExtensionContext, 'extension' | 'globalState'>, viewType: string) {
		this.#context = context;
		this.#viewType = viewType;
	}

	/** Asks if there is a choice to make and the user has not been asked. Changes the setting only after a yes. */
	async offer(): Promise<void> {
		const { extension, globalState } = this.#context;
		const others = otherDefaultEditors(vscode.extensions.all, extension.id);
		const configuration = vscode.workspace.getConfiguration(SECTION);
		const isOffered = globalState.get(OFFERED) === true;
		if (!isChoiceOpen({ others, isOffered, setting: configuration.get(SETTING) })) {
			return;
		}
		await globalState.update(OFFERED, true);
		const always = vscode.l10n.t('Always Open With BatchNorm Lens');
		const question = vscode.l10n.t(
			'{0} also opens .onnx files. A click may show either editor; Open With BatchNorm Lens always shows this one.',
			joinWords(others),
		);
		if ((await showMessage('information', question, always, vscode.l10n.t('Keep As It Is'))) === always) {
			const { globalValue } = configuration.inspect(SETTING) ?? {};
			await configuration.update(
				SETTING,
				withAssociation(globalValue, this.#viewType),
				vscode.ConfigurationTarget.Global,
			);
		}
	}
}
