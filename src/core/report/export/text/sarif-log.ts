import { shorten, visible } from '../../../text/names.js';
import type { BaselineState } from '../../baseline.js';
import type { JsonObject } from '../../json.js';
import type { Severity } from '../../severity.js';

export interface SarifOptions {
	/** The model as a URI reference. CI systems resolve relative references against the checkout. */
	readonly uri: string;
	/** Version of this program, "1.2.3". */
	readonly version: string;
}

export interface SarifRule {
	readonly id: string;
	/** Short description, without a full stop. */
	readonly title: string;
	/** Sentences. */
	readonly full: string;
	readonly help: string;
}

export interface SarifResult {
	readonly ruleId: string;
	readonly severity: Severity;
	/** Sentence. */
	readonly message: string;
	/** Name of the layer; '' for the model. */
	readonly layer: string;
	readonly channels: readonly number[];
	/** Identifier of the finding, the same between runs and across renamed layers. */
	readonly id: string;
	/** undefined: not held against a baseline. */
	readonly state: BaselineState | undefined;
}

/** A check that could not be made. */
export interface SarifNotification {
	readonly level: 'error' | 'warning' | 'note';
	/** Sentence. */
	readonly text: string;
}

export interface SarifContent {
	readonly rules: readonly SarifRule[];
	readonly results: readonly SarifResult[];
	readonly isSuccessful: boolean;
	readonly notifications: readonly SarifNotification[];
}

const SCHEMA = 'https://json.schemastore.org/sarif-2.1.0.json';
const LEVELS: Readonly<Record<Severity, string>> = { error: 'error', warning: 'warning', info: 'note' };
const MAX_NAME = 300;
const MAX_MESSAGE = 2000;

/**
 * Returns a SARIF 2.1.0 log (OASIS) of a single run. Checks that could not be made become notifications, because a model
 * without results looks correct otherwise.
 */
export function sarifLog(content: SarifContent, { uri, version }: SarifOptions): JsonObject {
	const { rules, results, isSuccessful, notifications } = content;
	const ruleIds = rules.map(({ id }) => id);
	const driver = {
		name: 'BatchNorm Lens',
		semanticVersion: version,
		rules: rules.map(({ id, title, full, help }) => ({
			id,
			shortDescription: { text: `${title}.` },
			fullDescription: { text: full },
			help: { text: help },
		})),
	};
	const invocation = {
		executionSuccessful: isSuccessful,
		...(notifications.length > 0 && {
			toolExecutionNotifications: notifications.map(({ level, text }) => ({
				level,
				message: { text: escapeMessage(plain(text, MAX_MESSAGE)) },
			})),
		}),
	};
	const run = {
		tool: { driver },
		invocations: [invocation],
		results: results.map((result) => resultObject(result, ruleIds.indexOf(result.ruleId), uri)),
	};
	return { $schema: SCHEMA, version: '2.1.0', runs: [run] };
}

function resultObject(
	{ ruleId, severity, message, layer, channels, id, state }: SarifResult,
	ruleIndex: number,
	uri: string,
): JsonObject {
	const name = plain(layer, MAX_NAME);
	const logical: JsonObject = name === '' ? {} : { logicalLocations: [{ name, kind: 'layer' }] };
	// A binary file has no lines, but GitHub requires a line.
	const physicalLocation = { artifactLocation: { uri }, region: { startLine: 1 } };
	return {
		ruleId,
		ruleIndex,
		level: LEVELS[severity],
		message: { text: escapeMessage(`${name === '' ? '' : `${name}: `}${plain(message, MAX_MESSAGE)}`) },
		locations: [{ physicalLocation, ...logical }],
		// All results are on line 1. Without fingerprints GitHub would merge the results of a rule.
		partialFingerprints: { primaryLocationLineHash: `${id}:1` },
		...(state && { baselineState: state }),
		properties: { channels: [...channels] },
	};
}

function plain(text: string, length: number): string {
	return visible(shorten(text, length));
}

/** In a message, [text](target) is a link and {0} a placeholder (SARIF 3.11.5 and 3.11.6). */
function escapeMessage(text: string): string {
	return text
		.replace(/[\\[\]]/g, '\\$&')
		.replaceAll('{', '{{')
		.replaceAll('}', '}}');
}
