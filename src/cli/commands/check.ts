import { appendFile } from 'node:fs/promises';
import type { Comparison } from '../../core/report/comparison/comparison.js';
import { layerFinding, operatorFindings, outputFinding } from '../../core/report/comparison/findings.js';
import { comparisonAnswer } from '../../core/report/comparison/summary.js';
import { withTolerance } from '../../core/report/comparison/tolerance.js';
import { coverage, describeGaps } from '../../core/report/coverage.js';
import { type CheckedItem, checkMarkdown, checkResult } from '../../core/report/export/check-result.js';
import { comparisonToJunit } from '../../core/report/export/comparison/junit.js';
import { comparisonToSarif } from '../../core/report/export/comparison/sarif.js';
import { toJunit } from '../../core/report/export/junit.js';
import { mergeJunit, mergeSarif } from '../../core/report/export/merge-exports.js';
import { toSarif } from '../../core/report/export/sarif.js';
import { junitXml } from '../../core/report/export/text/junit-xml.js';
import { sarifLog } from '../../core/report/export/text/sarif-log.js';
import type { JsonObject } from '../../core/report/json.js';
import { answer } from '../../core/report/summary.js';
import type { Report } from '../../core/report/types.js';
import { EngineError, type EngineProgress } from '../../engine/client.js';
import { findModels } from '../../platform/find-models.js';
import { identities, refuseInput, replaceFile, requireSeparateFiles } from '../../platform/replace-file.js';
import { asWriteError } from '../../platform/write-error.js';
import { BaselineFile, judgeComparison, judgeReport } from '../baseline.js';
import { type CheckArguments, parseCheckArguments } from '../check-arguments.js';
import { comparisonStatus, EXIT_FAILED, reportStatus, whyNotJudged } from '../exit.js';
import { ownVersion, requireFolder, shownPath, uriReference } from '../output.js';
import { PartialReport } from '../partial-report.js';
import { renderCheck } from '../render/check.js';
import { UsageError } from '../usage.js';
import { withEngine, withTimeLimit } from '../with-engine.js';

/** `batchnorm-lens check`: inspects models and compares pairs of models; resolves to the exit code. */
export async function checkCommand(argv: readonly string[]): Promise<number> {
	const choices = parseCheckArguments(argv);
	const { sarif, junit, summary, failOn } = choices;
	for (const file of [sarif, junit, summary].filter((name) => name !== undefined)) {
		await requireFolder(file);
	}
	await requireSeparateFiles([choices.baseline?.file, sarif, junit, summary]);
	const subjects = await findSubjects(choices);
	const inputs = subjects.flatMap((subject) => subject.files);
	const version = await ownVersion();
	const baseline = choices.baseline && (await BaselineFile.read(choices.baseline));
	const checked = await withEngine(async (engine, hooks) => {
		const done: Checked[] = [];
		for (const subject of subjects) {
			const context = { ...choices, baseline, version };
			done.push(
				await checkSubject(subject, context, {
					inspect: (model, onEvent) =>
						withTimeLimit(
							(limited) => engine.inspect({ path: model }, { ...choices.options, inputs: [] }, limited),
							{
								...hooks,
								onEvent: (event) => {
									hooks.onEvent?.(event);
									onEvent(event);
								},
							},
							choices.limit,
						),
					compare: (original, deployed) =>
						withTimeLimit(
							(limited) =>
								engine.compare(
									{ original: { path: original }, deployed: { path: deployed } },
									choices.options,
									limited,
								),
							hooks,
							choices.limit,
						),
				}),
			);
		}
		return done;
	});
	const result = checkResult(checked.map(({ item }) => item));
	const writeOptions = { inputs: await identities(inputs) };
	if (sarif !== undefined) {
		const log = mergeSarif(checked.map((one) => one.sarif));
		await replaceFile(sarif, `${JSON.stringify(log, null, '\t')}\n`, writeOptions);
	}
	if (junit !== undefined) {
		await replaceFile(junit, mergeJunit(checked.map((one) => one.junit)), writeOptions);
	}
	if (summary !== undefined) {
		await refuseInput(summary, writeOptions.inputs);
		await appendFile(summary, checkMarkdown(result, failOn)).catch((error) => {
			throw asWriteError(summary, error);
		});
	}
	process.stdout.write(
		choices.json ? `${JSON.stringify(result)}\n` : renderCheck(result, { failOn, destination: process.stdout }),
	);
	return result.status;
}

/** A model to inspect, or a pair to compare. `files`: absolute paths, the original and the deployed model of a pair. */
interface Subject {
	readonly files: readonly [string] | readonly [string, string];
}

/** Result of a subject in all forms. */
interface Checked {
	readonly item: CheckedItem;
	readonly sarif: JsonObject;
	readonly junit: string;
}

interface Engine {
	readonly inspect: (model: string, onEvent: (event: EngineProgress) => void) => Promise<Report>;
	readonly compare: (original: string, deployed: string) => Promise<Comparison>;
}

