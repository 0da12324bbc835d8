import { shorten, visible } from '../../text/names.js';
import type { LayerReport, Report } from '../types.js';

const COLUMNS = [
	...['layer', 'index', 'channel', 'gamma', 'beta', 'mean', 'variance', 'scale', 'shift'],
	...['batch_mean', 'batch_variance', 'max_abs_error', 'bound', 'findings'],
];

/** Maximum length of a name, which every row of the layer repeats. `index` distinguishes long names. */
const MAX_NAME = 300;

/**
 * One row a channel, under a row of column names; with `axes: "activation"` one row an activation. Lines end in CRLF
 * (RFC 4180). Numbers are written in full, an unknown one is an empty cell; `findings` lists codes, separated by spaces.
 *
 * `numpy.genfromtxt(file, delimiter=",", names=True)` knows no quotes and takes # for a comment, so no cell needs
 * quotes: what would, is written as \uXXXX.
 */
export function toCsv(report: Report): string {
	const lines = [COLUMNS.join(','), ...report.layers.flatMap(layerRows)];
	return lines.map((line) => `${line}\r\n`).join('');
}

function layerRows(layer: LayerReport, index: number): string[] {
	const { parameters, affine, batch, recompute } = layer;
	const data = batch?.isRandom ? undefined : batch;
	const rows = parameters?.mean.length ?? affine?.scale.length ?? layer.channels;
	const columns = [
		...[parameters?.gamma, parameters?.beta, parameters?.mean, parameters?.variance, affine?.scale, affine?.shift],
		...[data?.mean, data?.variance, recompute.perChannel?.maxAbs, recompute.perChannel?.bound],
	]
		// Per-activation statistics have another length, so they are left out.
		.map((values) => (values?.length === rows ? values : undefined));
	const codes = findingCodes(layer, rows);
	const name = textCell(layer.name);
	return Array.from({ length: rows }, (_, channel) =>
		[name, index, channel, ...columns.map((values) => values?.[channel] ?? ''), codes[channel].join(' ')].join(','),
	);
}

/** Returns the codes of each channel: its own findings and those of the whole layer. */
function findingCodes({ findings }: LayerReport, rows: number): string[][] {
	const codes = Array.from({ length: rows }, (): string[] => []);
	for (const { code, channels } of findings) {
		for (const channel of channels.length === 0 ? codes.keys() : channels) {
			if (codes[channel] && !codes[channel].includes(code)) {
				codes[channel].push(code);
			}
		}
	}
	return codes;
}

/**
 * Prefixes a cell that begins with = + - @ by an apostrophe, because a spreadsheet would run it as a formula (OWASP,
 * "CSV Injection").
 */
function textCell(text: string): string {
	const cell = visible(shorten(text, MAX_NAME)).replace(
		/[",#;]/g,
		(character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
	);
	return /^\s*[=+\-@＝＋－＠]/.test(cell) ? `'${cell}` : cell;
}
