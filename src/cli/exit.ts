import type { Comparison } from '../core/report/comparison/comparison.js';
import { comparisonFindings } from '../core/report/comparison/findings.js';
import { coverage } from '../core/report/coverage.js';
import { isAtLeast } from '../core/report/severity.js';
import type { Report } from '../core/report/types.js';
import { type FailOn, hasFinding } from './fail-on.js';

/** Exit status of a failed command. CI relies on it. */
export const EXIT_FAILED = 2;

/**
 * Returns the exit status of a report: 1 for a finding at or above `failOn` that no baseline holds, 2 if the model or a
 * layer could not be judged, else 0. A model without layers needs no judgment, so only a failed run gives it status 2.
 */
export function reportStatus(report: Report, failOn: FailOn): number {
	if (report.run.failedAt === 'input') {
		return EXIT_FAILED;
	}
	if (hasFinding(report, failOn)) {
		return 1;
	}
	if (report.layers.length === 0) {
		return report.run.status === 'failed' ? EXIT_FAILED : 0;
	}
	const { extent } = coverage(report);
	return extent === 'part' || extent === 'none' ? EXIT_FAILED : 0;
}

/**
 * Returns the exit status of a comparison: 1 for a finding at or above `failOn` that no baseline holds, 2 if no layer
 * and no output was judged, else 0. Wrong layers and differing outputs are findings of severity "error".
 */
export function comparisonStatus(comparison: Comparison, failOn: FailOn): number {
	if (comparisonFindings(comparison).some(({ severity, known }) => !known && isAtLeast(severity, failOn))) {
		return 1;
	}
	return whyNotJudged(comparison) === undefined ? 0 : EXIT_FAILED;
}

/**
 * Returns why a comparison without a mismatch is no evidence for the deployed model, as a clause or a sentence;
 * undefined if it is.
 */
export function whyNotJudged({ layers, summary, outputs }: Comparison): string | undefined {
	if (outputs?.status === 'skipped' && outputs.refused === 'deployed') {
		return outputs.reason;
	}
	const areOutputsJudged = outputs?.status === 'match' || outputs?.status === 'mismatch';
	if (areOutputsJudged || summary.match + summary.kept + summary.mismatch > 0) {
		return undefined;
	}
	const why = outputs?.status === 'skipped' ? ` Outputs not judged: ${outputs.reason}` : '';
	return layers.length === 0
		? `there is no BatchNormalization to compare.${why}`
		: `none of its layers could be judged.${why}`;
}
