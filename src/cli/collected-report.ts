import type { LayerReport, Report } from '../core/report/types.js';
import type { EngineProgress } from '../engine/client.js';

/** What an inspection has told so far: there is a report to show, too, when the runtime takes the engine down with it. */
export class CollectedReport {
	#structure: Report | undefined;
	readonly #layers = new Map<number, LayerReport>();

	add(event: EngineProgress): void {
		if (event.type === 'structure') {
			this.#structure = event.report;
		} else if (event.type === 'layer') {
			this.#layers.set(event.index, event.layer);
		}
	}

	/** The report of a run that ended so: one sentence; undefined where the model was not even read. */
	ended(reason: string): Report | undefined {
		const recompute = { status: 'skipped', reason: 'Not checked: the run failed.' } as const;
		return (
			this.#structure && {
				...this.#structure,
				layers: this.#structure.layers.map((layer, index) => this.#layers.get(index) ?? { ...layer, recompute }),
				run: { status: 'failed', reason, failedAt: 'model', runtime: '', inputs: [], milliseconds: {} },
			}
		);
	}
}
