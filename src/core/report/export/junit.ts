import { baselineSentence } from '../baseline.js';
import { coverage, describeGaps } from '../coverage.js';
import { isAtLeast } from '../severity.js';
import type { Finding, LayerReport, Report } from '../types.js';
import { type JunitCase, type JunitOptions, junitXml } from './text/junit-xml.js';

/**
 * Renders the layers as JUnit XML, a testcase per layer. Findings from `failOn` on make it fail; a layer that was not
 * recomputed and has no such finding is skipped. A further testcase for the whole model passes only if every layer was
 * judged.
 */
export function toJunit(report: Report, { failOn }: JunitOptions): string {
	const fails = ({ severity, known }: Finding) => !known && isAtLeast(severity, failOn);
	const cases = [modelCase(report, fails), ...report.layers.map((layer, index) => layerCase(layer, index, fails))];
	return junitXml(report.model.path, (report.run.milliseconds.total ?? 0) / 1000, cases);
}

function modelCase(report: Report, fails: (finding: Finding) => boolean): JunitCase {
	const { run, layers, findings } = report;
	const reason = run.status === 'skipped' ? run.reason : describeGaps(coverage(report), layers.length);
	return {
		group: 'model',
		name: 'run',
		failed: findings.filter(fails),
		noted: findings.filter((one) => !fails(one)),
		reason,
		...(report.baseline && { remark: baselineSentence(report.baseline) }),
	};
}

function layerCase(layer: LayerReport, index: number, fails: (finding: Finding) => boolean): JunitCase {
	const { recompute, findings } = layer;
	return {
		group: 'layers',
		// The index distinguishes cases with equal shortened names.
		name: `${index} ${layer.name}`,
		failed: findings.filter(fails),
		noted: findings.filter((one) => !fails(one)),
		reason: recompute.status === 'skipped' ? recompute.reason : undefined,
	};
}