interface CheckContext extends Pick<CheckArguments, 'failOn' | 'tolerance'> {
	readonly baseline: BaselineFile | undefined;
	readonly version: string;
}

async function checkSubject({ files }: Subject, context: CheckContext, engine: Engine): Promise<Checked> {
	const [first, second] = files;
	try {
		return second === undefined
			? await checkModel(first, context, engine)
			: await checkPair(first, second, context, engine);
	} catch (error) {
		if (!(error instanceof EngineError) || error.code === 'cancelled') {
			throw error;
		}
		return notChecked(files, error.message, context);
	}
}

async function checkModel(model: string, context: CheckContext, engine: Engine): Promise<Checked> {
	const { baseline } = context;
	const partial = new PartialReport();
	try {
		const found = await engine.inspect(model, (event) => partial.add(event));
		const report = baseline ? await judgeReport(found, baseline, [model]) : found;
		return checkedModel(model, report, context);
	} catch (error) {
		const report = partial.before(error);
		if (!report) {
			throw error;
		}
		const checked = checkedModel(model, report, context);
		return { ...checked, item: { ...checked.item, status: EXIT_FAILED, answer: report.run.reason ?? '' } };
	}
}

function checkedModel(model: string, report: Report, { failOn, version }: CheckContext): Checked {
	const status = reportStatus(report, failOn);
	const gap = status === EXIT_FAILED ? describeGaps(coverage(report), report.layers.length) : undefined;
	return {
		item: {
			model: shownPath(model),
			status,
			answer: gap ?? answer(report),
			findings: [
				...report.findings.map((finding) => ({ ...finding, layer: '' })),
				...report.layers.flatMap(({ name, findings }) => findings.map((finding) => ({ ...finding, layer: name }))),
			].map(({ code, severity, layer, message, known }) => ({
				code,
				severity,
				layer,
				message,
				...(known && { known }),
			})),
			...(report.baseline && { baseline: report.baseline }),
		},
		sarif: toSarif(report, { uri: uriReference(model), version }),
		junit: toJunit({ ...report, model: { ...report.model, path: shownPath(model) } }, { failOn }),
	};
}

async function checkPair(original: string, deployed: string, context: CheckContext, engine: Engine): Promise<Checked> {
	const { failOn, tolerance, baseline, version } = context;
	const found = await engine.compare(original, deployed);
	const measured = tolerance === undefined ? found : withTolerance(found, tolerance);
	const comparison = baseline ? await judgeComparison(measured, baseline, [original, deployed]) : measured;
	const status = comparisonStatus(comparison, failOn);
	const named = [
		...comparison.layers.map((layer) => ({ finding: layerFinding(layer), layer: layer.name })),
		...operatorFindings(comparison).map((finding) => ({ finding, layer: '' })),
		{ finding: outputFinding(comparison), layer: '' },
	];
	return {
		item: {
			model: shownPath(deployed),
			original: shownPath(original),
			status,
			answer: (status === EXIT_FAILED ? whyNotJudged(comparison) : undefined) ?? comparisonAnswer(comparison),
			findings: named.flatMap(({ finding, layer }) => {
				if (finding === undefined) {
					return [];
				}
				const { code, severity, message, known } = finding;
				return [{ code, severity, layer, message, ...(known && { known }) }];
			}),
			...(comparison.baseline && { baseline: comparison.baseline }),
		},
		sarif: comparisonToSarif(comparison, { uri: uriReference(deployed), version }),
		junit: comparisonToJunit(
			{ ...comparison, deployed: { ...comparison.deployed, path: shownPath(deployed) } },
			{ failOn },
		),
	};
}

/** Result of files that could not be read or run. @param reason sentence */
function notChecked(files: Subject['files'], reason: string, { version }: CheckContext): Checked {
	const [first, second] = files;
	const model = second ?? first;
	const notifications = [{ level: 'error', text: reason }] as const;
	return {
		item: {
			model: shownPath(model),
			...(second !== undefined && { original: shownPath(first) }),
			status: EXIT_FAILED,
			answer: reason,
			findings: [],
		},
		sarif: sarifLog(
			{ rules: [], results: [], isSuccessful: false, notifications },
			{ uri: uriReference(model), version },
		),
		junit: junitXml(shownPath(model), 0, [{ group: 'model', name: 'run', failed: [], noted: [], reason }]),
	};
}

/** @throws {UsageError} for a path that names no file */
async function findSubjects({ paths, pairs }: CheckArguments): Promise<readonly Subject[]> {
	const models = new Set<string>();
	for (const pattern of paths) {
		const found = await findModels(pattern, process.cwd());
		if (!found.ok) {
			throw new UsageError(found.reason);
		}
		for (const file of found.value) {
			models.add(file);
		}
	}
	return [...[...models].map((file): Subject => ({ files: [file] })), ...pairs.map((files): Subject => ({ files }))];
}
