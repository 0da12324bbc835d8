import { capitalize } from '../../../text/sentences.js';
import { baselineSentence, baselineState } from '../../baseline.js';
import { CAUSE_CODES, CAUSES } from '../../causes.js';
import type { Comparison } from '../../comparison/comparison.js';
import {
	type ComparisonFinding,
	layerFinding,
	notJudgedReason,
	operatorFindings,
	outputFinding,
} from '../../comparison/findings.js';
import { mismatchIds } from '../../fingerprint/known-mismatches.js';
import type { JsonObject } from '../../json.js';
import {
	type SarifNotification,
	type SarifOptions,
	type SarifResult,
	type SarifRule,
	sarifLog,
} from '../text/sarif-log.js';

/**
 * Renders a comparison as SARIF 2.1.0 (OASIS). It has a rule per cause, a result per layer that does not match or has a
 * finding, and a notification for each check that was not made.
 * @param options `uri` is that of the deployed model
 */
export function comparisonToSarif(comparison: Comparison, options: SarifOptions): JsonObject {
	const { layers, outputs, baseline } = comparison;
	const ids = mismatchIds(comparison);
	const result = (finding: ComparisonFinding | undefined, layer: string, id = ''): SarifResult[] =>
		finding ? [{ ...finding, ruleId: finding.code, layer, id, state: baselineState(baseline, finding.known) }] : [];
	const results = [
		...result(outputFinding(comparison), '', ids.outputs),
		...operatorFindings(comparison).flatMap((finding) => result(finding, '', finding.message)),
		...layers.flatMap((layer, index) => result(layerFinding(layer), layer.name, ids.layers.get(index))),
	];
	const isJudged = outputs?.status === 'match' || outputs?.status === 'mismatch' || layers.some(isLayerJudged);
	const skipped = outputs?.status === 'skipped' ? outputs.reason : undefined;
	const isRefused = outputs?.status === 'skipped' && outputs.refused !== undefined;
	const notifications: SarifNotification[] = [
		...(skipped === undefined ? [] : [{ level: isRefused ? 'error' : 'note', text: skipped } as const]),
		...layers.flatMap((layer): SarifNotification[] => {
			const reason = notJudgedReason(layer);
			return reason === undefined ? [] : [{ level: 'warning', text: `${layer.name} was not judged: ${reason}` }];
		}),
		...(baseline && baseline.vanished.length > 0 ? [{ level: 'note', text: baselineSentence(baseline) } as const] : []),
	];
	return sarifLog({ rules: RULES, results, isSuccessful: isJudged && !isRefused, notifications }, options);
}

const isLayerJudged = (layer: Comparison['layers'][number]): boolean => notJudgedReason(layer) === undefined;

const RULES: readonly SarifRule[] = [
	...CAUSE_CODES.map((id): SarifRule => {
		const { title, advice } = CAUSES[id];
		return { id, title: capitalize(title), full: advice, help: advice };
	}),
	{
		id: 'unmatched',
		title: 'No counterpart in the deployed model',
		full: 'No operator of the deployed model has the shape and place of the layer.',
		help: 'Do nothing if parts of the network were removed on purpose; otherwise compare with the model that this one was made from.',
	},
	{
		id: 'precision-lost',
		title: 'Precision lost in quantization',
		full: 'Quantization left fewer than 4 bits of the weights of a channel.',
		help: 'Quantize per channel instead of per tensor, or keep the layer in float.',
	},
	{
		id: 'outputs-differ',
		title: 'Outputs differ',
		full: 'Both models ran on the same input, and their outputs differ by more than rounding.',
		help: 'Look at the first layer whose values differ.',
	},
	{
		id: 'signal-lost',
		title: 'Outputs distorted by quantization',
		full: 'The folds are right, but the noise of quantization in the outputs exceeds a third of their size.',
		help: 'Calibrate with representative data, quantize per channel, or keep in float the layers with the largest drops.',
	},
];
