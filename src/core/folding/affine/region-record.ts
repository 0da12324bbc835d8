import type { Node } from '../../onnx/model.js';
import type { MapDifference } from './compare-maps.js';
import type { Plan } from './plan.js';
import { nodesOf } from './region-rows.js';

/** An affine region that both models have, and the numbers in which they differ; none where they are equal. */
export interface RegionDifference {
	/** Nodes of both models that compute the region. */
	readonly original: readonly Node[];
	readonly deployed: readonly Node[];
	readonly difference: MapDifference;
	/** True if it counts even where most numbers differ. */
	readonly isCertain?: boolean;
	/** True if the original has no such operator. The expected numbers are those that change no value. */
	readonly isAdded?: boolean;
	/** True if the numbers of a function are the original's in another order. */
	readonly isReordered?: boolean;
	/** True if the rows agree in another order or with factors, and a region behind expects the original channels. */
	readonly isMisplaced?: boolean;
}

interface RecordedDifference extends RegionDifference {
	/** Counterpart with channels in another order or with factors, which a region behind has to confirm. */
	readonly assumes?: string;
}

/** Plans of a region in both models. */
export type RegionParts = readonly [readonly Plan[], readonly Plan[]];

/** Returns the key of an original tensor with channels on an axis. */
export const channelsKey = (name: string, axis: number): string => `${name}\0${axis}`;

/**
 * Collects the compared regions. A counterpart whose channels are moved or scaled is an assumption, and the regions that
 * read it decide.
 */
export class RegionRecord {
	readonly #differences: RecordedDifference[] = [];
	/** Counterparts with channels of their own that an equal region behind them expects. */
	readonly #confirmed = new Set<string>();
	/** Counterparts with channels of their own that a region behind them does not expect. */
	readonly #contradicted = new Set<string>();
	/** Results of functions of several tensors, by the counterparts that the functions read in one order. */
	readonly #results = new Map<string, string>();

	/** @param bases keys of the counterparts that the region reads */
	add(
		[original, deployed]: RegionParts,
		bases: readonly string[],
		found: Pick<RecordedDifference, 'difference' | 'assumes'>,
	): void {
		const { compared, different } = found.difference;
		if (different === 0) {
			this.confirm(bases);
		} else if (2 * different > compared) {
			this.contradict(bases);
		}
		this.#differences.push({ original: nodesOf(original), deployed: nodesOf(deployed), ...found });
	}

	/** Adds a function whose constants differ. @param assumes counterpart with channels of its own, if it has them */
	addFunction(
		[original, deployed]: readonly [Node, Node],
		found: Pick<RecordedDifference, 'difference' | 'isReordered' | 'assumes'>,
	): void {
		this.#differences.push({ original: [original], deployed: [deployed], isCertain: true, ...found });
	}

	confirm(bases: readonly string[]): void {
		for (const base of bases) {
			this.#confirmed.add(base);
		}
	}

	contradict(bases: readonly string[]): void {
		for (const base of bases) {
			this.#contradicted.add(base);
		}
	}

	/** Makes the order of counterparts depend on the readers of a result in the same order. */
	passOn(bases: readonly string[], result: string): void {
		for (const base of bases) {
			this.#results.set(base, result);
		}
	}

	/** Returns the regions. An order or a factor that no region behind undoes is an error, even if the rows agree. */
	differences(): RegionDifference[] {
		return this.#differences.flatMap((found): RegionDifference[] => {
			const { assumes, difference } = found;
			if (assumes === undefined || this.#isIn(this.#confirmed, assumes)) {
				return [found];
			}
			if (found.isCertain) {
				// Without the order, the constants are no evidence.
				return [];
			}
			if (this.#isIn(this.#contradicted, assumes)) {
				return [{ ...found, isMisplaced: true }];
			}
			return difference.different > 0 ? [found] : [];
		});
	}

	/** True if a set holds a counterpart, or a result behind it in the same order. */
	#isIn(set: ReadonlySet<string>, base: string): boolean {
		const visited = new Set<string>();
		for (let at: string | undefined = base; at !== undefined && !visited.has(at); at = this.#results.get(at)) {
			if (set.has(at)) {
				return true;
			}
			visited.add(at);
		}
		return false;
	}
}
