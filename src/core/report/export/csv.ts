import type { LayerReport, Report } from '../types.js';
import { csvPieces, textCell } from './text/csv-text.js';

const COLUMNS = [
	...['layer', 'index', 'channel', 'gamma', 'beta', 'mean', 'variance', 'scale', 'shift'],
	...['batch_mean', 'batch_variance', 'max_abs_error', 'bound', 'findings'],
];

/**
 * Renders a row of column names, then a row per channel, or per activation with `axes: "activation"`. Numbers are
 * written in full; an unknown number is an empty cell. `findings` lists codes, separated by spaces.
 * `numpy.genfromtxt(file, delimiter=",", names=True)` reads the file.
 */
export function toCsv(report: Report): string {
	return [...reportCsvPieces(report)].join('');
}

/** Yields the file in pieces. */
export function reportCsvPieces(report: Report): Generator<string> {
	return csvPieces(COLUMNS, reportRows(report));
}

function* reportRows({ layers }: Report): Generator<string> {
	for (const [index, layer] of layers.entries()) {
		yield* layerRows(layer, index);
	}
}

/**
 * Yields a row per channel with values. A layer without values has a single row, because its number of channels may be
 * a mere claim.
 */
function* layerRows(layer: LayerReport, index: number): Generator<string> {
	const { parameters, affine, batch, recompute } = layer;
	const data = batch?.isRandom ? undefined : batch;
	const known = [parameters?.mean, affine?.scale, batch?.mean, recompute.perChannel?.maxAbs];
	const rows = known.find((values) => values !== undefined)?.length;
	const name = textCell(layer.name);
	if (rows === undefined) {
		const codes = [...new Set(layer.findings.map(({ code }) => code))].join(' ');
		yield [name, index, '', ...new Array<string>(VALUE_COLUMNS).fill(''), codes].join(',');
		return;
	}
	const columns = [
		...[parameters?.gamma, parameters?.beta, parameters?.mean, parameters?.variance, affine?.scale, affine?.shift],
		...[data?.mean, data?.variance, recompute.perChannel?.maxAbs, recompute.perChannel?.bound],
	]
		// Per-activation statistics have another length, so they are left out.
		.map((values) => (values?.length === rows ? values : undefined));
	const codes = findingCodes(layer);
	for (let channel = 0; channel < rows; channel++) {
		const values = columns.map((column) => column?.[channel] ?? '');
		yield [name, index, channel, ...values, codes(channel).join(' ')].join(',');
	}
}

/** Columns of {@link COLUMNS} that hold a value of the channel. */
const VALUE_COLUMNS = 10;

/** Returns a function that gives the codes of a channel: its own findings and the whole layer's. */
function findingCodes({ findings }: LayerReport): (channel: number) => readonly string[] {
	const whole: string[] = [];
	const own = new Map<number, string[]>();
	for (const { code, channels } of findings) {
		if (channels.length === 0) {
			whole.push(code);
		}
		for (const channel of channels) {
			own.set(channel, [...(own.get(channel) ?? []), code]);
		}
	}
	const order = findings.map(({ code }) => code);
	return (channel) => {
		const codes = new Set([...(own.get(channel) ?? []), ...whole]);
		return order.filter((code, at) => codes.has(code) && order.indexOf(code) === at);
	};
}
