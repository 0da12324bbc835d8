import type { LayerReport, Normalization, NormalizationMethod } from '../../core/report/types.js';
import { formatInteger, formatNumber } from '../../core/text/numbers.js';
import type { AxesExplanation } from './axes.js';
import { strings } from './strings.js';

/** One way to normalize, as the page explains it. */
export interface MethodCard {
	readonly method: NormalizationMethod;
	readonly name: string;
	/** Short lines: axes, m' and the number of statistics. */
	readonly lines: readonly string[];
	/** Distance between the outputs of the layer and of this method; '' before a run. */
	readonly residual: string;
	/** True if the method explains the output up to rounding. */
	readonly fits: boolean;
	/** True if the layer's attributes ask for this method. */
	readonly own: boolean;
}

/** Returns the three methods, and the stored statistics if the output was compared with them. */
export function methodCards(layer: LayerReport, { method: own, methods }: AxesExplanation): MethodCard[] {
	const { normalization } = layer;
	const words = strings.normalization;
	const known = (method: NormalizationMethod) => normalization?.methods.find((entry) => entry.method === method);
	const card = (method: NormalizationMethod, lines: readonly string[], isOwn: boolean): MethodCard => {
		const residual = known(method)?.residual;
		return {
			method,
			name: words.cards[method],
			lines,
			residual: residual === undefined ? '' : words.residual(formatNumber(residual, 2)),
			fits: residual !== undefined && residual <= (normalization?.tolerance ?? Number.NaN),
			own: isOwn,
		};
	};
	const batch = (['location', 'activation', 'channel'] as const).map((method, i) => {
		const size = methods[i];
		const lines = size ? [words.over(size.over.join(', ')), size.count, words.statistics(size.statistics)] : [];
		return card(method, lines, own === i + 1);
	});
	const running = known('running');
	return running
		? [...batch, card('running', [words.stored, words.statistics(formatInteger(running.statistics))], false)]
		: batch;
}

/** Returns sentences about the method that explains the output. */
export function normalizationSentence(normalization: Normalization | undefined): string {
	const words = strings.normalization;
	if (!normalization) {
		return words.unknown;
	}
	const { verdict, reason = '', methods, tolerance = Number.NaN, margin } = normalization;
	const allowed = formatNumber(tolerance, 2);
	if (verdict === 'cannot-tell') {
		return words.cannotTell(reason);
	}
	const residualOf = (method: NormalizationMethod) =>
		methods.find((entry) => entry.method === method)?.residual ?? Number.POSITIVE_INFINITY;
	if (verdict === 'none') {
		const closest = methods.map(({ method }) => method).reduce((a, b) => (residualOf(b) < residualOf(a) ? b : a));
		return words.none(words.names[closest], formatNumber(residualOf(closest), 2), allowed);
	}
	const others = margin === undefined ? '' : words.margin(formatInteger(Number(margin.toPrecision(2))));
	return `${words.verdict(words.names[verdict], formatNumber(residualOf(verdict), 2), allowed)}${others}.`;
}
