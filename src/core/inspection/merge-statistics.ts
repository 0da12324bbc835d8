import { type LayerStatistics, type StatisticsReport, StatisticsSums } from '../report/statistics.js';
import { MergeError } from './merge-reports.js';
import { modelDifference } from './same-model.js';

/** Statistics and the file that they came from. */
export interface NamedStatistics {
	readonly file: string;
	readonly statistics: StatisticsReport;
}

/**
 * Merges statistics of shards of a data set, exactly: counts add, means and variances are weighted by count. The result
 * depends on neither the order nor the division, to the last bit if all shards state their exact sums.
 * @param shards at least one
 * @throws {MergeError} when they are of different models, of a mode that cannot be merged, or of the same data.
 */
export function mergeStatistics(shards: readonly NamedStatistics[]): StatisticsReport {
	const [first, ...others] = shards;
	for (const { file, statistics } of shards) {
		if (statistics.mode === 'sequential' && others.length > 0) {
			throw new MergeError(
				`${file} was collected with --mode sequential, where each layer depends on all data: collect shards without it.`,
			);
		}
	}
	for (const { file, statistics } of others) {
		const difference = statisticsDifference(first.statistics, statistics);
		if (difference !== undefined) {
			throw new MergeError(`${file} is not of the same model as ${first.file}: ${difference}.`);
		}
	}
	refuseRepetition(shards);
	const all = shards.map(({ statistics }) => statistics);
	const samples = all.map((statistics) => statistics.samples);
	return {
		...first.statistics,
		batches: total(all.map(({ batches }) => batches)),
		...(samples.every((number) => number !== undefined) && { samples: total(samples) }),
		layers: first.statistics.layers.map((_, index) => mergeLayer(all.map(({ layers }) => layers[index]))),
	};
}

/**
 * Refuses two shards with the same statistics to the last bit: only the same data give them, and would count twice.
 * @throws {MergeError}
 */
function refuseRepetition(shards: readonly NamedStatistics[]): void {
	const seen = new Map<string, string>();
	for (const { file, statistics } of shards) {
		const values = statistics.layers.map(({ count, mean, variance }) => [count, ...mean, ...variance].join());
		const key = values.join(';');
		const other = seen.get(key);
		if (other !== undefined && values.length > 0) {
			throw new MergeError(
				`${file} holds the same statistics as ${other}, so that this part of the data would count twice: leave one out.`,
			);
		}
		seen.set(key, file);
	}
}

const total = (numbers: readonly number[]) => numbers.reduce((sum, number) => sum + number, 0);

function mergeLayer(shards: readonly LayerStatistics[]): LayerStatistics {
	const [first, ...others] = shards;
	if (others.length === 0) {
		return first;
	}
	const sums = new StatisticsSums(first.mean.length);
	for (const shard of shards) {
		sums.addShard(shard);
	}
	return sums.statistics(first.name, first.channels);
}

/** Describes the first difference between the models of two files, phrased to follow "…: "; undefined if none. */
export function statisticsDifference(
	a: Pick<StatisticsReport, 'model' | 'layers' | 'fingerprint'>,
	b: Pick<StatisticsReport, 'model' | 'layers' | 'fingerprint'>,
): string | undefined {
	const difference = modelDifference(a.model, b.model);
	if (difference !== undefined) {
		return difference;
	}
	if (a.layers.length !== b.layers.length) {
		return `it has ${b.layers.length} layers, not ${a.layers.length}`;
	}
	for (const [index, { name, mean }] of a.layers.entries()) {
		const other = b.layers[index];
		if (other.name !== name) {
			return `it has a layer "${other.name}" where the other has "${name}"`;
		}
		if (other.mean.length !== mean.length) {
			return `layer "${name}" has ${other.mean.length} means, not ${mean.length}`;
		}
	}
	const isOther = a.fingerprint !== undefined && b.fingerprint !== undefined && a.fingerprint !== b.fingerprint;
	return isOther ? 'the content of the model file is another' : undefined;
}
