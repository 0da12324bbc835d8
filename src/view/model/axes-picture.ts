import type { AxesExplanation, Axis } from '../../core/report/axes.js';
import type { NormalizationMethod } from '../../core/report/types.js';
import { type ElementBuilder, svgElement } from '../ui/dom.js';
import { icon } from '../ui/icons.js';
import type { MethodCard } from './normalization.js';
import { strings } from './strings.js';

type BatchMethod = Exclude<NormalizationMethod, 'running'>;
type Point = readonly [number, number];

/** Maximum number of cells along an axis. A smaller axis has as many cells as values. */
const MAX_CELLS = 4;
/** Size of a cell's front face, and step to the right and up per cell of depth, in pixels. */
const CELL = 15;
const DEPTH = 7;
/** Space for the labels on the left. */
const LEFT = 30;
/** Smallest width of a picture, and width of a character of a label at most, in pixels. */
const WIDTH = LEFT + MAX_CELLS * (CELL + DEPTH) + 20;
const CHARACTER = 6;
/** CSS pixels per pixel of a picture. */
const SCALE = 0.9;

/** Returns true if a cell belongs to the marked statistic. `own`: index of the marked channel. */
const MARKED: Readonly<Record<BatchMethod, (c: number, place: number, own: number) => boolean>> = {
	location: (_, place) => place === 0,
	activation: (c, place, own) => c === own && place === 0,
	channel: (c, _, own) => c === own,
};

/** Draws the three methods side by side on a block of cells with the layer's own axes, and marks the layer's method. */
export function axesPicture(
	h: ElementBuilder,
	cards: readonly MethodCard[],
	{ axes }: Pick<AxesExplanation, 'axes'>,
): HTMLElement {
	const words = strings.normalization;
	const figures = cards.map(({ method, name, lines, own }) =>
		h(
			'div',
			{ class: own ? 'bnl-method bnl-method-own' : 'bnl-method', data: { method, own: String(own) } },
			block(h, method, axes, words.pictureOf(name, lines)),
			h(
				'div',
				{ class: 'bnl-method-words' },
				h('div', { class: 'bnl-method-name' }, own && icon(h, 'check', 'good'), name),
				...lines.map((line) => h('div', { class: 'bnl-muted' }, line)),
				own && h('div', { class: 'bnl-method-tag' }, words.thisLayer),
			),
		),
	);
	return h('div', { class: 'bnl-methods', attributes: { role: 'group', 'aria-label': words.picture } }, ...figures);
}

/** Number of cells along C (right), the spatial axes (down) and N (into the depth, or down without spatial axes). */
interface Cells {
	readonly c: number;
	readonly places: number;
	readonly n: number;
}

function cellsOf(axes: readonly Axis[]): Cells {
	const [n, c, ...spatial] = axes;
	const cells = (size: number | undefined) => Math.min(size ?? MAX_CELLS, MAX_CELLS);
	const places = spatial.map(({ size }) => size ?? MAX_CELLS);
	return {
		n: cells(n?.size),
		c: cells(c?.size),
		places: Math.min(
			places.reduce((a, b) => a * b, 1),
			MAX_CELLS,
		),
	};
}

/**
 * Draws an oblique block with three visible faces: C to the right, the spatial axes down, N into the depth. An input
 * without spatial axes is a sheet: C to the right, N down.
 */
function block(h: ElementBuilder, method: BatchMethod, axes: readonly Axis[], title: string): SVGSVGElement {
	const cells = cellsOf(axes);
	const spatial = axes.slice(2);
	const own = Math.min(1, cells.c - 1);
	const marked = MARKED[method];
	if (spatial.length === 0) {
		const faces = grid(cells.c, cells.n, (c, n) => ({
			corners: quad([LEFT + c * CELL, 8 + n * CELL], [CELL, 0], [0, CELL]),
			on: method === 'location' || c === own,
		}));
		return picture(h, faces, 8 + cells.n * CELL + 18, title, [
			{ text: labelOf(axes[1]), at: [LEFT, 8 + cells.n * CELL + 13] },
			{ text: labelOf(axes[0]), at: [LEFT + cells.c * CELL + 5, 8 + (cells.n * CELL) / 2 + 4] },
		]);
	}
	const top = cells.n * DEPTH + 8;
	const corner = (c: number, place: number, n: number): Point => [
		LEFT + c * CELL + n * DEPTH,
		top + place * CELL - n * DEPTH,
	];
	const right = LEFT + cells.c * CELL;
	const bottom = top + cells.places * CELL;
	const faces = [
		...grid(cells.c, cells.places, (c, place) => ({
			corners: quad(corner(c, place, 0), [CELL, 0], [0, CELL]),
			on: marked(c, place, own),
		})),
		...grid(cells.c, cells.n, (c, n) => ({
			corners: quad(corner(c, 0, n), [CELL, 0], [DEPTH, -DEPTH]),
			on: marked(c, 0, own),
		})),
		...grid(cells.places, cells.n, (place, n) => ({
			corners: quad(corner(cells.c, place, n), [0, CELL], [DEPTH, -DEPTH]),
			on: marked(cells.c - 1, place, own),
		})),
	];
	return picture(h, faces, bottom + 18, title, [
		{ text: labelOf(axes[1]), at: [LEFT, bottom + 13] },
		{ text: labelOf(axes[0]), at: [right + (cells.n * DEPTH) / 2 + 5, bottom - (cells.n * DEPTH) / 2 + 6] },
		...spatial.map(({ name }, i) => ({
			text: i < spatial.length - 1 ? `${name} ×` : name,
			at: [4, (top + bottom) / 2 + 4 + (i - (spatial.length - 1) / 2) * 12] as const,
		})),
	]);
}

/** "C 32", or "C" before the size is known. */
function labelOf(axis: Axis | undefined): string {
	return axis ? strings.normalization.axis(axis.name, axis.size) : '';
}

interface Face {
	readonly corners: readonly Point[];
	readonly on: boolean;
}

function grid(columns: number, rows: number, face: (column: number, row: number) => Face): Face[] {
	return Array.from({ length: columns * rows }, (_, i) => face(i % columns, Math.floor(i / columns)));
}

function picture(
	h: ElementBuilder,
	faces: readonly Face[],
	height: number,
	title: string,
	labels: readonly { readonly text: string; readonly at: Point }[],
): SVGSVGElement {
	const document = h('div').ownerDocument;
	const polygons = faces.map(({ corners, on }) => {
		const points = corners.map(([x, y]) => `${x},${y}`).join(' ');
		return svgElement(document, 'polygon', { points, class: on ? 'bnl-cell bnl-cell-on' : 'bnl-cell' });
	});
	const texts = labels.map(({ text, at: [x, y] }) =>
		svgElement(document, 'text', { x: String(x), y: String(y), class: 'bnl-cube-label' }, text),
	);
	const width = Math.max(WIDTH, ...labels.map(({ text, at: [x] }) => Math.ceil(x + text.length * CHARACTER)));
	const attributes = {
		viewBox: `0 0 ${width} ${height}`,
		width: String(width * SCALE),
		class: 'bnl-cube',
		role: 'img',
		'aria-label': title,
	};
	return svgElement(document, 'svg', attributes, svgElement(document, 'title', {}, title), ...polygons, ...texts);
}

function quad([x, y]: Point, [ax, ay]: Point, [bx, by]: Point): readonly Point[] {
	return [
		[x, y],
		[x + ax, y + ay],
		[x + ax + bx, y + ay + by],
		[x + bx, y + by],
	];
}
