import { shorten, visible } from '../../text/names.js';
import { coverage, describeGap } from '../coverage.js';
import { FINDING_CODES, FINDINGS } from '../findings.js';
import type { JsonObject } from '../json.js';
import type { Severity } from '../severity.js';
import type { Finding, Report } from '../types.js';

export interface SarifOptions {
	/** The model as a URI reference. CI systems resolve relative references against the checkout. */
	readonly uri: string;
	/** Version of this program, "1.2.3". */
	readonly version: string;
}

const SCHEMA = 'https://json.schemastore.org/sarif-2.1.0.json';
const LEVELS: Readonly<Record<Severity, string>> = { error: 'error', warning: 'warning', info: 'note' };
const MAX_NAME = 300;
const MAX_MESSAGE = 2000;

/** Renders the findings as SARIF 2.1.0 (OASIS): a single run, a rule per code, a result per finding. */
export function toSarif(report: Report, { uri, version }: SarifOptions): JsonObject {
	const results = [
		...report.findings.map((finding) => result(finding, '', uri)),
		...report.layers.flatMap((layer) => layer.findings.map((finding) => result(finding, layer.name, uri))),
	];
	return {
		$schema: SCHEMA,
		version: '2.1.0',
		runs: [{ tool: { driver: driver(version) }, invocations: [invocation(report)], results }],
	};
}

function driver(version: string): JsonObject {
	return {
		name: 'BatchNorm Lens',
		semanticVersion: version,
		rules: FINDING_CODES.map((id) => {
			const { title, help, advice } = FINDINGS[id];
			return {
				id,
				shortDescription: { text: `${title}.` },
				fullDescription: { text: help },
				help: { text: `${help} ${advice}` },
			};
		}),
	};
}

/** Checks that could not be made become notifications, because a model without findings looks correct otherwise. */
function invocation(report: Report): JsonObject {
	const { run, layers } = report;
	const { extent, gaps } = coverage(report);
	const isFailed = run.status === 'failed' || (extent === 'none' && layers.length > 0);
	const toolExecutionNotifications = gaps.map((gap) => ({
		level: isFailed && gap.layers.length === 0 ? 'error' : gap.isNotTaken || layers.length === 0 ? 'note' : 'warning',
		message: { text: escapeMessage(plain(describeGap(gap, layers.length), MAX_MESSAGE)) },
	}));
	return {
		executionSuccessful: !isFailed,
		...(toolExecutionNotifications.length > 0 && { toolExecutionNotifications }),
	};
}

function result({ code, severity, channels, message }: Finding, layer: string, uri: string): JsonObject {
	const name = plain(layer, MAX_NAME);
	const logical: JsonObject = name === '' ? {} : { logicalLocations: [{ name, kind: 'layer' }] };
	// A binary file has no lines, but GitHub requires a line.
	const physicalLocation = { artifactLocation: { uri }, region: { startLine: 1 } };
	return {
		ruleId: code,
		ruleIndex: FINDING_CODES.indexOf(code),
		level: LEVELS[severity],
		message: { text: escapeMessage(`${name === '' ? '' : `${name}: `}${plain(message, MAX_MESSAGE)}`) },
		locations: [{ physicalLocation, ...logical }],
		// All results are on line 1. Without fingerprints GitHub would merge the results of a rule.
		partialFingerprints: { primaryLocationLineHash: `${fingerprint(`${code}\n${layer}`)}:1` },
		properties: { channels },
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

/** FNV-1a, 64 bits, as 16 hexadecimal digits: no secret, only the same for the same finding. */
function fingerprint(text: string): string {
	let hash = 0xcbf29ce484222325n;
	for (const byte of new TextEncoder().encode(text)) {
		hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
	}
	return hash.toString(16).padStart(16, '0');
}
