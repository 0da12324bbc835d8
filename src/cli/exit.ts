import { coverage } from '../core/report/coverage.js';
import type { Report } from '../core/report/types.js';
import { type FailOn, hasFinding } from './fail-on.js';

/** Exit status of a failed command. CI relies on it. */
export const EXIT_FAILED = 2;

/**
 * Returns the exit status of a report: 1 for a finding at or above `failOn`, 2 if the model or a layer could not be judged,
 * else 0. A model without a layer has nothing to judge, unless its run failed.
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
