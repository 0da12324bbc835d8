import type { Report } from '../../core/report/types.js';

type Milestone = 'table' | 'verdicts';

/** Reports when the first table and the last verdict are on screen, after the frame that paints them. */
export class Milestones {
	readonly #reached = new Set<Milestone>();

	readonly #document: Document;
	readonly #onReached: (name: Milestone) => void;

	constructor(document: Document, onReached: (name: Milestone) => void) {
		this.#document = document;
		this.#onReached = onReached;
	}

	update({ layers, run }: Report): void {
		this.#reach('table');
		if (run.status !== 'pending' && layers.every(({ recompute }) => recompute.status !== 'pending')) {
			this.#reach('verdicts');
		}
	}

	/** Lets the verdicts of a new report be reported again. */
	restart(): void {
		this.#reached.delete('verdicts');
	}

	#reach(name: Milestone): void {
		const view = this.#document.defaultView;
		if (view && !this.#reached.has(name)) {
			this.#reached.add(name);
			view.requestAnimationFrame(() => view.setTimeout(() => this.#onReached(name), 0));
		}
	}
}
