import { acceptFindings, type BaselineEntry, judge, type KnownFinding, numberRepeats } from '../baseline.js';
import type { Comparison, LayerComparison } from '../comparison/comparison.js';
import { type ComparisonFinding, layerFinding, outputFinding } from '../comparison/findings.js';
import { Fingerprint } from './fingerprint.js';

/** A finding of a comparison, with its place and its identifier. */
interface PlacedFinding {
	readonly id: string;
	readonly finding: ComparisonFinding;
	/** Index of the layer in the comparison; undefined for the outputs. */
	readonly layer: number | undefined;
}

/**
 * Returns the findings of a comparison with identifiers that stay the same when layers are renamed or reordered. They depend on
 * the causes and on the layer of the original, not on measured numbers.
 */
function placedFindings(comparison: Comparison): PlacedFinding[] {
	const { layers, outputs } = comparison;
	const found: PlacedFinding[] = layers.flatMap((layer, index) => {
		const finding = layerFinding(layer);
		return finding ? [{ id: layerId(layer, finding), finding, layer: index }] : [];
	});
	const finding = outputFinding(comparison);
	if (finding) {
		const first = layers.find(({ name }) => name === outputs?.firstLayer);
		const id = new Fingerprint()
			.text(finding.code)
			.text(first ? contentOf(first) : '')
			.digits();
		found.push({ id, finding, layer: undefined });
	}
	const ids = numberRepeats(found.map(({ id }) => id));
	return found.map((one, index) => ({ ...one, id: ids[index] }));
}

function layerId(layer: LayerComparison, { code }: ComparisonFinding): string {
	const print = new Fingerprint().text(layer.status).text(code);
	for (const cause of [...layer.causes].sort()) {
		print.text(cause);
	}
	return print.text(contentOf(layer)).digits();
}

/** Fingerprint of the original layer; its name in a comparison of an earlier version, which has none. */
const contentOf = ({ fingerprint, name }: LayerComparison): string => fingerprint ?? name;

/** Returns the identifiers of a comparison's findings: of the layers, by index, and of the outputs. */
export function mismatchIds(comparison: Comparison): {
	readonly all: readonly string[];
	readonly layers: ReadonlyMap<number, string>;
	readonly outputs: string | undefined;
} {
	const placed = placedFindings(comparison);
	const layers = placed.flatMap(({ id, layer }) => (layer === undefined ? [] : [[layer, id] as const]));
	return {
		all: placed.map(({ id }) => id),
		layers: new Map(layers),
		outputs: placed.find(({ layer }) => layer === undefined)?.id,
	};
}

/** Returns the comparison with its known findings marked, and the result. @param entry undefined: no finding is known */
export function applyBaselineToComparison(comparison: Comparison, entry: BaselineEntry | undefined): Comparison {
	const placed = placedFindings(comparison);
	const findings = placed.map(({ id, finding }) => ({ id, severity: finding.severity }));
	const { known, result } = judge(findings, entry, lookedFor(comparison));
	const knownLayers = new Set(placed.filter(({ id }) => known.has(id)).map(({ layer }) => layer));
	const { outputs } = comparison;
	return {
		...comparison,
		layers: comparison.layers.map((layer, index) => (knownLayers.has(index) ? { ...layer, known: true } : layer)),
		...(outputs && knownLayers.has(undefined) && { outputs: { ...outputs, known: true } }),
		baseline: result,
	};
}

/**
 * Returns the findings for the baseline, and findings of the earlier entry that this comparison could not have found.
 */
export function acceptedMismatches(
	comparison: Comparison,
	earlier: BaselineEntry | undefined,
): readonly KnownFinding[] {
	const found = placedFindings(comparison).map(({ id, finding: { code, severity, message }, layer }): KnownFinding => {
		const name = layer === undefined ? undefined : comparison.layers[layer].name;
		return { id, code, severity, ...(name !== undefined && { layer: name }), message };
	});
	return acceptFindings(found, earlier, lookedFor(comparison));
}

/** Returns the test of findings that the comparison would have found again. Outputs differ only where both models run. */
function lookedFor({ outputs }: Comparison): (known: KnownFinding) => boolean {
	const isRun = outputs?.status === 'match' || outputs?.status === 'mismatch';
	const isMeasured = outputs?.snrDb !== undefined;
	return ({ code }) => (code === 'outputs-differ' ? isRun : code === 'signal-lost' ? isMeasured : true);
}
