import type { AxesExplanation } from './axes.js';
import { type ElementBuilder, svgElement } from './dom.js';
import { strings } from './strings.js';

type Point = readonly [number, number];

/** Cells along C, the spatial axes (drawn as one) and N. */
const CELLS = 4;
/** Pixels of a cell's front face, and the step that a cell of depth moves right and up. */
const CELL = 15;
const DEPTH = 7;
const LEFT = 22;
const TOP = CELLS * DEPTH + 8;

/** Which cell (c, place, n) belongs to the one statistic that the picture marks. */
const MARKED: Readonly<Record<1 | 2 | 3, (c: number, place: number, n: number) => boolean>> = {
	1: (_, place) => place === 0,
	2: (c, place) => c === 1 && place === 0,
	3: (c) => c === 1,
};

/** The three methods side by side as cubes of cells; those that are averaged together are marked, the layer's own is framed. */
export function axesPicture(h: ElementBuilder, explanation: AxesExplanation): HTMLElement {
	const names = [strings.axes.method1, strings.axes.method2, strings.axes.method3];
	const spatial = explanation.axes.slice(2);
	const over = [['N', 'C'], ['N'], ['N', ...spatial]];
	const figures = ([1, 2, 3] as const).map((method) => {
		const own = method === explanation.method;
		return h(
			'div',
			{ class: own ? 'bnl-method bnl-method-own' : 'bnl-method', data: { method: String(method) } },
			cube(h, method, spatial),
			h('div', { class: 'bnl-method-name' }, names[method - 1] ?? ''),
			h('div', { class: 'bnl-muted' }, strings.axes.methodOver((over[method - 1] ?? []).join(', '))),
			h('div', { class: 'bnl-muted' }, strings.axes.statistics(explanation.statistics[method - 1] ?? '')),
			h('div', { class: 'bnl-method-tag' }, own ? strings.axes.thisLayer : ''),
		);
	});
	return h(
		'div',
		{ class: 'bnl-methods', attributes: { role: 'group', 'aria-label': strings.axes.picture } },
		...figures,
	);
}

/** An oblique cube: C to the right, the spatial axes downwards, N into the depth. Three faces of it are seen. */
function cube(h: ElementBuilder, method: 1 | 2 | 3, spatial: readonly string[]): SVGSVGElement {
	const holder = h('div');
	const document = holder.ownerDocument;
	const last = CELLS - 1;
	const marked = MARKED[method];
	const cells: SVGElement[] = [];
	const face = (corners: readonly Point[], on: boolean): void => {
		const points = corners.map(([x, y]) => `${x},${y}`).join(' ');
		cells.push(svgElement(document, 'polygon', { points, class: on ? 'bnl-cell bnl-cell-on' : 'bnl-cell' }));
	};
	for (let i = 0; i < CELLS; i++) {
		for (let j = 0; j < CELLS; j++) {
			face(quad(corner(i, j, 0), [CELL, 0], [0, CELL]), marked(i, j, 0));
			face(quad(corner(i, 0, j), [CELL, 0], [DEPTH, -DEPTH]), marked(i, 0, j));
			face(quad(corner(CELLS, i, j), [0, CELL], [DEPTH, -DEPTH]), marked(last, i, j));
		}
	}
	const label = (text: string, [x, y]: Point): SVGElement =>
		svgElement(document, 'text', { x: String(x), y: String(y), class: 'bnl-cube-label' }, text);
	const side = CELLS * CELL;
	return svgElement(
		document,
		'svg',
		{
			viewBox: `0 0 ${LEFT + side + CELLS * DEPTH + 16} ${TOP + side + 16}`,
			class: 'bnl-cube',
			'aria-hidden': 'true',
		},
		...cells,
		label('C', [LEFT + side / 2 - 4, TOP + side + 13]),
		label('N', [LEFT + side + DEPTH * 2 + 6, TOP + side - DEPTH + 4]),
		label(spatial.length > 0 ? spatial.join('') : '1', [spatial.length > 1 ? 0 : 6, TOP + side / 2 + 4]),
	);
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
