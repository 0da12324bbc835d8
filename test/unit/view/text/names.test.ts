import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { label, sharedParts, withoutShared } from '../../../../src/view/text/names.js';

const short = (names: readonly string[]): string[] => {
	const shared = sharedParts(names);
	return names.map((name) => withoutShared(name, shared));
};

describe('names without their common parts', () => {
	it('keep the parts that distinguish the layers of an exported network', () =>
		assert.deepEqual(
			short([
				'/features/features.0/features.0.1/BatchNormalization',
				'/features/features.1/conv/conv.0.1/BatchNormalization',
				'/features/features.1/conv/conv.2/BatchNormalization',
			]),
			['features.0/features.0.1', 'features.1/conv/conv.0.1', 'features.1/conv/conv.2'],
		));

	it('are cut at dots where there are no slashes', () =>
		assert.deepEqual(short(['backbone.layer1.bn1', 'backbone.layer2.bn1']), ['layer1.bn1', 'layer2.bn1']));

	it('stay unchanged if there is a single name, or little in common', () => {
		assert.deepEqual(short(['/features/bn']), ['/features/bn']);
		assert.deepEqual(short(['a/x', 'a/y']), ['a/x', 'a/y']);
		assert.deepEqual(short(['BatchNormalization_1', 'BatchNormalization_12']), [
			'BatchNormalization_1',
			'BatchNormalization_12',
		]);
	});

	it('keep a word beside a number', () => {
		assert.deepEqual(short(['net.BatchNormalization.0', 'net.BatchNormalization.11']), [
			'net.BatchNormalization.0',
			'net.BatchNormalization.11',
		]);
		assert.deepEqual(short(['/1/BatchNormalization', '/4/BatchNormalization']), [
			'/1/BatchNormalization',
			'/4/BatchNormalization',
		]);
	});

	it('are never empty, and still differ', () => {
		const segment = fc.constantFrom('a', 'layer1', 'bn', 'BatchNormalization', '');
		const name = fc.array(segment, { minLength: 1, maxLength: 5 }).map((parts) => `/${parts.join('/')}/end`);
		fc.assert(
			fc.property(fc.uniqueArray(name, { minLength: 1, maxLength: 6 }), (names) => {
				assert.equal(new Set(short(names)).size, names.length);
			}),
		);
	});
});

describe('label', () => {
	it('shows hidden characters and stays short however long the name is', () => {
		assert.equal(label('a\u202eb'), 'a\\u202eb');
		assert.equal(label('\u202e'.repeat(100_000)).length, 120);
		assert.match(label(`start${'x'.repeat(10_000)}end`, 20), /^start.*…x*end$/);
	});
});
