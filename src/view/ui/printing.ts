/** Events on the scroller of a table before and after its page is printed. */
export const BEFORE_PRINT = 'bnl-before-print';
export const AFTER_PRINT = 'bnl-after-print';

/**
 * Prepares a page for each print: disclosures open, tables have all rows, and plots shrink with the paper. Restores it
 * afterwards.
 * @param signal ends the watch
 */
export function preparePrints(page: HTMLElement, signal: AbortSignal): void {
	const view = page.ownerDocument.defaultView;
	let restore: readonly (() => void)[] = [];
	const notifyTables = (event: string): void => {
		for (const scroller of page.querySelectorAll('.bnl-grid-scroller')) {
			scroller.dispatchEvent(new Event(event));
		}
	};
	view?.addEventListener(
		'beforeprint',
		() => {
			restore = [
				...[...page.querySelectorAll<HTMLDetailsElement>('details:not([open])')].map(openDisclosure),
				...[...page.querySelectorAll<HTMLElement>('.svg-container')].map(releaseSize),
				...[...page.querySelectorAll('.main-svg')].map(scaleDrawing),
			];
			notifyTables(BEFORE_PRINT);
		},
		{ signal },
	);
	view?.addEventListener(
		'afterprint',
		() => {
			for (const undo of restore) {
				undo();
			}
			restore = [];
			notifyTables(AFTER_PRINT);
		},
		{ signal },
	);
}

/** Each function below returns the function that undoes it. */
function openDisclosure(details: HTMLDetailsElement): () => void {
	details.open = true;
	return () => {
		details.open = false;
	};
}

/** Removes the size that plotly gives the box of a plot. */
function releaseSize({ style }: HTMLElement): () => void {
	const { width, height } = style;
	Object.assign(style, { width: '100%', height: 'auto' });
	return () => {
		Object.assign(style, { width, height });
	};
}

/** Makes a drawing as wide as its place, with the proportions that it has. */
function scaleDrawing(drawing: Element): () => void {
	const [width, height] = [drawing.getAttribute('width') ?? '', drawing.getAttribute('height') ?? ''];
	drawing.setAttribute('viewBox', `0 0 ${width} ${height}`);
	drawing.setAttribute('width', '100%');
	drawing.removeAttribute('height');
	return () => {
		drawing.removeAttribute('viewBox');
		drawing.setAttribute('width', width);
		drawing.setAttribute('height', height);
	};
}
