import { dirname } from 'node:path';
import * as vscode from 'vscode';
import { findNormalizations } from '../../core/batchnorm/find.js';
import type { HealthThresholds } from '../../core/batchnorm/health.js';
import { readAnyModel } from '../../core/formats/model/read-model.js';
import { structureReport } from '../../core/inspection/structure-report.js';
import { OnnxError } from '../../core/onnx/errors.js';
import type { Model, ValueInfo } from '../../core/onnx/model.js';
import { memorySource } from '../../core/onnx/source.js';
import type { TensorAccess } from '../../core/onnx/tensor/raw-tensor.js';
import { typeName } from '../../core/onnx/types.js';
import type { RunnableInput } from '../../core/report/run-choices.js';
import type { Report } from '../../core/report/types.js';
import type { EngineClient, RequestHooks } from '../../engine/client.js';
import { externalFiles } from '../../platform/external-files.js';
import { openFile } from '../../platform/file-source.js';
import { inflate } from '../../platform/inflate.js';
import type { ModelLocation } from '../../protocol/host-engine.js';
import { readSettings } from '../shared/settings.js';
import type { LoadedModel } from './model-session.js';
import { type RunPlan, runOptions } from './run-plan.js';

/**
 * Reads the structure of a model and the parameters of its layers. Of a file on disk, reads only the bytes that hold
 * them.
 * @throws {OnnxError} if the file is not a readable model.
 */
export async function loadModel(uri: vscode.Uri): Promise<LoadedModel> {
	const { thresholds } = readSettings(uri);
	if (uri.scheme !== 'file') {
		return describeModel({ source: memorySource(await readWhole(uri), nameOf(uri)) }, thresholds);
	}
	const source = await openFile(uri.fsPath);
	try {
		return await describeModel({ source, external: externalFiles(dirname(uri.fsPath)) }, thresholds);
	} finally {
		await source.close();
	}
}

/**
 * Runs and checks a model in the engine. Settings supply all values that the plan leaves open.
 * @throws {EngineError | OnnxError} with the reason why there is no report.
 */
export async function inspectModel(
	engine: EngineClient,
	uri: vscode.Uri,
	plan: RunPlan,
	hooks: RequestHooks,
): Promise<Report> {
	const { thresholds, drift, ...defaults } = readSettings(uri);
	return engine.inspect(await locateModel(uri), { ...runOptions(plan, defaults), thresholds, drift }, hooks);
}

/**
 * Returns the model's path for the engine. A file of a virtual file system is sent whole, because the engine reads only
 * disks.
 */
export async function locateModel(uri: vscode.Uri): Promise<ModelLocation> {
	return uri.scheme === 'file' ? { path: uri.fsPath } : { path: nameOf(uri), bytes: await readWhole(uri) };
}

async function describeModel(access: TensorAccess, thresholds: HealthThresholds): Promise<LoadedModel> {
	const { model } = await readAnyModel(access.source, { inflate });
	const layers = await findNormalizations(model, access);
	const { inputs, initializers } = model.graph;
	return {
		report: await structureReport({ model, layers, access }, { thresholds }),
		// Up to IR version 3, every initializer is also an input.
		inputs: inputs.filter(({ name }) => !initializers.has(name)).map(describeInput),
		externalFiles: externalNames(model),
	};
}

function describeInput({ name, dataType, shape }: ValueInfo): RunnableInput {
	return { name, dtype: typeName(dataType), shape: shape?.map((size) => size ?? '') };
}

/** Returns the names of external data files in the model's own folder, the only folder that is watched. */
function externalNames(model: Model): string[] {
	const locations = new Set<string>();
	for (const { storage } of model.graph.initializers.values()) {
		if (storage.kind === 'external' && !/[/\\:]/.test(storage.location)) {
			locations.add(storage.location);
		}
	}
	return [...locations];
}

async function readWhole(uri: vscode.Uri): Promise<Uint8Array> {
	try {
		return await vscode.workspace.fs.readFile(uri);
	} catch (error) {
		const reason = error instanceof vscode.FileSystemError ? error.code : String(error);
		throw new OnnxError('io', `${nameOf(uri)} cannot be read: ${reason}.`);
	}
}

/** Returns the name of a model without a path on disk. */
function nameOf(uri: vscode.Uri): string {
	return uri.toString(true);
}
