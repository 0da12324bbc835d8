/** Colors in the form that plotly and canvas understand: "rgb(r, g, b)" or "rgba(…)", without CSS variables. */
export interface Theme {
	readonly foreground: string;
	/** Axis labels, captions. */
	readonly muted: string;
	readonly background: string;
	readonly grid: string;
	readonly first: string;
	readonly second: string;
	/** Flagged channels. */
	readonly flag: string;
	readonly error: string;
	/** Background and text of hover labels. */
	readonly hoverBackground: string;
	readonly hoverForeground: string;
	readonly hoverBorder: string;
	readonly font: string;
	/** Font size in CSS pixels. */
	readonly fontSize: number;
	readonly highContrast: boolean;
	readonly dark: boolean;
}

/** Custom properties of page.css with VS Code's colors, or fallbacks outside VS Code. */
const PROPERTIES = {
	foreground: '--bnl-foreground',
	muted: '--bnl-muted',
	background: '--bnl-background',
	grid: '--bnl-grid',
	first: '--bnl-series-1',
	second: '--bnl-series-2',
	flag: '--bnl-flag',
	error: '--bnl-error',
	hoverBackground: '--bnl-hover-background',
	hoverForeground: '--bnl-hover-foreground',
	hoverBorder: '--bnl-hover-border',
} as const;

/**
 * Reads the theme as it applies to `element`. plotly silently turns `var(--x)` and `color-mix()` into its default blue,
 * and computed styles may contain `color(srgb …)`. Painting a pixel gives plain numbers for any CSS color.
 */
export function readTheme(element: HTMLElement): Theme {
	const document = element.ownerDocument;
	const view = document.defaultView ?? window;
	const probe = document.createElement('span');
	probe.hidden = true;
	element.appendChild(probe);
	const toNumbers = colorReader(document);
	const colors = Object.fromEntries(
		Object.entries(PROPERTIES).map(([name, property]) => {
			probe.style.color = `var(${property})`;
			return [name, toNumbers(view.getComputedStyle(probe).color)];
		}),
	) as Record<keyof typeof PROPERTIES, string>;
	probe.remove();
	const style = view.getComputedStyle(element);
	return {
		...colors,
		font: style.fontFamily,
		fontSize: Math.max(10, Math.round(Number.parseFloat(style.fontSize) * 0.85) || 11),
		highContrast: element.dataset.theme?.startsWith('hc-') ?? false,
		dark: luminance(colors.background) < 0.5,
	};
}

function colorReader(document: Document): (color: string) => string {
	const canvas = document.createElement('canvas');
	canvas.width = 1;
	canvas.height = 1;
	const context = canvas.getContext('2d', { willReadFrequently: true });
	return (color) => {
		if (!context) {
			return color;
		}
		context.clearRect(0, 0, 1, 1);
		context.fillStyle = color;
		context.fillRect(0, 0, 1, 1);
		const [r = 0, g = 0, b = 0, a = 255] = context.getImageData(0, 0, 1, 1).data;
		return a === 255 ? `rgb(${r}, ${g}, ${b})` : `rgba(${r}, ${g}, ${b}, ${(a / 255).toFixed(3)})`;
	};
}

export function channelsOf(color: string): readonly [number, number, number] {
	const [r = 0, g = 0, b = 0] = (color.match(/[\d.]+/g) ?? []).map(Number);
	return [r, g, b];
}

/** Mixes a share of `over` into `under`; the result is opaque. */
export function mix(under: string, over: string, share: number): string {
	const [a, b] = [channelsOf(under), channelsOf(over)];
	const channel = (i: 0 | 1 | 2): number => Math.round(a[i] + (b[i] - a[i]) * share);
	return `rgb(${channel(0)}, ${channel(1)}, ${channel(2)})`;
}

/** Returns the approximate lightness, 0 to 1, which separates dark from light themes. */
function luminance(color: string): number {
	const [r, g, b] = channelsOf(color);
	return (0.2126 * r + 0.7152 * g + 0.0722 * b) / 255;
}
