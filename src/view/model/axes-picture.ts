import type { LayerReport, NormalizationMethod } from '../../core/report/types.js';
import { type ElementBuilder, svgElement } from '../ui/dom.js';
import { icon } from '../ui/icons.js';
import type { MethodCard } from './normalization.js';
import { strings } from './strings.js';

type BatchMethod = Exclude<NormalizationMethod, 'running'>;
type Point = readonly [number, number];

/** Number of cells along C, the spatial axes (drawn as one axis) and N. */
const CELLS = 4;
/** Size of a cell's front face, and step to the right and up per cell of depth, in pixels. */
const CELL = 15;
const DEPTH = 7;
const SIDE = CELLS * CELL;
const LEFT = 22;
const TOP = CELLS * DEPTH + 8;

/** Returns true if a cell belongs to the marked statistic. */
const MARKED: Readonly<Record<BatchMethod, (c: number, place: number, n: number) => boolean>> = {
	location: (_, place) => place === 0,
	activation: (c, place) => c === 1 && place === 0,
	channel: (c) => c === 1,
};

/**
 * Draws the methods side by side as cubes of cells. Marks the cells of one statistic, frames the method of the layer's
 * attributes, and labels the method that explains the layer's output. Running statistics are drawn as stored values.
 */
export function axesPicture(
	h: ElementBuilder,
	cards: readonly MethodCard[],
	{ axes, spatial }: { readonly axes: LayerReport['axes']; readonly spatial: readonly string[] },
): HTMLElement {
	const words = strings.normalization;
	const figures = cards.map(({ method, name, lines, residual, fits, own }) =>
		h(
			'div',
			{ class: own ? 'bnl-method bnl-method-own' : 'bnl-method', data: { method, fits: String(fits) } },
			method === 'running' ? storedValues(h, axes, spatial) : cube(h, method, spatial),
			h('div', { class: 'bnl-method-name' }, name),
			...lines.map((line) => h('div', { class: 'bnl-muted' }, line)),
			...(residual ? [h('div', { class: 'bnl-method-residual' }, residual)] : []),
			...(fits ? [h('div', { class: 'bnl-method-fits' }, icon(h, 'check', 'good'), words.fits)] : []),
			...(own ? [h('div', { class: 'bnl-method-tag' }, words.thisLayer)] : []),
		),
	);
	return h('div', { class: 'bnl-methods', attributes: { role: 'group', 'aria-label': words.picture } }, ...figures);
}

/** Draws an oblique cube with three visible faces: C to the right, the spatial axes down, N into the depth. */
function cube(h: ElementBuilder, method: BatchMethod, spatial: readonly string[]): SVGSVGElement {
	const last = CELLS - 1;
	const marked = MARKED[method];
	const faces: Face[] = [];
	for (let i = 0; i < CELLS; i++) {
		for (let j = 0; j < CELLS; j++) {
			faces.push(
				{ corners: quad(corner(i, j, 0), [CELL, 0], [0, CELL]), on: marked(i, j, 0) },
				{ corners: quad(corner(i, 0, j), [CELL, 0], [DEPTH, -DEPTH]), on: marked(i, 0, j) },
				{ corners: quad(corner(CELLS, i, j), [0, CELL], [DEPTH, -DEPTH]), on: marked(last, i, j) },
			);
		}
	}
	return picture(h, faces, [
		{ text: 'C', at: [LEFT + SIDE / 2 - 4, TOP + SIDE + 13] },
		{ text: 'N', at: [LEFT + SIDE + DEPTH * 2 + 6, TOP + SIDE - DEPTH + 4] },
		{ text: spaceLabel(spatial), at: [spatial.length > 1 ? 0 : 6, TOP + SIDE / 2 + 4] },
	]);
}

/** Draws stored statistics: a value per channel or activation. */
function storedValues(h: ElementBuilder, axes: LayerReport['axes'], spatial: readonly string[]): SVGSVGElement {
	const rows = axes === 'activation' ? CELLS : 1;
	const first = (CELLS - rows) / 2;
	const faces = Array.from({ length: CELLS * rows }, (_, i): Face => {
		const at = corner(i % CELLS, first + Math.floor(i / CELLS), 0);
		return { corners: quad(at, [CELL, 0], [0, CELL]), on: true };
	});
	const space = { text: spaceLabel(spatial), at: [spatial.length > 1 ? 0 : 6, TOP + SIDE / 2 + 4] } as const;
	return picture(h, faces, [
		{ text: 'C', at: [LEFT + SIDE / 2 - 4, TOP + (first + rows) * CELL + 13] },
		...(rows > 1 ? [space] : []),
	]);
}

function spaceLabel(spatial: readonly string[]): string {
	return spatial.join('') || '1';
}

interface Face {
	readonly corners: readonly Point[];
	readonly on: boolean;
}

function picture(
	h: ElementBuilder,
	faces: readonly Face[],
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
	const viewBox = `0 0 ${LEFT + SIDE + CELLS * DEPTH + 16} ${TOP + SIDE + 16}`;
	return svgElement(document, 'svg', { viewBox, class: 'bnl-cube', 'aria-hidden': 'true' }, ...polygons, ...texts);
}

function corner(c: number, place: number, n: number): Point {
	return [LEFT + c * CELL + n * DEPTH, TOP + place * CELL - n * DEPTH];
}

function quad([x, y]: Point, [ax, ay]: Point, [bx, by]: Point): readonly Point[] {
	return [
		[x, y],
		[x + ax, y + ay],
		[x + ax + bx, y + ay + by],
		[x + bx, y + by],
	];
}
