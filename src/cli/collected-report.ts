import type { LayerReport, Report } from '../core/report/types.js';
import type { EngineProgress } from '../engine/client.js';

/** Collects an inspection's events, so that a report exists even if the runtime crashes the engine. */
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

	/** Returns the report of a run that ended for this reason, a sentence; undefined if the model was not read. */
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
