import type { Report } from '../../core/report/types.js';

type Milestone = 'table' | 'verdicts';

/** Tells when the first table and the last verdict are on screen: after the frame that paints them. */
export class Milestones {
	readonly #reached = new Set<Milestone>();

	constructor(
		private readonly document: Document,
		private readonly tell: (name: Milestone) => void,
	) {}

	update({ layers, run }: Report): void {
		this.#reach('table');
		if (run.status !== 'pending' && layers.every(({ recompute }) => recompute.status !== 'pending')) {
			this.#reach('verdicts');
		}
	}

	/** A new report: its verdicts are told again. */
	restart(): void {
		this.#reached.delete('verdicts');
	}

	#reach(name: Milestone): void {
		const view = this.document.defaultView;
		if (view && !this.#reached.has(name)) {
			this.#reached.add(name);
			view.requestAnimationFrame(() => view.setTimeout(() => this.tell(name), 0));
		}
	}
}
