import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { heatmapData, metricValues, valueAt } from '../../../../src/view/model/heatmap-data.js';
import { sampleLayer } from '../../support/sample-report.js';

const withScale = (scale: Float64Array) => sampleLayer({ affine: { scale, shift: scale } });

describe('values of the overview', () => {
	it('in units that do not depend on the layer', () => {
		const layer = sampleLayer({
			epsilon: 0,
			parameters: {
				gamma: Float64Array.of(1, 1),
				beta: Float64Array.of(0, 0),
				mean: Float64Array.of(2, 3),
				variance: Float64Array.of(4, 9),
			},
			batch: { count: 10, mean: Float64Array.of(6, 0), variance: Float64Array.of(1, 1) },
		});
		assert.deepEqual(metricValues(layer, 'scale'), Float64Array.of(0.999995, 0.25));
		assert.deepEqual(metricValues(layer, 'offset'), Float64Array.of(1, 1));
		assert.deepEqual(metricValues(layer, 'drift'), Float64Array.of(2, -1));
		// Half the log ratio of the variances: 1 to 4, 1 to 9.
		assert.deepEqual(metricValues(layer, 'spread'), Float64Array.of(Math.log(1 / 4) / 2, Math.log(1 / 9) / 2));
		assert.deepEqual(metricValues(layer, 'error'), Float64Array.of(0.03, 0));
		assert.equal(metricValues(layer, 'variance'), null, 'there is no ratio to an epsilon of 0');
	});

	it('are missing before the run if they come from a run', () => {
		const layer = sampleLayer({ batch: null, recompute: { status: 'pending' } });
		assert.equal(metricValues(layer, 'drift'), null);
		assert.equal(metricValues(layer, 'error'), null);
	});
});

describe('heatmapData', () => {
	it('stretches few channels and thins out many', () => {
		const { columns } = heatmapData(
			[withScale(Float64Array.of(1, 10)), withScale(new Float64Array(6).fill(1))],
			'scale',
			4,
		);
		assert.deepEqual(columns, [Float32Array.of(0, 0, 1, 1), new Float32Array(4)]);
	});

	it('keeps a single outlier among many channels, whichever way it lies', () => {
		const scale = Float64Array.from({ length: 2048 }, (_, i) => 1 + 0.2 * Math.sin(i));
		scale[777] = 0;
		scale[1500] = 1000;
		const [column] = heatmapData([withScale(scale)], 'scale', 64).columns;
		assert.equal(column?.[Math.floor((777 * 64) / 2048)], Number.NEGATIVE_INFINITY);
		assert.equal(column?.[Math.floor((1500 * 64) / 2048)], 3);
	});

	it('keeps NaN visible', () => {
		const scale = new Float64Array(256).fill(1);
		scale[3] = Number.NaN;
		assert.ok(Number.isNaN(heatmapData([withScale(scale)], 'scale', 8).columns[0]?.[0]));
	});

	it('has a range symmetric about 1 for scales, without the most extreme channel', () => {
		const scale = Float64Array.from({ length: 1000 }, (_, i) => 0.5 + i / 1000);
		scale[0] = 1e9;
		const { low, high } = heatmapData([withScale(scale)], 'scale', 16);
		assert.equal(low, -high);
		assert.ok(valueAt(high, 'scale') < 3);
	});

	it('has a column for every layer, empty if it has no values', () => {
		const layers = [sampleLayer({ affine: null }), sampleLayer()];
		assert.deepEqual(
			heatmapData(layers, 'scale', 2).columns.map((column) => column?.length ?? null),
			[null, 2],
		);
	});
});
