import { count as countWords, joinWords } from '../text/sentences.js';
import { count, list, literal, oneOf, optional, orElse, ReportError, record, text } from './decode.js';
import { SEVERITIES, type Severity, severityRank } from './severity.js';

/**
 * Baseline: accepted findings, so that only new findings fail. A file holds an entry for each model and for each pair
 * of compared models, and is committed beside them.
 */
export const BASELINE_FORMAT = 'batchnorm-lens.baseline';
export const BASELINE_VERSION = 1;

/** A finding as the baseline holds it. `id` decides; the other fields are for the people who review the file. */
export interface KnownFinding {
	/** Fingerprint of rule, parameters and structure; of equal findings, the second ends with "-2". */
	readonly id: string;
	/** Code of the finding, or cause of a layer that mismatches. */
	readonly code: string;
	readonly severity: Severity;
	/** Name of the layer at the time; absent for a finding about the whole model. */
	readonly layer?: string;
	readonly message: string;
}

/** Accepted findings of a model, or of a deployed model against its original. */
export interface BaselineEntry {
	/** Path from the folder of the baseline file, with forward slashes. Of a pair, the deployed model. */
	readonly model: string;
	/** Present for a comparison. */
	readonly original?: string;
	readonly findings: readonly KnownFinding[];
}

export interface Baseline {
	readonly format: typeof BASELINE_FORMAT;
	readonly version: typeof BASELINE_VERSION;
	readonly entries: readonly BaselineEntry[];
}

/** Result of holding findings against a baseline. */
export interface BaselineResult {
	/** Numbers of findings that the baseline holds (`known`) and lacks (`fresh`). */
	readonly known: number;
	readonly fresh: number;
	/** Findings of the baseline that were looked for and are gone. */
	readonly vanished: readonly KnownFinding[];
}

/** Maximum numbers of entries of a file, and of findings of an entry. */
const MAX_MODELS = 10_000;
const MAX_FINDINGS = 100_000;

export const EMPTY_BASELINE: Baseline = { format: BASELINE_FORMAT, version: BASELINE_VERSION, entries: [] };

const knownFinding = record<KnownFinding>({
	id: text,
	code: text,
	severity: oneOf(...SEVERITIES),
	layer: optional(text),
	message: orElse('', text),
});

const header = record({ format: literal(BASELINE_FORMAT), version: count });

const body = record<Baseline>({
	format: literal(BASELINE_FORMAT),
	version: literal(BASELINE_VERSION),
	entries: list(
		record<BaselineEntry>({ model: text, original: optional(text), findings: list(knownFinding, MAX_FINDINGS) }),
		MAX_MODELS,
	),
});

export const baselineResult = record<BaselineResult>({
	known: count,
	fresh: count,
	vanished: list(knownFinding, MAX_FINDINGS),
});

/** Parses a baseline. @throws {ReportError} that names the place */
export function parseBaseline(value: unknown): Baseline {
	const { version } = header(value, '');
	if (version !== BASELINE_VERSION) {
		throw new ReportError('version', `is ${version}; this program reads version ${BASELINE_VERSION} only, update it`);
	}
	const baseline = body(value, '');
	const keys = baseline.entries.map(keyOf);
	const twice = keys.findIndex((key, index) => keys.indexOf(key) !== index);
	if (twice >= 0) {
		throw new ReportError(`entries[${twice}]`, `repeats the model ${JSON.stringify(baseline.entries[twice]?.model)}`);
	}
	return baseline;
}

const keyOf = ({ model, original = '' }: Pick<BaselineEntry, 'model' | 'original'>): string => `${original}\0${model}`;

/** A model or a pair of models, its findings, and the test of entries with a file that is no longer at its path. */
export interface EntrySearch {
	readonly place: Pick<BaselineEntry, 'model' | 'original'>;
	readonly ids: Iterable<string>;
	readonly isGone: (entry: BaselineEntry) => boolean;
	/** True where names in any case name the same file. Default: false. */
	readonly ignoresCase?: boolean;
}

/**
 * Returns the entry of a model or pair. A moved model is recognized by its findings: among the entries with missing
 * files, the entry that shares most findings is taken.
 */
