import type { Comparison, LayerComparison } from '../../comparison/comparison.js';
import { csvPieces, textCell } from '../text/csv-text.js';

const LAYER_COLUMNS = ['status', 'cause', 'confidence', 'into', 'max_abs_error', 'bound', 'values', 'snr_db'] as const;
const CHANNEL_COLUMNS = [
	...['expected_scale', 'found_scale', 'residual', 'expected_bias', 'found_bias', 'bias_error', 'bias_bound'],
	'error_over_bound',
] as const;
const COLUMNS = ['layer', 'index', 'channel', ...LAYER_COLUMNS, ...CHANNEL_COLUMNS];

/**
 * Renders a row for each layer, with an empty `channel`, then a row for each compared channel. Numbers are written in
 * full; an unknown number is an empty cell. `numpy.genfromtxt(file, delimiter=",", names=True)` reads the file.
 */
export function comparisonToCsv(comparison: Comparison): string {
	return [...comparisonCsvPieces(comparison)].join('');
}

/** Yields the file in pieces. */
export function comparisonCsvPieces({ layers }: Comparison): Generator<string> {
	return csvPieces(COLUMNS, rows(layers));
}

function* rows(layers: readonly LayerComparison[]): Generator<string> {
	const none = (columns: readonly string[]) => columns.map(() => '');
	for (const [index, layer] of layers.entries()) {
		const name = textCell(layer.name);
		yield [name, index, '', ...layerCells(layer), ...none(CHANNEL_COLUMNS)].join(',');
		const { perChannel } = layer;
		const columns = [
			...[perChannel.expectedRatio, perChannel.weightRatio, perChannel.weightResidual, perChannel.expectedBias],
			...[perChannel.foundBias, perChannel.biasError, perChannel.biasBound, perChannel.boundRatio],
		];
		const channels = Math.max(...columns.map((values) => values?.length ?? 0));
		for (let channel = 0; channel < channels; channel++) {
			const values = columns.map((column) => column?.[channel] ?? '');
			yield [name, index, channel, ...none(LAYER_COLUMNS), ...values].join(',');
		}
	}
}

function layerCells({ status, cause, confidence, into, maxAbs, bound, behavior }: LayerComparison): unknown[] {
	return [
		status,
		cause ?? '',
		confidence,
		into === null ? '' : textCell(into.name),
		maxAbs ?? '',
		bound ?? '',
		behavior?.status ?? '',
		behavior?.snrDb ?? '',
	];
}
