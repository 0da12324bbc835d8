import type { CauseCode } from '../causes.js';
import type { Severity } from '../severity.js';
import type { Comparison, LayerComparison, LayerFinding } from './comparison.js';
import { noiseSentences, noiseShare, outputNoise } from './signal.js';
import { outputSentence } from './summary.js';
import { areOutputsTolerated } from './tolerance.js';

/** Cause of a layer, or a finding that no cause explains. */
export type ComparisonCode = CauseCode | LayerFinding['code'] | 'unmatched' | 'outputs-differ' | 'signal-lost';

/** A result of a comparison that a check may fail on. */
export interface ComparisonFinding {
	readonly code: ComparisonCode;
	readonly severity: Severity;
	/** Sentences. */
	readonly message: string;
	/** Wrong channels, ascending; empty if the finding concerns the whole layer or the model. */
	readonly channels: readonly number[];
	/** True if the baseline holds the finding, so that it does not fail. */
	readonly known?: true;
}

/**
 * Returns the finding of a layer. Error: a wrong layer. Warning: a layer without a counterpart, or a right layer with
 * channels that lost their precision. Note: a layer that cannot be judged, was rounded, or is wrong by less than the
 * tolerance. Any other right layer has no finding.
 */
export function layerFinding(layer: LayerComparison): ComparisonFinding | undefined {
	const { status, cause, evidence, isTolerated, known, findings = [] } = layer;
	const of = (code: ComparisonCode, severity: Severity): ComparisonFinding => {
		return { code, severity, message: evidence, channels: wrongChannels(layer), ...(known && { known }) };
	};
	switch (status) {
		case 'mismatch':
			return of(cause ?? 'unknown', isTolerated ? 'info' : 'error');
		case 'unmatched':
			return of('unmatched', 'warning');
		case 'not-identifiable':
			return of('not-identifiable', 'info');
		default:
			return findings[0] ?? (cause === null ? undefined : of(cause, 'info'));
	}
}

/**
 * Returns the finding of the models' outputs. Error: they differ by more than rounding and quantization explain. Warning:
 * quantization distorts them. Undefined for sound outputs and for outputs that were not compared.
 */
export function outputFinding(comparison: Comparison): ComparisonFinding | undefined {
	const { outputs } = comparison;
	const of = (code: ComparisonCode, severity: Severity, message: string): ComparisonFinding => {
		return { code, severity, message, channels: [], ...(outputs?.known && { known: true }) };
	};
	if (outputs?.status === 'mismatch') {
		return of('outputs-differ', areOutputsTolerated(comparison) ? 'info' : 'error', outputSentence(outputs));
	}
	const noise = outputNoise(comparison);
	return noise?.isLoud
		? of(
				'signal-lost',
				'warning',
				`Quantization distorts the outputs: ${noiseShare(noise)}. ${noiseSentences(comparison)}`,
			)
		: undefined;
}

/** Returns the findings of wrong operators in parts without a layer. */
export function operatorFindings({ operators = [], tolerance = 0 }: Comparison): readonly ComparisonFinding[] {
	return operators.map(({ evidence, maxRel }) => {
		return { code: 'unknown', severity: maxRel < tolerance ? 'info' : 'error', message: evidence, channels: [] };
	});
}

/** Returns all findings of the layers, then the findings of the outputs. */
export function comparisonFindings(comparison: Comparison): readonly ComparisonFinding[] {
	const layers = comparison.layers.map(layerFinding);
	return [...layers, ...operatorFindings(comparison), outputFinding(comparison)].filter(
		(finding) => finding !== undefined,
	);
}

/** Returns the channels with an error above their bound; empty if all are. */
function wrongChannels({ perChannel: { boundRatio } }: LayerComparison): number[] {
	const wrong = boundRatio ? [...boundRatio.keys()].filter((channel) => !(boundRatio[channel] <= 1)) : [];
	return wrong.length === boundRatio?.length ? [] : wrong;
}

/** Returns the reason, a sentence, why a layer was not judged; undefined for a layer with a verdict. */
export function notJudgedReason({ status, evidence }: LayerComparison): string | undefined {
	return status === 'unmatched' || status === 'not-identifiable' ? evidence : undefined;
}