export function findEntry(
	{ entries }: Baseline,
	{ place, ids, isGone, ignoresCase = false }: EntrySearch,
): BaselineEntry | undefined {
	const key = (one: EntrySearch['place']) => (ignoresCase ? keyOf(one).toLowerCase() : keyOf(one));
	const named = entries.find((entry) => key(entry) === key(place));
	if (named) {
		return named;
	}
	const found = new Set(ids);
	const shared = ({ findings }: BaselineEntry) => findings.filter(({ id }) => found.has(id)).length;
	const [best] = entries
		.filter((entry) => (entry.original === undefined) === (place.original === undefined) && isGone(entry))
		.map((entry) => ({ entry, shared: shared(entry) }))
		.sort((a, b) => b.shared - a.shared);
	return best && best.shared > 0 ? best.entry : undefined;
}

/** Returns the baseline with this entry instead of the replaced entry. Entries are sorted by path. */
export function withEntry(baseline: Baseline, entry: BaselineEntry, replaced: BaselineEntry | undefined): Baseline {
	const others = baseline.entries.filter((one) => one !== replaced && keyOf(one) !== keyOf(entry));
	const entries = [...others, entry].sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
	return { ...baseline, entries };
}

/** A finding by its identifier. */
export interface IdentifiedFinding {
	readonly id: string;
	readonly severity: Severity;
}

/** Findings of an entry, sorted out. */
export interface Judgment {
	/** Identifiers of the findings that are known. A finding that became graver is new. */
	readonly known: ReadonlySet<string>;
	readonly result: BaselineResult;
}

/** Holds findings against an entry. @param isLookedFor false for findings that this run could not have found */
export function judge(
	findings: readonly IdentifiedFinding[],
	entry: BaselineEntry | undefined,
	isLookedFor: (known: KnownFinding) => boolean,
): Judgment {
	const accepted = new Map(entry?.findings.map((known) => [known.id, known]));
	const isKnown = ({ id, severity }: IdentifiedFinding) =>
		severityRank(severity) <= severityRank(accepted.get(id)?.severity ?? null);
	const known = new Set(findings.filter(isKnown).map(({ id }) => id));
	const present = new Set(findings.map(({ id }) => id));
	const vanished = [...accepted.values()].filter((one) => !present.has(one.id) && isLookedFor(one));
	return { known, result: { known: known.size, fresh: findings.length - known.size, vanished } };
}

/** Returns found findings, and findings of the earlier entry that this run could not have found. */
export function acceptFindings(
	found: readonly KnownFinding[],
	earlier: BaselineEntry | undefined,
	isLookedFor: (known: KnownFinding) => boolean,
): readonly KnownFinding[] {
	const present = new Set(found.map(({ id }) => id));
	return [...found, ...(earlier?.findings ?? []).filter((one) => !present.has(one.id) && !isLookedFor(one))];
}

/** Returns the state of a finding for SARIF; undefined if it was not held against a baseline. */
export function baselineState(result: BaselineResult | undefined, known = false): BaselineState | undefined {
	return result && (known ? 'unchanged' : 'new');
}

/** `baselineState` of a SARIF result (3.27.24). */
export type BaselineState = 'new' | 'unchanged';

/** Maximum number of vanished findings that a sentence names. */
const MAX_NAMED = 5;

/** Returns a sentence with the counts and the names of vanished findings. */
export function baselineSentence({ known, fresh, vanished }: BaselineResult): string {
	const counts = `Against the baseline: ${countWords(fresh, 'new finding')}, ${known} known`;
	if (vanished.length === 0) {
		return `${counts}.`;
	}
	const named = vanished
		.slice(0, MAX_NAMED)
		.map(({ code, layer }) => (layer === undefined ? code : `${code} of ${layer}`));
	const more = vanished.length - named.length;
	const list = joinWords(more > 0 ? [...named, `${more} more`] : named);
	return `${counts}, ${vanished.length} gone: ${list}. Record this with --update-baseline.`;
}

/** Gives each identifier that repeats a number, so that the findings of equal layers count separately. */
export function numberRepeats(ids: readonly string[]): string[] {
	const seen = new Map<string, number>();
	return ids.map((id) => {
		const times = (seen.get(id) ?? 0) + 1;
		seen.set(id, times);
		return times === 1 ? id : `${id}-${times}`;
	});
}

/** Renders the file: a line for each field, so that a change of it can be reviewed. */
export function baselineText(baseline: Baseline): string {
	return `${JSON.stringify(baseline, null, '\t')}\n`;
}
