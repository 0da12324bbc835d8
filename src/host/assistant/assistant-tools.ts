import * as vscode from 'vscode';
import { digestComparison, digestReport } from '../../core/report/export/digest.js';
import type { JsonObject } from '../../core/report/json.js';
import type { RequestHooks } from '../../engine/client.js';
import { locateModel } from '../model/load-model.js';
import type { HostServices } from '../model/model-document.js';
import { NO_PLAN, runOptions } from '../model/run-plan.js';
import { describeError, UserError } from '../shared/describe-error.js';
import { plainMarkdown } from '../shared/messages.js';
import { readSettings } from '../shared/settings.js';
import { parseToolInput, type ToolInput } from './tool-input.js';
import { workspaceModel } from './workspace-model.js';

/** Models that a call names. A tool for a single model gets it as `first`. */
interface NamedModels {
	readonly first: vscode.Uri;
	readonly last: vscode.Uri;
}

/** Answers a call. `run` is false in an untrusted workspace. */
type Work = (input: ToolInput, models: NamedModels, hooks: RequestHooks) => Promise<JsonObject>;

/**
 * Registers the tools for language models that package.json declares. They read models of the workspace, write no file, and ask
 * before a model runs. Editors without language models have no tools.
 */
export function registerAssistantTools({ engine, log }: HostServices): vscode.Disposable {
	const inspect: Work = async (input, { first: model }, hooks) => {
		const { thresholds, drift, ...defaults } = readSettings(model);
		const options = { ...runOptions(NO_PLAN, defaults), run: input.run, thresholds, drift };
		return digestReport(await engine.inspect(await locateModel(model), options, hooks), input);
	};
	const compare: Work = async (input, { first: original, last: deployed }, hooks) => {
		const { batch, seed } = readSettings(original);
		const models = { original: await locateModel(original), deployed: await locateModel(deployed) };
		return digestComparison(await engine.compare(models, { run: input.run, batch, seed }, hooks), input);
	};
	const explain: Work = (input, models, hooks) => {
		if (input.layers === undefined) {
			throw new UserError(vscode.l10n.t('Name the layers to explain in "layers", by name or by index.'));
		}
		return inspect(input, models, hooks);
	};
	// Editors built on VS Code may lack the interface.
	if (typeof vscode.lm?.registerTool !== 'function') {
		return new vscode.Disposable(() => {});
	}
	const register = (name: string, files: readonly string[], work: Work) =>
		vscode.lm.registerTool(`batchnormLens_${name}`, new AssistantTool(files, work, log));
	return vscode.Disposable.from(
		register('inspect', ['path'], inspect),
		register('compare', ['original', 'deployed'], compare),
		register('explainLayer', ['path'], explain),
	);
}

class AssistantTool implements vscode.LanguageModelTool<unknown> {
	readonly #files: readonly string[];
	readonly #work: Work;
	readonly #log: vscode.LogOutputChannel;

	constructor(files: readonly string[], work: Work, log: vscode.LogOutputChannel) {
		this.#files = files;
		this.#work = work;
		this.#log = log;
	}

	/** Asks before a run, because running passes a file to native code. Wrong input fails in `invoke`. */
	prepareInvocation({
		input,
	}: vscode.LanguageModelToolInvocationPrepareOptions<unknown>): vscode.PreparedToolInvocation {
		const parsed = parseToolInput(input, this.#files);
		const names = parsed.ok ? parsed.value.files.join(', ') : '';
		const invocationMessage = plainMarkdown(vscode.l10n.t('Reading {0}', names));
		if (!parsed.ok || !parsed.value.run || !vscode.workspace.isTrusted) {
			return { invocationMessage };
		}
		return {
			invocationMessage: plainMarkdown(vscode.l10n.t('Running {0}', names)),
			confirmationMessages: {
				title: vscode.l10n.t('Run a model with BatchNorm Lens?'),
				message: plainMarkdown(
					vscode.l10n.t('onnxruntime runs {0} on random input, in a process of its own. No file is changed.', names),
				),
			},
		};
	}

	async invoke(
		{ input }: vscode.LanguageModelToolInvocationOptions<unknown>,
		token: vscode.CancellationToken,
	): Promise<vscode.LanguageModelToolResult> {
		const abort = new AbortController();
		const cancel = token.onCancellationRequested(() => abort.abort());
		try {
			return textResult(JSON.stringify(await this.#answer(input, abort.signal)));
		} catch (error) {
			if (token.isCancellationRequested) {
				throw new vscode.CancellationError();
			}
			const sentence = error instanceof RangeError ? error.message : describeError(error);
			this.#log.info(`assistant: ${sentence}`);
			throw new Error(sentence);
		} finally {
			cancel.dispose();
		}
	}

	async #answer(value: unknown, signal: AbortSignal): Promise<JsonObject> {
		const parsed = parseToolInput(value, this.#files);
		if (!parsed.ok) {
			throw new UserError(parsed.reason);
		}
		const input = parsed.value;
		const models = {
			first: await workspaceModel(input.files[0] ?? ''),
			last: await workspaceModel(input.files.at(-1) ?? ''),
		};
		const isTrusted = vscode.workspace.isTrusted;
		const answer = await this.#work({ ...input, run: input.run && isTrusted }, models, { signal });
		const note = vscode.l10n.t('Nothing was run, because this workspace is not trusted.');
		return input.run && !isTrusted ? { ...answer, note } : answer;
	}
}

function textResult(text: string): vscode.LanguageModelToolResult {
	return new vscode.LanguageModelToolResult([new vscode.LanguageModelTextPart(text)]);
}
