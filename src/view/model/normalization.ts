import type { AxesExplanation } from '../../core/report/axes.js';
import type { Normalization, NormalizationMethod } from '../../core/report/types.js';
import { formatInteger, formatNumber } from '../../core/text/numbers.js';
import { strings } from './strings.js';

/** A way to take the statistics of a batch, as the page explains it. */
export interface MethodCard {
	readonly method: Exclude<NormalizationMethod, 'running'>;
	readonly name: string;
	/** Short lines: shared values, axes with m', and the number of statistics. */
	readonly lines: readonly string[];
	/** True if the layer's attributes ask for this method. */
	readonly own: boolean;
}

/** Returns the three methods, 1 to 3. */
export function methodCards({ method: own, methods }: AxesExplanation): MethodCard[] {
	const words = strings.normalization;
	return (['location', 'activation', 'channel'] as const).map((method, i) => {
		const size = methods[i];
		return {
			method,
			name: words.cards[method],
			lines: size
				? [words.marked(size.shared), words.over(size.over.join(', '), size.values), words.statistics(size.statistics)]
				: [],
			own: own === i + 1,
		};
	});
}

/** Distance between the layer's output and the output of a way to normalize. */
export interface MethodResidual {
	readonly method: NormalizationMethod;
	readonly name: string;
	readonly residual: string;
	/** True if the method explains the output up to rounding. */
	readonly fits: boolean;
}

/** Returns the ways with outputs that were compared with the layer's output; empty before a run. */
export function methodResiduals(normalization: Normalization | undefined): MethodResidual[] {
	const words = strings.normalization;
	return (normalization?.methods ?? []).flatMap(({ method, residual }) =>
		residual === undefined
			? []
			: [
					{
						method,
						name: words.rows[method],
						residual: words.residual(formatNumber(residual, 2)),
						fits: residual <= (normalization?.tolerance ?? Number.NaN),
					},
				],
	);
}

const residualOf = ({ methods }: Normalization, method: NormalizationMethod): number =>
	methods.find((entry) => entry.method === method)?.residual ?? Number.POSITIVE_INFINITY;

/** Returns the numbers behind the sentence about the statistics that explain the output; '' if none do. */
export function normalizationNumbers(normalization: Normalization | undefined): string {
	const words = strings.normalization;
	if (!normalization || normalization.verdict === 'cannot-tell' || normalization.verdict === 'none') {
		return '';
	}
	const { verdict, tolerance = Number.NaN, margin } = normalization;
	const others = margin === undefined ? '' : words.margin(formatInteger(Number(margin.toPrecision(2))));
	return `${words.fit(formatNumber(residualOf(normalization, verdict), 2), formatNumber(tolerance, 2))}${others}`;
}

/** Returns a sentence about the statistics that explain the output. */
export function normalizationSentence(normalization: Normalization | undefined): string {
	const words = strings.normalization;
	if (!normalization) {
		return words.unknown;
	}
	const { verdict, reason = '', methods, tolerance = Number.NaN } = normalization;
	if (verdict === 'cannot-tell') {
		return words.cannotTell(reason);
	}
	if (verdict === 'none') {
		const off = (method: NormalizationMethod) => residualOf(normalization, method);
		const closest = methods.map(({ method }) => method).reduce((a, b) => (off(b) < off(a) ? b : a));
		return words.none(words.names[closest], formatNumber(off(closest), 2), formatNumber(tolerance, 2));
	}
	return words.verdict(words.names[verdict]);
}
