import { count } from '../text/sentences.js';
import type { LayerReport, Report } from './types.js';

/** A check that could not be made, and the number of layers that lack it. */
export interface Gap {
	/** Sentence: the reason. */
	readonly reason: string;
	/** Names of the layers concerned; empty for the whole model. */
	readonly layers: readonly string[];
	/** True if the model itself leads past the layers, for example by the branch that was taken. */
	readonly isNotTaken: boolean;
}

/** Part of a model that an inspection has judged. */
export interface Coverage {
	/**
	 * `whole`: every layer was judged. `part` and `none`: some layers, or the model, could not be judged. `not-asked`: the
	 * model was not to run, and its parameters were judged. `pending`: the inspection is under way.
	 */
	readonly extent: 'whole' | 'part' | 'none' | 'not-asked' | 'pending';
	/** Distinct reasons, the reason with the most layers first. */
	readonly gaps: readonly Gap[];
}

/** True if the report has numbers to judge the layer by. */
function hasParameters({ parameters, affine }: LayerReport): boolean {
	return parameters !== null || affine !== null;
}

/** Returns how much of the model was judged. Every surface takes its sign from it: only `whole` may look like success. */
export function coverage({ layers, run }: Report): Coverage {
	if (run.status === 'pending') {
		return { extent: 'pending', gaps: [] };
	}
	if (layers.length === 0) {
		return { extent: 'none', gaps: [modelGap('The model has no BatchNorm layer to inspect.')] };
	}
	if (run.status === 'skipped') {
		const unreadable = layers.filter((layer) => !hasParameters(layer));
		return unreadable.length < layers.length
			? { extent: 'not-asked', gaps: [] }
			: { extent: 'none', gaps: layerGaps(unreadable, ({ parametersReason }) => parametersReason) };
	}
	const unjudged = layers.filter(({ recompute }) => recompute.status === 'skipped' || recompute.status === 'pending');
	const ofLayers = layerGaps(unjudged, lackOf);
	const ofModel =
		run.status === 'failed' || run.partial
			? [modelGap(run.reason ?? 'The runtime does not run the model as a whole.')]
			: [];
	// Unusable parameters explain a failed run better than the runtime does.
	const gaps = layers.every(isUnusable) ? [...ofLayers, ...ofModel] : [...ofModel, ...ofLayers];
	const isNothingJudged = unjudged.length === layers.length;
	return { extent: isNothingJudged ? 'none' : gaps.length > 0 ? 'part' : 'whole', gaps };
}

function isUnusable({ findings }: LayerReport): boolean {
	return findings.some(({ code }) => code === 'unusable-parameters');
}

function lackOf(layer: LayerReport): string | undefined {
	return (isUnusable(layer) ? layer.parametersReason : undefined) ?? layer.recompute.reason;
}

function modelGap(reason: string): Gap {
	return { reason, layers: [], isNotTaken: false };
}

function layerGaps(layers: readonly LayerReport[], reasonOf: (layer: LayerReport) => string | undefined): Gap[] {
	const byReason = new Map<string, LayerReport[]>();
	for (const layer of layers) {
		const reason = reasonOf(layer) ?? 'It was not checked.';
		byReason.set(reason, [...(byReason.get(reason) ?? []), layer]);
	}
	return [...byReason]
		.map(([reason, same]) => ({
			reason,
			layers: same.map(({ name }) => name),
			isNotTaken: same.every(({ recompute }) => recompute.cause === 'not-taken'),
		}))
		.sort((a, b) => b.layers.length - a.layers.length);
}

/** Returns a sentence about the first gap, with the number of layers and of further reasons; undefined without gaps. */
export function describeGaps({ gaps }: Coverage, total: number): string | undefined {
	const [gap] = gaps;
	if (!gap) {
		return undefined;
	}
	const more =
		gaps.length > 1
			? ` ${gaps.length === 2 ? 'One more reason' : `${gaps.length - 1} more reasons`} in the report.`
			: '';
	return `${describeGap(gap, total)}${more}`;
}

/** Returns a sentence about a gap. @param total number of layers in the report */
export function describeGap({ reason, layers }: Gap, total: number): string {
	const sentence = `${reason.replace(/^Not (?:checked|judged): /, '').replace(/\.$/, '')}.`;
	if (layers.length === 0) {
		return sentence;
	}
	const which = layers.length === total ? count(total, 'layer') : `${layers.length} of ${count(total, 'layer')}`;
	return `${which} could not be checked: ${sentence}`;
}
