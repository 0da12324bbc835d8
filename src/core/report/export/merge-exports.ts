import type { JsonObject, JsonValue } from '../json.js';

/**
 * Merges SARIF logs of this program into a single run, because code scanning takes a run per tool and category only.
 * Rules are kept once, and results refer to them by their new index.
 */
export function mergeSarif(logs: readonly JsonObject[]): JsonObject {
	const [first] = logs;
	const rules: JsonObject[] = [];
	const ruleIndex = new Map<JsonValue, number>();
	for (const rule of logs.flatMap((log) => objects(driverOf(log).rules))) {
		if (!ruleIndex.has(rule.id)) {
			ruleIndex.set(rule.id, rules.length);
			rules.push(rule);
		}
	}
	const runs = logs.map(runOf);
	const results = runs.flatMap((run) =>
		objects(run.results).map((result) => ({ ...result, ruleIndex: ruleIndex.get(result.ruleId) ?? -1 })),
	);
	const driver = { ...driverOf(first), rules };
	const invocations = runs.flatMap((run) => objects(run.invocations));
	return { ...first, runs: [{ tool: { driver }, invocations, results }] };
}

function runOf(log: JsonObject): JsonObject {
	return objects(log.runs)[0];
}

function driverOf(log: JsonObject): JsonObject {
	return (runOf(log).tool as JsonObject).driver as JsonObject;
}

const objects = (value: JsonValue | undefined): readonly JsonObject[] => (value ?? []) as readonly JsonObject[];

/** Merges JUnit documents of this program: a suite per document, and the sums of their totals. */
export function mergeJunit(documents: readonly string[]): string {
	const totals = { tests: 0, failures: 0, errors: 0, skipped: 0, time: 0 };
	const suites = documents.map((document) => {
		const [, attributes = '', suite = ''] = /<testsuites ([^>]*)>\n([\s\S]*)<\/testsuites>/.exec(document) ?? [];
		for (const name of Object.keys(totals) as (keyof typeof totals)[]) {
			totals[name] += Number(new RegExp(`${name}="([\\d.]+)"`).exec(attributes)?.[1] ?? 0);
		}
		return suite;
	});
	const { time, ...counts } = totals;
	const numbers = Object.entries(counts).map(([name, number]) => `${name}="${number}"`);
	return [
		'<?xml version="1.0" encoding="UTF-8"?>',
		`<testsuites ${numbers.join(' ')} time="${time.toFixed(3)}">`,
		`${suites.join('')}</testsuites>`,
		'',
	].join('\n');
}
