import { layerFingerprint } from '../report/fingerprint/fingerprint.js';
import type { BatchNormLayer } from './layer.js';
import { parameterValues } from './parameters.js';

/** Returns the fingerprint of a layer's parameters and structure, as in reports. */
export function contentFingerprint(layer: BatchNormLayer): string {
	const parameters = parameterValues(layer);
	return layerFingerprint({
		channels: layer.channels,
		epsilon: layer.epsilon,
		mode: layer.mode,
		axes: layer.axes,
		kind: layer.kind,
		parameters: parameters.ok ? parameters.value : null,
		affine: layer.affine,
		source: layer.source?.opType,
		normalizedAxes: layer.handBuilt?.axes ?? undefined,
	});
}
