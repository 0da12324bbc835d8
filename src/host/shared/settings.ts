import * as vscode from 'vscode';
import { DEFAULT_DRIFT_THRESHOLDS, type DriftThresholds } from '../../core/batchnorm/drift.js';
import { DEFAULT_THRESHOLDS, type HealthThresholds } from '../../core/batchnorm/health.js';
import { DEFAULT_MEMORY_BUDGET, MEGABYTE } from '../../core/report/run-choices.js';

/** Settings under `batchnormLens`. Names, defaults and ranges agree with package.json. */
export interface Settings {
	readonly runOnOpen: boolean;
	/** True if findings are listed in the Problems panel. */
	readonly problems: boolean;
	readonly batch: number;
	readonly seed: number;
	/** Megabytes. */
	readonly memoryBudget: number;
	readonly thresholds: HealthThresholds;
	readonly drift: DriftThresholds;
}

/** Returns the current settings for a model, or those of the window. Replaces invalid values in the user's file by defaults. */
export function readSettings(model?: vscode.Uri): Settings {
	const configuration = vscode.workspace.getConfiguration('batchnormLens', model);
	const limit = (name: string, fallback: number): number => {
		const value = configuration.get<unknown>(name);
		return typeof value === 'number' && value >= 0 ? value : fallback;
	};
	return {
		runOnOpen: configuration.get<unknown>('runOnOpen') !== false,
		problems: configuration.get<unknown>('problems') !== false,
		batch: integer(configuration.get('batch'), 1, 1),
		seed: integer(configuration.get('seed'), 0, 0),
		memoryBudget: integer(configuration.get('memoryBudget'), 1, DEFAULT_MEMORY_BUDGET / MEGABYTE),
		thresholds: {
			deadShare: limit('health.deadShare', DEFAULT_THRESHOLDS.deadShare),
			sigmas: limit('health.sigmas', DEFAULT_THRESHOLDS.sigmas),
			epsilonRatio: limit('health.epsilonRatio', DEFAULT_THRESHOLDS.epsilonRatio),
			explodingFactor: limit('health.explodingFactor', DEFAULT_THRESHOLDS.explodingFactor),
		},
		drift: {
			least: limit('drift.least', DEFAULT_DRIFT_THRESHOLDS.least),
			standardErrors: limit('drift.standardErrors', DEFAULT_DRIFT_THRESHOLDS.standardErrors),
		},
	};
}

function integer(value: unknown, minimum: number, fallback: number): number {
	return typeof value === 'number' && Number.isSafeInteger(value) && value >= minimum ? value : fallback;
}
