import { encodeObject, type JsonObject } from './json.js';

export const REPAIR_FORMAT = 'batchnorm-lens.repair';
export const REPAIR_VERSION = 1;

/** A layer or operator that was put right. */
export interface RepairedPart {
	readonly name: string;
	/** Operator type, for example BatchNormalization or Conv. */
	readonly op: string;
	/** Clause that completes "name: …", for example "switched to inference". */
	readonly change: string;
}

/** A layer or operator that stays wrong. */
export interface UnrepairedPart {
	readonly name: string;
	readonly op: string;
	/** Clause that completes "not repaired: …". */
	readonly reason: string;
}

/** Verification of the written file by a run; `reason`: a sentence. */
export type RepairCheck =
	| { readonly status: 'match'; readonly evidence: string }
	| { readonly status: 'mismatch' | 'skipped'; readonly reason: string };

/** A model that was written with its wrong parts put right. */
export interface RepairResult {
	readonly format: typeof REPAIR_FORMAT;
	readonly version: typeof REPAIR_VERSION;
	/** The model that was read. */
	readonly model: string;
	/** The model that the right values come from; missing if the repair made an inference model. */
	readonly original?: string;
	/** The written file; null if no repair was needed or possible. */
	readonly written: { readonly path: string; readonly bytes: number } | null;
	/** Number of layers and operators that were looked at. */
	readonly examined: number;
	readonly repaired: readonly RepairedPart[];
	readonly unrepaired: readonly UnrepairedPart[];
	/** Sentences about the result, for example about statistics that no training has changed. */
	readonly notes: readonly string[];
	readonly check: RepairCheck;
}

export function encodeRepairResult(result: RepairResult): JsonObject {
	return encodeObject(result);
}
