import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { DEFAULT_DRIFT_THRESHOLDS } from '../../../../src/core/batchnorm/drift.js';
import { DEFAULT_THRESHOLDS } from '../../../../src/core/batchnorm/health.js';
import { root } from '../../../workbench/paths.mjs';

const { contributes } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'));
const properties: Record<string, { default: unknown; scope: string }> = contributes.configuration.properties;
const names = Object.keys(properties).map((name) => name.replace('batchnormLens.', ''));

test('thresholds have the defaults of the code that they replace, and every threshold is a setting', () => {
	const defaults = (group: string) =>
		Object.fromEntries(
			names
				.filter((name) => name.startsWith(`${group}.`))
				.map((name) => [name.slice(group.length + 1), properties[`batchnormLens.${name}`]?.default]),
		);
	assert.deepEqual(defaults('health'), DEFAULT_THRESHOLDS);
	assert.deepEqual(defaults('drift'), DEFAULT_DRIFT_THRESHOLDS);
});

test('no setting is dead, and each can differ between folders', () => {
	const reader = readFileSync(path.join(root, 'src/host/shared/settings.ts'), 'utf8');
	for (const name of names) {
		assert.ok(reader.includes(`'${name}'`), name);
		assert.equal(properties[`batchnormLens.${name}`]?.scope, 'resource', name);
	}
});
