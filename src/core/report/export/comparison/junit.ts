import { baselineSentence } from '../../baseline.js';
import type { Comparison, LayerComparison } from '../../comparison/comparison.js';
import {
	type ComparisonFinding,
	layerFinding,
	notJudgedReason,
	operatorFindings,
	outputFinding,
} from '../../comparison/findings.js';
import { isAtLeast } from '../../severity.js';
import { type JunitCase, type JunitOptions, junitXml } from '../text/junit-xml.js';

/**
 * Renders the layers as JUnit XML, a testcase per layer. A finding from `failOn` on makes it fail; a layer without a
 * judgment is skipped. A further testcase stands for the outputs of both models, skipped unless they were compared.
 */
export function comparisonToJunit(comparison: Comparison, { failOn }: JunitOptions): string {
	const { layers, operators = [], outputs, deployed, baseline } = comparison;
	const sorted = (finding: ComparisonFinding | undefined): Pick<JunitCase, 'failed' | 'noted'> => {
		const all = finding ? [finding] : [];
		const isFailed = finding !== undefined && !finding.known && isAtLeast(finding.severity, failOn);
		return { failed: isFailed ? all : [], noted: isFailed ? [] : all };
	};
	const reason = outputs ? (outputs.status === 'skipped' ? outputs.reason : undefined) : NOT_RUN;
	const cases: JunitCase[] = [
		{
			group: 'models',
			name: 'outputs',
			...sorted(outputFinding(comparison)),
			reason,
			...(baseline && { remark: baselineSentence(baseline) }),
		},
		...layers.map((layer, index) => ({
			group: 'layers',
			name: caseName(layer, index),
			...sorted(layerFinding(layer)),
			reason: notJudgedReason(layer),
		})),
		...operatorFindings(comparison).map((finding, index) => ({
			group: 'operators',
			name: `${index + 1} ${operators[index].name}`,
			reason: undefined,
			...sorted(finding),
		})),
	];
	return junitXml(deployed.path, (outputs?.milliseconds ?? 0) / 1000, cases);
}

const NOT_RUN = 'The outputs were not compared.';

/** The number, counted from 1, distinguishes cases with equal shortened names. */
function caseName({ name }: LayerComparison, index: number): string {
	return `${index + 1} ${name}`;
}
