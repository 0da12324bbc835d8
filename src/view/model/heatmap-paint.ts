import { channelsOf, mix, type Theme } from '../plots/theme.js';
import type { ElementBuilder } from '../ui/dom.js';
import type { HeatmapData } from './heatmap-data.js';

/** Colors of a heatmap. Brightness follows the value too, so that readers do not need the hue. */
export interface ColorScale {
	/** @param share position on the scale, from 0 (low end) to 1. */
	at(share: number): string;
	/** Color of values that are not numbers. */
	readonly bad: string;
}

export function colorScale(theme: Theme, kind: 'diverging' | 'sequential'): ColorScale {
	const { background, first, flag, foreground, error } = theme;
	const nothing = mix(background, foreground, 0.06);
	const most = mix(first, theme.dark ? 'rgb(255, 255, 255)' : 'rgb(0, 0, 0)', 0.6);
	return {
		bad: error,
		at: (share) => {
			if (kind === 'diverging') {
				return mix(nothing, share < 0.5 ? first : flag, Math.min(1, Math.abs(share - 0.5) * 2));
			}
			return share < 0.5 ? mix(nothing, first, share * 2) : mix(first, most, share * 2 - 1);
		},
	};
}

/** Paints a pixel per value; CSS stretches the picture without smoothing. Layers without values stay transparent. */
export function paintHeatmap(canvas: HTMLCanvasElement, data: HeatmapData, scale: ColorScale): void {
	const { columns, rows, low, high } = data;
	canvas.width = Math.max(1, columns.length);
	canvas.height = rows;
	const context = canvas.getContext('2d');
	if (!context) {
		return;
	}
	const image = context.createImageData(canvas.width, rows);
	const palette = Array.from({ length: 256 }, (_, i) => channelsOf(scale.at(i / 255)));
	const bad = channelsOf(scale.bad);
	for (const [x, column] of columns.entries()) {
		for (let y = 0; column && y < rows; y++) {
			const value = column[y] ?? Number.NaN;
			const share = Math.min(1, Math.max(0, (value - low) / (high - low)));
			const [r, g, b] = (Number.isNaN(value) ? undefined : palette[Math.round(share * 255)]) ?? bad;
			const at = 4 * (y * canvas.width + x);
			image.data[at] = r;
			image.data[at + 1] = g;
			image.data[at + 2] = b;
			image.data[at + 3] = 255;
		}
	}
	context.putImageData(image, 0, 0);
}

/** Draws a part of the scale, from one share to another. */
export function legendBar(
	h: ElementBuilder,
	scale: ColorScale,
	[from, to]: readonly [number, number],
): HTMLCanvasElement {
	const bar = h('canvas', { class: 'bnl-legend-bar' });
	bar.width = 64;
	bar.height = 1;
	const context = bar.getContext('2d');
	for (let x = 0; context && x < bar.width; x++) {
		context.fillStyle = scale.at(from + ((to - from) * x) / (bar.width - 1));
		context.fillRect(x, 0, 1, 1);
	}
	return bar;
}
